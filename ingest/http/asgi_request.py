"""Reads the headers, the peer and the body of a request."""

from typing import Any, Final

import trio
from quart import request

from ingest.request.client_address import JOINED_HEADERS

BODY_SECONDS: Final = 10.0
"""How long a client may take to send a body."""


async def read_body() -> bytes:
    """Return the request's body.

    Raises:
        RequestEntityTooLarge: The body exceeds its route's limit; the rest is not read.
        trio.TooSlowError: The body did not arrive in time.
    """
    with trio.fail_after(BODY_SECONDS):
        body: bytes = await request.body
    return body


def first_headers(scope: Any) -> dict[str, str]:
    """Return the first occurrence of each header, by lower-case name."""
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        headers.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))
    return headers


def joined_headers(scope: Any) -> dict[str, str]:
    """Return list headers by lower-case name, with all their occurrences joined in order."""
    lists: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        if name in JOINED_HEADERS:
            lists[name] = f"{lists[name]},{value}" if name in lists else value
    return lists


def peer_of(scope: Any) -> str:
    """Return the address of the connection's peer; empty if it has none."""
    client = scope.get("client")
    return "" if client is None else str(client[0])
