"""Parses requests with one event or a batch in the plain form that most clients send.

hypercorn reads all other requests: those with another path or method, an upgrade, a chunked body,
an `Expect` header, or a head or body of unusual size, and all malformed ones. So the two never
disagree about where a request ends.
"""

from typing import Final

from ingest.http.batch_endpoint import ROUTE as BATCH_ROUTE
from ingest.http.event_endpoint import ROUTE
from ingest.http.fast_path.header_lines import HeaderLines, NotPlainError
from ingest.http.fast_path.request_head import RequestHead
from ingest.http.hypercorn.protocol import HEAD_BYTES, HEADERS
from ingest.request.batch import BATCH_BYTES
from ingest.request.client_address import JOINED_HEADERS

STARTS: Final = tuple(f"POST {route} HTTP/1.".encode() for route in (ROUTE, BATCH_ROUTE))
"""The starts of all plain requests."""

BODY_BYTES: Final = 64 * 1024
"""Maximum size of an event's body. Browsers send no larger ones when a page is closed (Fetch,
keepalive)."""

LIMITS: Final = {ROUTE: BODY_BYTES, BATCH_ROUTE: BATCH_BYTES}
"""Maximum size of a body, by route."""

_REQUEST_LINES: Final = {
    f"POST {route} HTTP/1.{minor}": (route, minor == 0) for route in LIMITS for minor in (0, 1)
}
"""The route, and whether it is a request of HTTP/1.0, by request line."""

_HEAD_END: Final = b"\r\n\r\n"

_ONCE: Final = frozenset(("connection", "content-length", "host"))
"""Headers that hypercorn judges when they are repeated."""

_lines: Final = HeaderLines()


def read_head(unread: bytearray) -> RequestHead | None:
    """Parse the head of the first request.

    Args:
        unread: Bytes that the connection has received and not parsed yet. They are not changed.

    Returns:
        The head; None if more bytes are needed.

    Raises:
        NotPlainError: hypercorn must read the request, from its first byte.
    """
    end = unread.find(_HEAD_END, 0, HEAD_BYTES)
    if end < 0:
        if len(unread) >= HEAD_BYTES or not _may_be_plain(unread):
            raise NotPlainError
        return None
    lines = unread[:end].decode("latin-1").split("\r\n")
    request_line = _REQUEST_LINES.get(lines.pop(0))
    if request_line is None or len(lines) > HEADERS:
        raise NotPlainError
    route, is_old = request_line
    headers: dict[str, str] = {}
    repeated: dict[str, str] = {}
    for name, value in filter(None, map(_lines.__getitem__, lines)):
        if name not in headers:
            headers[name] = value
        elif name in _ONCE:
            raise NotPlainError
        elif name in JOINED_HEADERS:
            repeated[name] = f"{repeated.get(name, headers[name])},{value}"
    length = int(headers.get("content-length", -1))
    if not 0 <= length <= LIMITS[route] or not (is_old or "host" in headers):
        raise NotPlainError
    return RequestHead(
        route,
        headers,
        headers | repeated if repeated else None,
        end + len(_HEAD_END),
        length,
        length > BODY_BYTES,
        # Like hypercorn, which closes HTTP/1.0 connections.
        is_old or headers.get("connection", "").lower() == "close",
    )


def _may_be_plain(part: bytearray) -> bool:
    """Whether a plain request may start with these bytes."""
    return part.startswith(STARTS) or any(start.startswith(part) for start in STARTS)
