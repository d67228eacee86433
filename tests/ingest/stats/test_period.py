"""Which times a period has, what it is compared with, and how its chart is divided."""

from datetime import UTC, date, datetime, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.stats.period import (
    FIRST_DATE,
    PERIODS,
    Period,
    PeriodError,
    Span,
    custom_period,
    named_period,
)

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 26, 14, 30, tzinfo=UTC)


def at(text: str, zone: tzinfo = UTC) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp())


def span(since: str, until: str, *, zone: tzinfo = UTC) -> Span:
    return Span(at(since, zone), at(until, zone))


@pytest.mark.parametrize(
    ("name", "expected", "before", "unit", "buckets"),
    [
        # Compared with the same hours of the day before: its evening is still to come.
        (
            "today",
            span("2026-11-26", "2026-11-27"),
            span("2026-11-25", "2026-11-25 14:30"),
            "hour",
            15,
        ),
        (
            "7d",
            span("2026-11-20", "2026-11-27"),
            span("2026-11-13", "2026-11-19 14:30"),
            "day",
            7,
        ),
        (
            "30d",
            span("2026-10-28", "2026-11-27"),
            span("2026-09-28", "2026-10-27 14:30"),
            "day",
            30,
        ),
        (
            "month",
            span("2026-11-01", "2026-11-27"),
            span("2026-10-01", "2026-10-26 14:30"),
            "day",
            26,
        ),
        (
            "12mo",
            span("2025-12-01", "2026-11-27"),
            span("2024-12-01", "2025-11-26 14:30"),
            "month",
            12,
        ),
    ],
)
def test_named_periods(name: str, expected: Span, before: Span, unit: str, buckets: int) -> None:
    period = named_period(name, NOW)
    assert period.span == expected
    assert period.before == before
    assert (period.unit, len(period.buckets)) == (unit, buckets)


@pytest.mark.parametrize(
    ("now", "before"),
    [
        # March has more days than February: no further than its end.
        ("2026-03-31 12:00", span("2026-02-01", "2026-03-01")),
        ("2026-01-01 00:00", span("2025-12-01", "2025-12-01")),
        ("2026-02-28 23:00", span("2026-01-01", "2026-01-28 23:00")),
    ],
)
def test_months_are_compared_from_their_first_day(now: str, before: Span) -> None:
    assert named_period("month", datetime.fromisoformat(now).replace(tzinfo=UTC)).before == before


@pytest.mark.parametrize(
    ("first", "last", "expected", "before", "unit"),
    [
        ("2026-03-02", "2026-03-02", "2026-03-02/2026-03-03", "2026-03-01/2026-03-02", "hour"),
        ("2026-03-02", "2026-03-04", "2026-03-02/2026-03-05", "2026-02-27/2026-03-02", "day"),
        ("2026-01-01", "2026-04-02", "2026-01-01/2026-04-03", "2025-10-01/2026-01-01", "day"),
        ("2026-01-01", "2026-04-03", "2026-01-01/2026-04-04", "2025-09-30/2026-01-01", "month"),
        # Not over yet: compared up to the same hour.
        ("2026-11-25", "2026-11-26", "2026-11-25/2026-11-27", "2026-11-23/2026-11-24 14:30", "day"),
    ],
)
def test_custom_periods(first: str, last: str, expected: str, before: str, unit: str) -> None:
    period = custom_period(date.fromisoformat(first), date.fromisoformat(last), NOW)
    assert period.span == span(*expected.split("/"))
    assert period.before == span(*before.split("/"))
    assert period.unit == unit
    assert (str(period.first), str(period.last)) == (first, last)


@pytest.mark.parametrize(
    ("first", "last", "field", "words"),
    [
        ("2026-11-27", "2026-11-27", "from", "after today"),
        ("2026-11-20", "2026-11-19", "to", "before"),
        ("1999-12-31", "2026-11-19", "from", "2000-01-01"),
        ("2000-01-01", "2026-11-19", "to", "3660 days"),
    ],
)
def test_refused_periods(first: str, last: str, field: str, words: str) -> None:
    with pytest.raises(PeriodError, match=words) as refused:
        custom_period(date.fromisoformat(first), date.fromisoformat(last), NOW)
    assert refused.value.field == field


def test_the_end_may_be_in_the_future() -> None:
    period = custom_period(date(2026, 11, 25), date(2026, 12, 24), NOW)
    assert [bucket.label for bucket in period.buckets] == ["2026-11-25", "2026-11-26"]


def test_an_unknown_name() -> None:
    with pytest.raises(PeriodError, match="today, 7d, 30d, month, 12mo"):
        named_period("week", NOW)


def test_days_are_those_of_the_time_zone() -> None:
    period = named_period("today", datetime(2026, 11, 26, 23, 30, tzinfo=UTC).astimezone(BERLIN))
    assert (period.first, period.last) == (date(2026, 11, 27), date(2026, 11, 27))
    assert period.span == span("2026-11-27", "2026-11-28", zone=BERLIN)
    assert [bucket.label for bucket in period.buckets] == ["00:00"]


@pytest.mark.parametrize(
    ("day", "hours", "labels"),
    [
        (date(2026, 3, 29), 23, ["00:00", "01:00", "03:00"]),
        (date(2026, 10, 25), 25, ["01:00", "02:00", "02:00"]),
    ],
)
def test_days_on_which_clocks_change(day: date, hours: int, labels: list[str]) -> None:
    period = custom_period(day, day, NOW.astimezone(BERLIN))
    found = [bucket.label for bucket in period.buckets]
    assert len(found) == hours
    assert labels == [label for label in found if label in labels]
    assert period.span.until - period.span.since == hours * 3600


def test_a_first_month_may_begin_later() -> None:
    period = custom_period(date(2026, 1, 15), date(2026, 5, 3), NOW)
    assert [(bucket.label, bucket.start) for bucket in period.buckets] == [
        ("2026-01", at("2026-01-15")),
        ("2026-02", at("2026-02-01")),
        ("2026-03", at("2026-03-01")),
        ("2026-04", at("2026-04-01")),
        ("2026-05", at("2026-05-01")),
    ]


def _is_well_formed(period: Period, now: datetime) -> None:
    starts = [bucket.start for bucket in period.buckets]
    assert starts == sorted(set(starts))
    assert starts[0] == period.span.since
    assert starts[-1] <= now.timestamp()
    assert len(starts) <= 122
    assert period.span.since < period.span.until
    assert period.before.since <= period.before.until <= period.span.since
    assert period.before_first <= period.before_last < period.first


@given(
    st.datetimes(datetime(2001, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC)),
    st.sampled_from([UTC, BERLIN, ZoneInfo("America/Sao_Paulo"), ZoneInfo("Asia/Kathmandu")]),
    st.sampled_from(PERIODS),
    st.integers(0, 3659),
    st.integers(0, 3659),
)
def test_every_period_is_well_formed(
    moment: datetime, zone: tzinfo, name: str, ago: int, days: int
) -> None:
    now = moment.astimezone(zone)
    _is_well_formed(named_period(name, now), now)
    first = max(FIRST_DATE, date.fromordinal(now.date().toordinal() - ago))
    _is_well_formed(custom_period(first, date.fromordinal(first.toordinal() + days), now), now)
