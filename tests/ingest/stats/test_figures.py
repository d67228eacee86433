"""Periods as people ask for them, and what the rows of a query say."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ingest.stats.figures import changes, describe_period, figure_of, problem_of, read_period
from ingest.stats.period import PERIODS, PeriodError

NOW = datetime(2026, 11, 26, 14, 30, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("name", "first", "last", "expected"),
    [
        (None, None, None, ("30d", "2026-10-28", "2026-11-26")),
        ("today", None, None, ("today", "2026-11-26", "2026-11-26")),
        (None, "2026-11-01", None, ("custom", "2026-11-01", "2026-11-26")),
        ("custom", "2026-11-01", "2026-11-02", ("custom", "2026-11-01", "2026-11-02")),
    ],
)
def test_periods(
    name: str | None, first: str | None, last: str | None, expected: tuple[str, str, str]
) -> None:
    period = describe_period(read_period(name, first, last, NOW))
    assert (period["name"], period["from"], period["to"]) == expected


@pytest.mark.parametrize(
    ("name", "first", "last", "field"),
    [
        ("week", None, None, "period"),
        ("", None, None, "period"),
        ("7d", "2026-11-01", None, "period"),
        ("7d", None, "2026-11-01", "period"),
        ("custom", None, None, "from"),
        (None, None, "2026-11-01", "from"),
        (None, "", None, "from"),
        (None, "2026-11-31", None, "from"),
        (None, "2026-W48-1", None, "from"),
        (None, "20261101", None, "from"),
        (None, "2026-11-01' OR 1", None, "from"),
        (None, "2026-11-01", "tomorrow", "to"),
        (None, "0001-01-01", None, "from"),
        (None, "2026-11-01", "9999-12-31", "to"),
    ],
)
def test_what_is_no_period(
    name: str | None, first: str | None, last: str | None, field: str
) -> None:
    with pytest.raises(PeriodError) as refused:
        read_period(name, first, last, NOW)
    assert refused.value.field == field


def test_days_of_a_time_zone() -> None:
    late = datetime(2026, 11, 26, 23, 30, tzinfo=UTC).timestamp()
    found = describe_period(read_period("today", None, None, late, ZoneInfo("Europe/Berlin")))
    assert (found["from"], found["timezone"]) == ("2026-11-27", "Europe/Berlin")


def test_a_period_is_described() -> None:
    assert not describe_period(read_period(None, "2026-11-01", "2026-11-25", NOW))["so_far"]
    assert describe_period(read_period("month", None, None, NOW)) == {
        "name": "month",
        "from": "2026-11-01",
        "to": "2026-11-26",
        "unit": "day",
        "timezone": "UTC",
        "so_far": True,
        "before": {"from": "2026-10-01", "to": "2026-10-26"},
    }


def test_problems_are_told_without_the_statement() -> None:
    assert problem_of("Unknown identifier `a` in scope WITH 1 AS site SELECT a") == (
        "Unknown identifier `a`"
    )
    assert problem_of("Memory limit exceeded") == "Memory limit exceeded"


@pytest.mark.parametrize(
    ("now", "before", "expected"),
    [
        ({"visitors": 12}, {"visitors": 10}, {"visitors": 20}),
        ({"visitors": 0}, {"visitors": 10}, {"visitors": -100}),
        ({"visitors": 10}, {"visitors": 0}, {"visitors": None}),
        # A rate changes by points, if there was one.
        (
            {"visits": 1, "bounce_rate": 40},
            {"visits": 1, "bounce_rate": 0},
            {"visits": 0, "bounce_rate": 40},
        ),
        (
            {"visits": 1, "bounce_rate": 40},
            {"visits": 0, "bounce_rate": 0},
            {"visits": None, "bounce_rate": None},
        ),
    ],
)
def test_changes(
    now: dict[str, Any], before: dict[str, Any], expected: dict[str, int | None]
) -> None:
    assert changes(now, before) == expected


def test_rows_of_older_servers() -> None:
    """They write 64-bit integers as text."""
    period = read_period("today", None, None, NOW)
    rows = ['{"goal": "404", "visitors": "18446744073709551615", "events": "2"}']
    assert figure_of("goals", period, [rows])["rows"] == [
        {"name": "404", "visitors": 2**64 - 1, "events": 2}
    ]
    assert figure_of("now", period, [['{"visitors": "3"}']]) == {"visitors": 3}
    assert list(PERIODS) == ["today", "7d", "30d", "month", "12mo"]
