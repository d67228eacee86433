"""What the application reads of a request: its headers, its peer, its body."""

from typing import Any, Final

import trio
from quart import request

from ingest.request.client_address import JOINED_HEADERS

BODY_SECONDS: Final = 10.0
"""How long a client may take to send a body."""


async def read_body() -> bytes:
    """The request's body.

    Raises:
        RequestEntityTooLarge: It has more bytes than its route takes; it is not read any further.
        trio.TooSlowError: It did not arrive in time.
    """
    with trio.fail_after(BODY_SECONDS):
        body: bytes = await request.body
    return body


def first_headers(scope: Any) -> dict[str, str]:
    """The first occurrence of each header, by lower-case name."""
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        headers.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))
    return headers


def joined_headers(scope: Any) -> dict[str, str]:
    """Headers that are lists, by lower-case name: all their occurrences, joined in their order."""
    lists: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        if name in JOINED_HEADERS:
            lists[name] = f"{lists[name]},{value}" if name in lists else value
    return lists


def peer_of(scope: Any) -> str:
    """The address of the connection's other end; empty when it has none."""
    client = scope.get("client")
    return "" if client is None else str(client[0])
