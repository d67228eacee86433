"""JSON access logs with one object per line: of Caddy, Traefik, and nginx with any field names."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

import msgspec

from ingest.past.log_address import Visitors
from ingest.past.log_fields import LogField, logged_request, parse_names
from ingest.past.log_prefix import message_of
from ingest.past.log_time import any_time
from ingest.past.pageview import pageview
from ingest.past.past_event import (
    BrokenLineError,
    PastEvent,
    ReaderOptions,
    SkipReason,
    text_of,
)
from ingest.request.json_text import check_size

NAMES: Final[Mapping[LogField, tuple[str, ...]]] = {
    "time": (
        "ts",
        "msec",
        "time_iso8601",
        "time_local",
        "StartUTC",
        "time",
        "timestamp",
        "@timestamp",
        "date",
    ),
    "address": (
        "remote_addr",
        "remote_ip",
        "ClientHost",
        "ClientAddr",
        "realip_remote_addr",
        "client_ip",
        "ip",
    ),
    "forwarded": (
        "http_x_forwarded_for",
        "x_forwarded_for",
        "request_X-Forwarded-For",
    ),
    "host": ("host", "http_host", "RequestHost", "server_name", "vhost"),
    "request": ("request",),
    "method": ("request_method", "method", "RequestMethod"),
    "path": ("request_uri", "uri", "RequestPath", "document_uri", "path", "url"),
    "query": ("args", "query_string"),
    "status": ("status", "response", "status_code", "DownstreamStatus"),
    "referrer": ("http_referer", "http_referrer", "referer", "referrer", "request_Referer"),
    "user_agent": ("http_user_agent", "user_agent", "agent", "request_User-Agent"),
    "content_type": (
        "sent_http_content_type",
        "content_type",
        "downstream_Content-Type",
        "origin_Content-Type",
    ),
    "purpose": (
        "http_sec_purpose",
        "http_purpose",
        "http_x_moz",
        "sec_purpose",
        "request_Sec-Purpose",
    ),
}
"""Usual names of each field, in the order in which they are tried: nginx's variables, common names
for them, and the names of Matomo's documentation and of Traefik."""

_OF_A_REQUEST: Final = ("status", "request", "method", "path")
_LARGEST: Final = 10**18


class JsonLogReader:
    """Reads all these logs. Each line is parsed on its own, so a file may mix them."""

    def __init__(self, options: ReaderOptions) -> None:
        """Create the reader for an import.

        Raises:
            BrokenLineError: The options have invalid names of fields.
        """
        self._options = options
        self._visitors = Visitors(options.proxies)
        self._names = dict(NAMES)
        self._named: frozenset[LogField] = frozenset()
        if options.names:
            try:
                given = parse_names(options.names)
            except ValueError as error:
                raise BrokenLineError(str(error)) from None
            self._named = frozenset(field for field, _ in given)
            for field in self._named:
                own = tuple(name for named, name in given if named is field)
                self._names[field] = (*own, *NAMES[field])

    def read(self, line: bytes) -> PastEvent | SkipReason:
        """See `Reader.read`."""
        entry = json_object(line)
        request = entry.get("request")
        values: dict[LogField, str] = {}
        for field in self._named if isinstance(request, dict) else self._names:
            text = _text(_first(entry, self._names[field]))
            if text is not None:
                values[field] = text
        if isinstance(request, dict):
            values = _of_caddy(entry, request) | values
        if "level" in entry and not any(field in values for field in _OF_A_REQUEST):
            return SkipReason.OTHER_MESSAGE  # the server's own message, in the same file
        if values.get("request") and "path" not in self._named:
            # `uri` is the path after rewrites; `request_uri` is the path as sent.
            values["path"] = _text(entry.get("request_uri")) or ""
        time = any_time(_first(entry, self._names["time"]))
        logged = logged_request(values, time, self._visitors)
        if isinstance(request, dict) and "address" not in self._named:
            # Since version 2.7, Caddy's `client_ip` is the visitor's, due to its `trusted_proxies`.
            client = _text(request.get("client_ip"))
            if client and client != logged.peer:
                logged = replace(logged, client=self._visitors.peer_and_client(client)[0])
        return pageview(logged, self._options)

    def is_whole(self, line: bytes) -> bool:
        """Return True: each line is a record."""
        return True


def json_object(line: bytes) -> dict[str, Any]:
    """Parse the JSON object on a line, which may have a log collector's prefix or wrapper.

    Raises:
        BrokenLineError: The line has no JSON object.
    """
    if line[:1] != b"{" or line.startswith(b'{"log":') or b'"__REALTIME_TIMESTAMP"' in line:
        line = message_of(text_of(line)).encode("utf-8", "surrogateescape")
    try:
        check_size(line)
    except ValueError as error:
        raise BrokenLineError(str(error)) from None
    try:
        entry = msgspec.json.decode(line)
    except (ValueError, RecursionError):
        try:
            # nginx writes the bytes of a request unchanged, even if they are not UTF-8.
            entry = msgspec.json.decode(line.decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            raise BrokenLineError("not a JSON object") from None
    if not isinstance(entry, dict):
        raise BrokenLineError("not a JSON object")
    return entry


def _of_caddy(entry: Mapping[str, Any], request: Mapping[str, Any]) -> dict[LogField, str]:
    """Return the fields of an `http.log.access` entry, as shown in Caddy's documentation."""
    headers = _headers(request.get("headers"))

    def text(name: str) -> str:
        return _text(request.get(name)) or ""

    return {
        "address": text("remote_ip") or text("remote_addr") or text("client_ip"),
        "method": text("method"),
        "path": text("uri"),
        "status": _text(entry.get("status")) or "",
        "host": text("host"),
        "referrer": headers.get("referer", ""),
        "user_agent": headers.get("user-agent", ""),
        "forwarded": headers.get("x-forwarded-for", ""),
        "content_type": _headers(entry.get("resp_headers")).get("content-type", ""),
        "purpose": headers.get("sec-purpose")
        or headers.get("purpose")
        or headers.get("x-moz")
        or "",
    }


def _first(entry: Mapping[str, Any], names: Iterable[str]) -> object:
    """Return the first value that is not empty; nginx writes an empty value as `-`.

    Returns:
        The value; an empty text if all values are empty, None if no name exists.
    """
    found = None
    for name in names:
        value = entry.get(name)
        if value is None and "." in name:
            value = _inner(entry, name)
        if value is not None:
            if value not in ("", "-"):
                return value
            found = ""
    return found


def _inner(entry: Mapping[str, Any], name: str) -> object:
    """Return a value of a nested object by a name such as `http.request.method`."""
    value: object = entry
    for key in name.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def _text(value: object) -> str | None:
    """Return a text, an integer as a text, or a list's first text; None for other values."""
    if isinstance(value, list) and value:
        value = value[0]
    if isinstance(value, str):
        return value
    return str(value) if type(value) is int and abs(value) < _LARGEST else None


def _headers(value: object) -> dict[str, str]:
    """Return the first value of each header, by lower-case name."""
    if not isinstance(value, dict):
        return {}
    return {
        name.lower(): values[0]
        for name, values in value.items()
        if isinstance(values, list) and values and isinstance(values[0], str)
    }
