import pytest

from ingest.http.admin import bears, is_loopback, may_administer

TOKEN = "a-token-of-some-length"


@pytest.mark.parametrize(
    ("headers", "peer", "token", "may"),
    [
        ({}, "127.0.0.1", None, True),
        ({}, "::1", None, True),
        ({}, "::ffff:127.0.0.1", None, True),
        ({}, "192.168.0.1", None, False),
        ({}, "", None, False),
        ({"x-forwarded-for": "127.0.0.1"}, "127.0.0.1", None, False),
        ({"forwarded": "for=127.0.0.1"}, "127.0.0.1", None, False),
        ({"authorization": f"Bearer {TOKEN}"}, "203.0.113.9", TOKEN, True),
        ({"authorization": f"bearer  {TOKEN} "}, "203.0.113.9", TOKEN, True),
        ({"authorization": f"Basic {TOKEN}"}, "127.0.0.1", TOKEN, False),
        ({"authorization": f"Bearer {TOKEN}x"}, "127.0.0.1", TOKEN, False),
        ({"authorization": "Bearer"}, "127.0.0.1", TOKEN, False),
        ({}, "127.0.0.1", TOKEN, False),
    ],
)
def test_who_may(headers: dict[str, str], peer: str, token: str | None, may: bool) -> None:
    assert may_administer(headers, peer, token) is may


def test_no_token_is_borne_by_nobody() -> None:
    assert not bears({}, TOKEN)


def test_bytes_that_are_no_text_are_no_token() -> None:
    assert not bears({"authorization": "Bearer \xff\xfe"}, TOKEN)


@pytest.mark.parametrize("peer", ["localhost", "/run/socket", "10.0.0.1", "2001:db8::1"])
def test_other_machines(peer: str) -> None:
    assert not is_loopback(peer)
