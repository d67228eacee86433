"""Reads the lines of a head, and remembers those that many clients send."""

import re
from typing import Final

from ingest.request.client_address import ADDRESS_HEADERS, IP_TYPE_HEADER

Header = tuple[str, str]
"""The lower-case name and the value of a header."""

LINES: Final = 2048
"""Lines remembered."""

LINE_LENGTH: Final = 256
"""Length of the longest line that is remembered. So all of them take less than 2 MB."""

_LENGTH_DIGITS: Final = 9
"""Digits of the longest body's length; hypercorn judges longer numbers."""

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")
"""A name in lower case (RFC 9110 §5.1)."""

_TEXT: Final = bytes(byte if byte >= 32 and byte != 127 else 63 for byte in range(256))
"""Replaces what is not in plain values: control characters, and so folded lines."""

USED: Final = frozenset(
    (
        "accept",
        "authorization",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "host",
        "traceparent",
        "user-agent",
        "x-request-id",
        IP_TYPE_HEADER,
        *ADDRESS_HEADERS,
    )
)
"""Headers that the fast path or the endpoints use."""

REMEMBERED: Final = frozenset(
    (
        "accept",
        "accept-encoding",
        "accept-language",
        "cache-control",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "dnt",
        "host",
        "origin",
        "pragma",
        "priority",
        "sec-ch-ua",
        "sec-ch-ua-mobile",
        "sec-ch-ua-platform",
        "sec-fetch-dest",
        "sec-fetch-mode",
        "sec-fetch-site",
        "sec-gpc",
        "user-agent",
        "x-forwarded-host",
        "x-forwarded-port",
        "x-forwarded-proto",
    )
)
"""Headers that have the same value for many visitors. None of them holds an address or a secret."""

_PERSONAL: Final = USED - REMEMBERED
_UNUSED: Final = frozenset(("cookie", "referer", "x-real-ip"))
"""Frequent headers that nobody uses. Their names need no check."""

_LEFT_TO_HYPERCORN: Final = frozenset(("transfer-encoding", "expect", "upgrade"))


class NotPlainError(ValueError):
    """The request is not plain, so hypercorn must read it."""


class HeaderLines(dict[str, Header | None]):
    """The header in each line; None if nobody uses it.

    A line that is not remembered is read by `lines[line]`, and then remembered if many clients send
    it. When there are too many lines, all are forgotten: reading them again costs less than to know
    which one was used last.
    """

    def __missing__(self, line: str) -> Header | None:
        """Read a line, without its end.

        Raises:
            NotPlainError: hypercorn must read the request.
        """
        name, colon, value = line.partition(":")
        name, value = name.lower(), value.strip(" \t")
        raw = value.encode("latin-1")
        if not colon or raw.translate(_TEXT) != raw:
            raise NotPlainError
        if name in _PERSONAL:
            return name, value
        if name in _UNUSED:
            return None
        if not _is_plain(name, value):
            raise NotPlainError
        header = (name, value) if name in USED else None
        if name in REMEMBERED and len(line) <= LINE_LENGTH:
            if len(self) >= LINES:
                self.clear()
            self[line] = header
        return header


def _is_plain(name: str, value: str) -> bool:
    if name == "content-length":
        return value.isdecimal() and len(value) <= _LENGTH_DIGITS
    if name == "connection":
        return value.lower() in ("close", "keep-alive")
    return name not in _LEFT_TO_HYPERCORN and _TOKEN.fullmatch(name) is not None
