"""Who may see the operator's pages."""

import hmac

import pytest

from ingest.http.admin import FORWARDED_HEADERS, bears, is_loopback, may_administer

TOKEN = "s3cret"


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("::ffff:203.0.113.9", False),
        ("10.0.0.1", False),
        ("192.168.0.1", False),
        ("/run/socket", False),
        ("203.0.113.9", False),
        ("2001:db8::1", False),
        ("0.0.0.0", False),
        ("localhost", False),
        ("", False),
    ],
)
def test_loopback(peer: str, expected: bool) -> None:
    assert is_loopback(peer) is expected


@pytest.mark.parametrize(
    ("authorization", "expected"),
    [
        ("Bearer s3cret", True),
        ("bearer s3cret", True),
        ("BEARER  s3cret ", True),
        ("Bearer S3cret", False),
        ("Bearer s3cret2", False),
        ("Bearer s3cre", False),
        ("Bearer", False),
        ("Bearer ", False),
        ("s3cret", False),
        ("Basic s3cret", False),
        ("Bearer s3cr\u00e9t", False),
        ("Bearer \xff\xfe", False),
        ("", False),
        (None, False),
    ],
)
def test_bearer_tokens(authorization: str | None, expected: bool) -> None:
    headers = {} if authorization is None else {"authorization": authorization}
    assert bears(headers, TOKEN) is expected


@pytest.mark.parametrize("peer", ["127.0.0.1", "203.0.113.9", ""])
@pytest.mark.parametrize("carried", [True, False])
def test_with_a_token_only_the_token_counts(peer: str, carried: bool) -> None:
    headers = {"authorization": f"Bearer {TOKEN}"} if carried else {}
    assert may_administer(headers, peer, TOKEN) is carried


@pytest.mark.parametrize(("peer", "expected"), [("127.0.0.1", True), ("203.0.113.9", False)])
def test_without_a_token_only_this_machine_may(peer: str, expected: bool) -> None:
    assert may_administer({"accept": "*/*"}, peer, None) is expected


def test_tokens_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[object, object]] = []

    def compare(given: bytes, token: bytes) -> bool:
        compared.append((given, token))
        return False

    monkeypatch.setattr(hmac, "compare_digest", compare)
    assert not bears({"authorization": "Bearer \xe9"}, TOKEN)
    assert not bears({}, TOKEN)
    assert compared == [("\xe9".encode(), TOKEN.encode()), (b"", TOKEN.encode())]


@pytest.mark.parametrize("origin", ["https://example.com", "http://localhost:8000", "null", ""])
def test_a_web_page_on_this_machine_is_not_its_operator(origin: str) -> None:
    assert not may_administer({"origin": origin}, "127.0.0.1", None)
    headers = {"origin": origin, "authorization": f"Bearer {TOKEN}"}
    assert may_administer(headers, "203.0.113.9", TOKEN)


@pytest.mark.parametrize("header", FORWARDED_HEADERS)
@pytest.mark.parametrize("value", ["127.0.0.1", ""])
def test_a_proxy_on_this_machine_is_not_this_machine(header: str, value: str) -> None:
    assert not may_administer({header: value}, "127.0.0.1", None)
    assert may_administer({header: value, "authorization": f"Bearer {TOKEN}"}, "127.0.0.1", TOKEN)
