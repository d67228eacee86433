"""The values of an event's fields on the wire: their types, limits and messages.

Each `read_` function takes what a client sent and returns the value of one field of `EventFields`.
It raises `PydanticCustomError` if the value is invalid.
"""

import re
from typing import Final

import regex
from pydantic_core import PydanticCustomError

from ingest.model.url import clean_host
from ingest.request.url import URL_BYTES, PageURL, parse_url

NAME_LENGTH: Final = 120
REFERRER_LENGTH: Final = 2000
"""Both in grapheme clusters."""

DOMAINS_LIMIT: Final = 100
"""Maximum number of domains of one request. Plausible has no limit, so one request may cause up to
500,000 look-ups there; real pages name only a few sites."""

UNKNOWN_SCROLL_DEPTH: Final = 255
LONGEST_ENGAGEMENT: Final = 30 * 24 * 3600 * 1000
"""Milliseconds."""

_LARGEST_VERSION: Final = 65_535
"""The column is UInt16."""

_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,18}")
_LARGEST_BITS: Final = 400
"""More than any number of `NAME_LENGTH` digits has: longer ones are not written out."""

_TOO_LONG: Final = "9" * (NAME_LENGTH + 1)
_WINDOW: Final = 256
"""Code points in which clusters are looked for at a time: to find where one ends, `regex` goes back
to the beginning of a run of flags, for each flag anew."""


def read_event_name(value: object) -> str:
    if not isinstance(value, str):
        value = _number_as_name(value)
    if not value.strip():
        raise PydanticCustomError("blank", "can't be blank")
    if len(value) > NAME_LENGTH and len(first_graphemes(value, NAME_LENGTH)) < len(value):
        raise PydanticCustomError("length", "should be at most 120 character(s)")
    return value


def _number_as_name(value: object) -> str:
    if value is None:
        raise PydanticCustomError("blank", "can't be blank")
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if value.bit_length() <= _LARGEST_BITS else _TOO_LONG
    raise PydanticCustomError("type", "is invalid")


def read_url(value: object) -> str:
    read_page(value)
    return str(value)


def read_page(value: object) -> PageURL:
    """Check as `read_url`, and parse."""
    if value is None:
        raise PydanticCustomError("missing", "is required")
    if (
        not isinstance(value, str)
        or len(value) > URL_BYTES
        or not (value.isascii() or _within(value, URL_BYTES))
    ):
        raise PydanticCustomError("type", "must be a valid url")
    page = parse_url(value)
    if page.scheme == "data":
        raise PydanticCustomError("scheme", "scheme is not allowed")
    return page


def read_domains(value: object) -> tuple[str, ...] | None:
    if not isinstance(value, str):
        return None
    domains = value.strip()
    if not domains:
        raise PydanticCustomError("blank", "can't be blank")
    if "," not in domains:
        return (domains.removeprefix("www."),)
    if domains.count(",") >= DOMAINS_LIMIT:
        raise PydanticCustomError("length", "should have at most 100 item(s)")
    return tuple(clean_host(domain) for domain in domains.split(","))


def read_referrer(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    return value if len(value) <= REFERRER_LENGTH else first_graphemes(value, REFERRER_LENGTH)


def read_hash_mode(value: object) -> int:
    if value is None or value == "":
        return 0
    number = _integer(value)
    if number is None:
        raise PydanticCustomError("type", "is invalid")
    return number


def read_tracker_version(value: object) -> int:
    if type(value) is not int or value < 0:
        return 0
    return value if value < _LARGEST_VERSION else _LARGEST_VERSION


def read_scroll_depth(value: object) -> int:
    depth = _integer(value)
    return UNKNOWN_SCROLL_DEPTH if depth is None or depth < 0 else min(depth, 100)


def read_engagement_time(value: object) -> int:
    time = _integer(value)
    return time if time is not None and 0 <= time < LONGEST_ENGAGEMENT else 0


def _integer(value: object) -> int | None:
    """The integer that a value is, or that a string wholly is."""
    if type(value) is int:
        return value
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        return int(value)
    return None


def first_graphemes(text: str, limit: int) -> str:
    """The beginning of a text, cut after that many grapheme clusters (Unicode annex 29).

    Clusters can be long; a text is cut after 32 code points per cluster, too, so that the cost
    does not depend on the length.
    """
    head = text[: 32 * limit]
    end = count = 0
    size = _WINDOW
    while count < limit and end < len(head):
        ends = [cluster.end() for cluster in regex.finditer(r"\X", head[end : end + size])]
        if end + size < len(head):
            ends.pop()  # the last one may go on beyond the window
        if not ends:
            size *= 2
            continue
        ends = ends[: limit - count]
        count += len(ends)
        end += ends[-1]
        size = _WINDOW
    return head[:end]


def _within(text: str, limit: int) -> bool:
    return len(text.encode("utf-8", "surrogatepass")) <= limit
