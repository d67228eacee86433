"""Names, parsing and checks of the fields of a request in a log line."""

from collections.abc import Mapping
from typing import Final, Literal, get_args

from ingest.past.log_address import NOTHING, Visitors, host_of
from ingest.past.log_text import method_and_target
from ingest.past.pageview import LoggedRequest
from ingest.past.past_event import BrokenLineError

LogField = Literal[
    "time",
    "address",  # of the client: an address, a list as in `X-Forwarded-For`, or a host's name
    "forwarded",  # `X-Forwarded-For`, or another header with the address behind a proxy
    "host",
    "request",  # method, path and version: `GET /a HTTP/1.1`
    "method",
    "path",  # with or without the query; also a full URL
    "query",
    "status",
    "referrer",
    "user_agent",
    "content_type",  # of the response
    "purpose",  # `Sec-Purpose`: whether a browser prefetches the page
]
"""A field of a request in a log."""

FIELDS: Final[Mapping[str, LogField]] = {field: field for field in get_args(LogField)}
"""All fields, by name."""

Names = tuple[tuple[LogField, str], ...]
"""Pairs of a field and its name in the log."""


def parse_names(text: str) -> Names:
    """Parse a log's names of fields, such as `path=uri,status=response`.

    Raises:
        ValueError: The text is invalid.
    """
    names: list[tuple[LogField, str]] = []
    for part in text.split(","):
        key, separator, name = part.partition("=")
        if not separator or not name.strip():
            raise ValueError(f"{part!r} is not like path=uri")
        field = FIELDS.get(key.strip())
        if field is None:
            raise ValueError(f"{key.strip()!r} is no field; there are {', '.join(FIELDS)}")
        names.append((field, name.strip()))
    return tuple(names)


NO_RESPONSE: Final = frozenset({"-", "0", "000"})
"""Values of the status if the client disconnected before the response."""


def logged_request(
    values: Mapping[LogField, str], timestamp: int, visitors: Visitors
) -> LoggedRequest:
    """Create the request of a line.

    If the log has no method, GET is assumed.

    Args:
        values: The line's fields; `-` is an empty value.
        timestamp: Unix seconds, used instead of the field `time`.
        visitors: Finds the visitor's address.

    Raises:
        BrokenLineError: A field is missing or invalid.
    """

    def value(field: LogField) -> str:
        text = values.get(field, "")
        return "" if text in NOTHING else text

    method, target = value("method"), value("path")
    line = value("request")
    if line:
        first, rest = method_and_target(line)
        method, target = method or first, target or rest
    elif "request" in values or "method" in values:
        pass  # the client sent no valid request, so there is no method
    elif target:
        method = "GET"
    if not ("path" in values or "request" in values):
        raise BrokenLineError("has no path")
    query = value("query").removeprefix("?")
    if query and not line and "?" not in target:
        target = f"{target}?{query}"
    peer, client = visitors.peer_and_client(value("address"))
    return LoggedRequest(
        timestamp=timestamp,
        peer=peer,
        method=method,
        target=target,
        status=status_of(values.get("status", "")),
        host=host_of(value("host")),
        referrer=value("referrer") or None,
        user_agent=value("user_agent") or None,
        forwarded=value("forwarded") or None,
        content_type=value("content_type"),
        purpose=value("purpose"),
        client=client,
    )


def status_of(text: str) -> int:
    """Return the status of a response; 0 if there was no response.

    Raises:
        BrokenLineError: The status is missing or invalid.
    """
    if not text:
        raise BrokenLineError("has no status")
    if text in NO_RESPONSE:
        return 0
    if len(text) != 3 or not text.isascii() or not text.isdecimal():
        raise BrokenLineError("has a status that is no number of three digits")
    return int(text)
