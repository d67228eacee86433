"""Parsers for the times in logs and exports."""

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Final

from ingest.past.past_event import BrokenLineError

_MONTHS: Final = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), 1
    )
}
_SHORT_FORMATS: Final = {
    "%T": "%H:%M:%S",
    "%F": "%Y-%m-%d",
    "%D": "%m/%d/%y",
    "%R": "%H:%M",
    "%e": "%d",
}
"""Directives of C's `strptime` that `datetime.strptime` lacks."""
_SOME_TIME: Final = datetime(2026, 1, 31, 13, 55, 36, tzinfo=UTC)
_LONGEST: Final = 200
"""Maximum number of characters in a time with a given format."""
_LARGEST: Final = 2**32 - 1
"""The largest time in Unix seconds; the column is a DateTime."""


def common_time(text: str) -> int:
    """Return the Unix seconds of a time such as `10/Oct/2000:13:55:36 -0700`.

    Raises:
        BrokenLineError: The text is not such a time.
    """
    if len(text) != 26 or text[17] != ":":
        raise BrokenLineError("the time is not like 10/Oct/2000:13:55:36 -0700")
    seconds = text[18:20]
    if not (seconds.isascii() and seconds.isdecimal() and seconds <= "60"):  # a leap second
        raise BrokenLineError("the time is not like 10/Oct/2000:13:55:36 -0700")
    return within(_minute(text[:17], text[20:]) + int(seconds))


def iso_time(text: str) -> int:
    """Return the Unix seconds of a time in ISO 8601, in UTC unless it has an offset.

    Raises:
        BrokenLineError: The text is not such a time.
    """
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return within(int(moment.timestamp()))
    except (ValueError, OverflowError):
        raise BrokenLineError("the time is not in ISO 8601") from None


def any_time(value: object) -> int:
    """Return the Unix seconds of a number, or of a text for `common_time` or `iso_time`.

    A number may be a text. It may be in seconds, milliseconds or microseconds.

    Raises:
        BrokenLineError: The value is none of these.
    """
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            text = str(value)
            return common_time(text) if text[2:3] == "/" else iso_time(text)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BrokenLineError("the time is neither text nor a number")
    try:
        # If seconds would mean a year after 5000, the number is in milliseconds or microseconds.
        return within(int(value / (1e6 if value > 1e14 else 1e3 if value > 1e11 else 1)))
    except (ValueError, OverflowError):
        raise BrokenLineError("the time is no finite number") from None


def strptime_format(form: str) -> str:
    """Convert a format of C's `strftime` to one of `datetime.strptime`.

    Raises:
        ValueError: The format has directives that `datetime.strptime` lacks.
    """
    for short, long in _SHORT_FORMATS.items():
        form = form.replace(short, long)
    try:
        datetime.strptime(_SOME_TIME.strftime(form), form)
    except (ValueError, re.error):
        raise ValueError(f"times in the format {form} cannot be read") from None
    return form


def formatted_time(text: str, form: str) -> int:
    """Return the Unix seconds of a time in a `datetime.strptime` format, in UTC without an offset.

    Raises:
        BrokenLineError: The text is not such a time.
    """
    try:
        moment = datetime.strptime(text[:_LONGEST], form)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return within(int(moment.timestamp()))
    except (ValueError, OverflowError):
        raise BrokenLineError("the time is not in the pattern's format") from None


def within(seconds: int) -> int:
    """Return the time after checking that the database can store it.

    Raises:
        BrokenLineError: The time is out of range.
    """
    if not 0 < seconds <= _LARGEST:
        raise BrokenLineError("the time is not between 1970 and 2106")
    return seconds


@lru_cache(maxsize=4096)
def _minute(text: str, zone: str) -> int:
    """Return the Unix seconds of a minute; cached, as logs have many lines for each minute."""
    try:
        day, month, rest = text.split("/")
        year, hour, minute = rest.split(":")
        if len(zone) != 6 or zone[0] != " " or zone[1] not in "+-":
            raise ValueError("no zone")
        offset = timedelta(hours=int(zone[2:4]), minutes=int(zone[4:6]))
        moment = datetime(
            int(year),
            _MONTHS[month],
            int(day),
            int(hour),
            int(minute),
            tzinfo=timezone(-offset if zone[1] == "-" else offset),
        )
        return int(moment.timestamp())
    except (ValueError, KeyError, OverflowError):
        raise BrokenLineError("the time is not like 10/Oct/2000:13:55:36 -0700") from None
