"""Parses requests with one event or a batch in the plain form that most clients send.

hypercorn reads all other requests: those with another path or method, an upgrade, a chunked body,
an `Expect` header, or a head or body of unusual size, and all malformed ones. So the two never
disagree about where a request ends.
"""

from typing import Final

import httptools

from ingest.http.batch_endpoint import ROUTE as BATCH_ROUTE
from ingest.http.event_endpoint import ROUTE
from ingest.http.fast_path.request_head import RequestHead
from ingest.http.hypercorn.protocol import HEAD_BYTES, HEADERS
from ingest.request.batch import BATCH_BYTES
from ingest.request.client_address import JOINED_HEADERS

STARTS: Final = {route: f"POST {route} HTTP/1.".encode() for route in (ROUTE, BATCH_ROUTE)}
"""The start of every plain request, by route."""

BODY_BYTES: Final = 64 * 1024
"""Maximum size of an event's body. Browsers send no larger ones when a page is closed (Fetch,
keepalive)."""

LIMITS: Final = {ROUTE: BODY_BYTES, BATCH_ROUTE: BATCH_BYTES}
"""Maximum size of a body, by route."""

_HEAD_END: Final = b"\r\n\r\n"

_USED: Final = {
    name.encode(): name
    for name in (
        "accept",
        "content-encoding",
        "content-type",
        "user-agent",
        "x-plausible-ip",
        "x-plausible-ip-type",
        "cf-connecting-ip",
        "authorization",
        "x-request-id",
        "traceparent",
        *JOINED_HEADERS,
    )
}
"""Headers that the endpoints use."""

_LEFT_TO_HYPERCORN: Final = frozenset((b"transfer-encoding", b"expect", b"upgrade"))


class NotPlainError(ValueError):
    """The request is not plain, so hypercorn must read it."""


class _Head:
    """Collects the headers that httptools parses."""

    __slots__ = ("closes", "complete", "headers", "hosts", "length", "lines", "lists", "plain")

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.lists: dict[str, str] = {}
        self.length: int | None = None
        self.lines = self.hosts = 0
        self.closes = False
        self.plain = True
        self.complete = False

    def on_header(self, raw_name: bytes, raw_value: bytes) -> None:
        self.lines += 1
        name = raw_name.lower()
        used = _USED.get(name)
        if used is not None:
            value = raw_value.decode("latin-1")
            self.headers.setdefault(used, value)
            if used in JOINED_HEADERS:
                joined = self.lists.get(used)
                self.lists[used] = value if joined is None else f"{joined},{value}"
        elif name == b"content-length":
            self.length = int(raw_value) if raw_value.isdigit() else None
        elif name == b"host":
            self.hosts += 1
        elif name == b"connection":
            option = raw_value.strip().lower()
            self.closes = self.closes or option == b"close"
            self.plain = self.plain and option in (b"close", b"keep-alive")
        elif name in _LEFT_TO_HYPERCORN:
            self.plain = False

    def on_headers_complete(self) -> None:
        self.complete = True


def read_head(unread: bytearray) -> RequestHead | None:
    """Parse the head of the first request.

    Args:
        unread: Bytes that the connection has received and not parsed yet. They are not changed.

    Returns:
        The head; None if more bytes are needed.

    Raises:
        NotPlainError: hypercorn must read the request, from its first byte.
    """
    route = _route_of(unread)
    if route is None:
        return None
    end = unread.find(_HEAD_END, 0, HEAD_BYTES)
    if end < 0:
        if len(unread) >= HEAD_BYTES:
            raise NotPlainError
        return None
    end += len(_HEAD_END)
    head = _Head()
    parser = httptools.HttpRequestParser(head)
    try:
        parser.feed_data(memoryview(unread)[:end])
    except (httptools.HttpParserError, httptools.HttpParserUpgrade):
        raise NotPlainError from None
    version = parser.get_http_version()
    if (
        not (head.plain and head.complete)
        or head.length is None
        or head.length > LIMITS[route]
        or head.lines > HEADERS
        or (head.hosts != 1 and (head.hosts or version != "1.0"))
    ):
        raise NotPlainError
    return RequestHead(
        route,
        head.headers,
        head.lists,
        end,
        head.length,
        is_large=head.length > BODY_BYTES,
        # Like hypercorn, which closes HTTP/1.0 connections.
        closes=head.closes or version == "1.0",
    )


def _route_of(unread: bytearray) -> str | None:
    """Return the route of the first request; None if more bytes are needed.

    Raises:
        NotPlainError: It has another method or path.
    """
    for route, start in STARTS.items():
        if unread.startswith(start):
            return route
    if any(start.startswith(unread) for start in STARTS.values()):
        return None
    raise NotPlainError
