"""Times as logs and exports write them."""

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
"""What C has, and `datetime.strptime` has not."""
_SOME_TIME: Final = datetime(2026, 1, 31, 13, 55, 36, tzinfo=UTC)
_LONGEST: Final = 200
"""Characters of a time in a format."""
_LARGEST: Final = 2**32 - 1
"""The column is a DateTime."""


def common_time(text: str) -> int:
    """Unix seconds of a time such as `10/Oct/2000:13:55:36 -0700`.

    Raises:
        BrokenLineError: It is none.
    """
    if len(text) != 26 or text[17] != ":":
        raise BrokenLineError("the time is not like 10/Oct/2000:13:55:36 -0700")
    seconds = text[18:20]
    if not (seconds.isascii() and seconds.isdecimal() and seconds <= "60"):  # a leap second
        raise BrokenLineError("the time is not like 10/Oct/2000:13:55:36 -0700")
    return within(_minute(text[:17], text[20:]) + int(seconds))


def iso_time(text: str) -> int:
    """Unix seconds of a time in ISO 8601, UTC unless it says otherwise.

    Raises:
        BrokenLineError: It is none.
    """
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return within(int(moment.timestamp()))
    except (ValueError, OverflowError):
        raise BrokenLineError("the time is not in ISO 8601") from None


def any_time(value: object) -> int:
    """Unix seconds of a number of them, or of either form.

    A number may be in text, and of milliseconds or microseconds.

    Raises:
        BrokenLineError: It is none of these.
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
        # Seconds of a time beyond the year 5000 are milliseconds, or microseconds.
        return within(int(value / (1e6 if value > 1e14 else 1e3 if value > 1e11 else 1)))
    except (ValueError, OverflowError):
        raise BrokenLineError("the time is no finite number") from None


def strptime_format(form: str) -> str:
    """A format of `strftime` in the words that `datetime.strptime` has.

    Raises:
        ValueError: It has others.
    """
    for short, long in _SHORT_FORMATS.items():
        form = form.replace(short, long)
    try:
        datetime.strptime(_SOME_TIME.strftime(form), form)
    except (ValueError, re.error):
        raise ValueError(f"times in the format {form} cannot be read") from None
    return form


def formatted_time(text: str, form: str) -> int:
    """Unix seconds of a time in a format of `datetime.strptime`, UTC unless it says otherwise.

    Raises:
        BrokenLineError: It is none.
    """
    try:
        moment = datetime.strptime(text[:_LONGEST], form)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return within(int(moment.timestamp()))
    except (ValueError, OverflowError):
        raise BrokenLineError("the time is not in the pattern's format") from None


def within(seconds: int) -> int:
    """The time, if rows can hold it.

    Raises:
        BrokenLineError: They cannot.
    """
    if not 0 < seconds <= _LARGEST:
        raise BrokenLineError("the time is not between 1970 and 2106")
    return seconds


@lru_cache(maxsize=4096)
def _minute(text: str, zone: str) -> int:
    """Unix seconds of the minute of the common form; logs have many lines for each."""
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
