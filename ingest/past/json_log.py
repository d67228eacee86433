"""Access logs in JSON, an object a line: Caddy's, and nginx' by the names of its variables."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from ingest.past.log_time import any_time
from ingest.past.pageview import LoggedRequest, pageview
from ingest.past.past_event import BrokenLineError, PastEvent, ReaderOptions, SkipReason

_TIMES: Final = (
    "ts",
    "msec",
    "time_iso8601",
    "time_local",
    "time",
    "timestamp",
    "@timestamp",
)
_PEERS: Final = ("remote_addr", "remote_ip", "realip_remote_addr")
_METHODS: Final = ("request_method", "method")
_TARGETS: Final = ("request_uri", "uri", "document_uri", "path")
_QUERIES: Final = ("args", "query_string")
_HOSTS: Final = ("host", "http_host", "server_name")
_AGENTS: Final = ("http_user_agent", "user_agent", "agent")
_REFERRERS: Final = ("http_referer", "http_referrer", "referer", "referrer")
_FORWARDED: Final = ("http_x_forwarded_for", "x_forwarded_for")
_TYPES: Final = ("sent_http_content_type", "content_type")
_PURPOSES: Final = ("http_sec_purpose", "http_purpose", "http_x_moz", "sec_purpose")
"""Names of nginx' variables, and what people call them, in the order in which they are tried."""


class JsonLogReader:
    """Reads both, line by line."""

    def __init__(self, options: ReaderOptions) -> None:
        """Read for an import."""
        self._options = options

    def read(self, line: bytes) -> PastEvent | SkipReason:
        """See `Reader.read`."""
        entry = json_object(line)
        request = entry.get("request")
        if isinstance(request, dict):
            return pageview(_of_caddy(entry, request), self._options)
        if "level" in entry and "logger" in entry:
            return SkipReason.OTHER_MESSAGE  # another of Caddy's loggers, in the same file
        return pageview(_of_nginx(entry), self._options)

    def is_whole(self, line: bytes) -> bool:
        """Every line is."""
        return True


def json_object(line: bytes) -> dict[str, Any]:
    """The object on a line.

    Raises:
        BrokenLineError: There is none.
    """
    try:
        entry = msgspec.json.decode(line)
    except (ValueError, RecursionError):
        try:
            # nginx writes bytes of a request as they came, whether they are UTF-8 or not.
            entry = msgspec.json.decode(line.decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            raise BrokenLineError("not a JSON object") from None
    if not isinstance(entry, dict):
        raise BrokenLineError("not a JSON object")
    return entry


def _of_caddy(entry: Mapping[str, Any], request: Mapping[str, Any]) -> LoggedRequest:
    """An entry of `http.log.access`, as Caddy's documentation shows it."""
    headers = _headers(request.get("headers"))
    # From version 2.7 on `client_ip` is the visitor's by Caddy's own `trusted_proxies`.
    client = _text(request.get("client_ip"))
    peer = _text(request.get("remote_ip"))
    if not peer:
        peer = _without_port(_text(request.get("remote_addr")))
    if not peer and not client:
        raise BrokenLineError("has no address of the client")
    return LoggedRequest(
        timestamp=any_time(_first_of(entry, _TIMES)),
        peer=peer,
        method=_text(request.get("method")),
        target=_text(request.get("uri")),
        status=_status(entry.get("status")),
        host=_text(request.get("host")),
        referrer=headers.get("referer"),
        user_agent=headers.get("user-agent"),
        forwarded=headers.get("x-forwarded-for"),
        content_type=_headers(entry.get("resp_headers")).get("content-type", ""),
        purpose=headers.get("sec-purpose") or headers.get("purpose") or headers.get("x-moz") or "",
        client=client if client and client != peer else None,
    )


def _of_nginx(entry: Mapping[str, Any]) -> LoggedRequest:
    """An object by the names of nginx' variables."""
    method, target = _optional(entry, _METHODS), _optional(entry, _TARGETS)
    line = _text(entry.get("request"))
    if line:
        first, _, rest = line.partition(" ")
        if not method:
            method = first
        if not _optional(entry, ("request_uri",)):
            target = rest.rpartition(" ")[0] if " HTTP/" in rest else rest
    elif target and "?" not in target and (query := _optional(entry, _QUERIES)):
        target = f"{target}?{query}"
    peer = _optional(entry, _PEERS)
    if not method or not target or not peer:
        raise BrokenLineError("has no address of the client, no method or no path")
    return LoggedRequest(
        timestamp=any_time(_first_of(entry, _TIMES)),
        peer=peer,
        method=method,
        target=target,
        status=_status(entry.get("status")),
        host=_optional(entry, _HOSTS),
        referrer=_optional(entry, _REFERRERS) or None,
        user_agent=_optional(entry, _AGENTS) or None,
        forwarded=_optional(entry, _FORWARDED) or None,
        content_type=_optional(entry, _TYPES),
        purpose=_optional(entry, _PURPOSES),
    )


def _first_of(entry: Mapping[str, Any], names: tuple[str, ...]) -> object:
    for name in names:
        value = entry.get(name)
        if value not in (None, ""):
            return value
    return None


def _optional(entry: Mapping[str, Any], names: tuple[str, ...]) -> str:
    """The first that is text and says something; `-` is nginx' word for nothing."""
    for name in names:
        value = _text(entry.get(name))
        if value and value != "-":
            return value
    return ""


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _status(value: object) -> int:
    if isinstance(value, str) and len(value) == 3 and value.isascii() and value.isdecimal():
        return int(value)
    return value if type(value) is int else 0


def _headers(value: object) -> dict[str, str]:
    """First value of each header, by lower-case name."""
    if not isinstance(value, dict):
        return {}
    return {
        name.lower(): values[0]
        for name, values in value.items()
        if isinstance(values, list) and values and isinstance(values[0], str)
    }


def _without_port(address: str) -> str:
    host, separator, port = address.rpartition(":")
    if not separator or not port.isdecimal():
        return address
    return host.removeprefix("[").removesuffix("]")
