from typing import Any

import pytest

from ingest.http.asgi_request import first_headers, joined_headers, peer_of


def test_the_first_of_a_repeated_header_counts() -> None:
    headers = [(b"X-Forwarded-For", b"a"), (b"x-forwarded-for", b"b"), (b"x", b"\xe9")]
    assert first_headers({"headers": headers}) == {"x-forwarded-for": "a", "x": "\xe9"}


def test_the_occurrences_of_a_list_are_joined() -> None:
    headers = [
        (b"X-Forwarded-For", b"a, b"),
        (b"forwarded", b"for=x"),
        (b"x", b"1"),
        (b"x-forwarded-for", b"c"),
        (b"x-plausible-ip", b"d"),
        (b"Forwarded", b"for=\xe9"),
    ]
    assert joined_headers({"headers": headers}) == {
        "x-forwarded-for": "a, b,c",
        "forwarded": "for=x,for=\xe9",
    }


@pytest.mark.parametrize(
    ("scope", "peer"),
    [({"client": ("198.51.100.1", 1)}, "198.51.100.1"), ({"client": None}, ""), ({}, "")],
)
def test_peers(scope: dict[str, Any], peer: str) -> None:
    assert peer_of(scope) == peer
