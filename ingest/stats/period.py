"""The times that figures are asked for, and those that they are compared with.

A period consists of whole days in the time zone of `now`. It may not be over yet; then it is
compared with as much of the days before as has passed of its own.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final, Literal

PERIODS: Final = ("today", "7d", "30d", "month", "12mo")
"""The names of periods that end today."""

CUSTOM: Final = "custom"
"""The name of a period with dates of its own."""

FIRST_DATE: Final = date(2000, 1, 1)
"""Before all events; and the column's own time begins in 1970."""

LONGEST_DAYS: Final = 3660
_DAYS_BY_DAY: Final = 92
_HOUR: Final = 3600

Unit = Literal["hour", "day", "month"]


class PeriodError(ValueError):
    """There is no such period; the message says what is expected.

    Attributes:
        field: What is wrong: `period`, `from` or `to`.
    """

    def __init__(self, field: str, message: str) -> None:
        """Say what is wrong."""
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time, in Unix seconds.

    Attributes:
        since: The first second.
        until: The second after the last.
    """

    since: int
    until: int


@dataclass(frozen=True, slots=True)
class Bucket:
    """A part of a period: an hour, a day or a month.

    Attributes:
        start: The first second, Unix time.
        label: Its local time, such as 14:00, 2026-11-26 or 2026-11.
    """

    start: int
    label: str


@dataclass(frozen=True, slots=True)
class Period:
    """A period and the one before it.

    Attributes:
        name: One of `PERIODS`, or `CUSTOM`.
        first: The first day.
        last: The last day.
        span: Its times.
        before: The times to compare with.
        before_first: The first day of these.
        before_last: The last day of these.
        unit: How long a bucket is.
        buckets: The parts of the period that have begun, in order.
        zone: The time zone of its days.
    """

    name: str
    first: date
    last: date
    span: Span
    before: Span
    before_first: date
    before_last: date
    unit: Unit
    buckets: tuple[Bucket, ...]
    zone: tzinfo


def named_period(name: str, now: datetime) -> Period:
    """Return a period that ends today.

    Args:
        name: One of `PERIODS`.
        now: The time, in the time zone whose days are meant.

    Raises:
        PeriodError: There is no period of this name.
    """
    today = now.date()
    match name:
        case "today":
            first, before = today, today - timedelta(days=1)
        case "7d" | "30d":
            days = int(name.removesuffix("d"))
            first = today - timedelta(days=days - 1)
            before = first - timedelta(days=days)
        case "month":
            first = today.replace(day=1)
            before = _months_before(first, 1)
        case "12mo":
            first = _months_before(today.replace(day=1), 11)
            before = _months_before(first, 12)
        case _:
            raise PeriodError("period", f"expected {', '.join(PERIODS)} or {CUSTOM}")
    return _period(name, first, today, before, now)


def custom_period(first: date, last: date, now: datetime) -> Period:
    """Return a period of days.

    Args:
        first: The first day.
        last: The last day; may be in the future.
        now: The time, in the time zone whose days are meant.

    Raises:
        PeriodError: The days are not in order, too many, too early, or not there yet.
    """
    days = (last - first).days + 1
    if first < FIRST_DATE:
        raise PeriodError("from", f"must not be before {FIRST_DATE}")
    if first > now.date():
        raise PeriodError("from", "must not be after today")
    if days < 1:
        raise PeriodError("to", "must not be before the first day")
    if days > LONGEST_DAYS:
        raise PeriodError("to", f"a period has at most {LONGEST_DAYS} days")
    return _period(CUSTOM, first, last, first - timedelta(days=days), now)


def _period(name: str, first: date, last: date, before: date, now: datetime) -> Period:
    zone = now.tzinfo or UTC
    span = Span(_midnight(first, zone), _midnight(last + timedelta(days=1), zone))
    # By the local clock, so that a change of it does not move the hours that are compared.
    end = min(now.replace(tzinfo=None), datetime.combine(last + timedelta(days=1), time()))
    begin = datetime.combine(first, time())
    before_end = min(datetime.combine(before, time()) + (end - begin), begin)
    before_last = max((before_end - timedelta(seconds=1)).date(), before)
    unit: Unit = "month"
    if first == last:
        unit = "hour"
    elif (last - first).days < _DAYS_BY_DAY:
        unit = "day"
    return Period(
        name,
        first,
        last,
        span,
        Span(
            _midnight(before, zone),
            min(int(before_end.replace(tzinfo=zone).timestamp()), span.since),
        ),
        before,
        before_last,
        unit,
        tuple(
            bucket
            for bucket in _buckets(first, last, span, unit, zone)
            if bucket.start <= max(now.timestamp(), span.since)
        ),
        zone,
    )


def _buckets(first: date, last: date, span: Span, unit: Unit, zone: tzinfo) -> Iterator[Bucket]:
    if unit == "hour":
        for start in range(span.since, span.until, _HOUR):
            yield Bucket(start, f"{datetime.fromtimestamp(start, zone):%H:%M}")
        return
    day = first
    while day <= last:
        if unit == "day":
            yield Bucket(_midnight(day, zone), day.isoformat())
            day += timedelta(days=1)
        else:
            yield Bucket(_midnight(day, zone), f"{day:%Y-%m}")
            day = _months_before(day.replace(day=1), -1)


def _midnight(day: date, zone: tzinfo) -> int:
    return int(datetime.combine(day, time(), zone).timestamp())


def _months_before(first: date, months: int) -> date:
    """The first day of an earlier month, or of a later one if `months` is negative."""
    year, month = divmod(first.year * 12 + first.month - 1 - months, 12)
    return date(year, month + 1, 1)
