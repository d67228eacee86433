"""What the rows of the queries say: figures, their changes, and lists without gaps."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, tzinfo
from typing import Any, Final

from ingest.stats.period import CUSTOM, Period, PeriodError, custom_period, named_period
from ingest.stats.queries import BY_BUCKET, COMPARED, FIGURES, Query

DEFAULT_PERIOD: Final = "30d"

_POINTS: Final = frozenset({"bounce_rate"})
"""Figures in percent: they change by points."""


def read_period(
    name: str | None, first: str | None, last: str | None, now: float, zone: tzinfo = UTC
) -> Period:
    """Return the period that somebody asks for.

    Args:
        name: Its name; None for the default, or for `CUSTOM` if there is a first day.
        first: The first day of a custom period, such as 2026-11-01.
        last: The last day of a custom period; None for today.
        now: Unix seconds.
        zone: The time zone whose days are meant.

    Raises:
        PeriodError: There is no such period.
    """
    moment = datetime.fromtimestamp(now, zone)
    if name is None:
        name = DEFAULT_PERIOD if first is None and last is None else CUSTOM
    if name != CUSTOM:
        if first is not None or last is not None:
            raise PeriodError("period", f"days belong to the period {CUSTOM} only")
        return named_period(name, moment)
    begin = _day("from", first)
    return custom_period(begin, moment.date() if last is None else _day("to", last), moment)


def _day(field: str, text: str | None) -> date:
    try:
        # Not `date.fromisoformat`, which also reads weeks.
        return datetime.strptime(text or "", "%Y-%m-%d").date()
    except ValueError:
        raise PeriodError(field, "expected a day such as 2026-11-01") from None


def describe_period(period: Period) -> dict[str, Any]:
    """Return a period for the page and for `sluice stats --json`.

    `so_far` says that it is not over yet, and compared up to the same time of day.
    """
    return {
        "name": period.name,
        "from": period.first.isoformat(),
        "to": period.last.isoformat(),
        "unit": period.unit,
        "timezone": str(period.zone),
        "so_far": period.before.until < period.span.since,
        "before": {
            "from": period.before_first.isoformat(),
            "to": period.before_last.isoformat(),
        },
    }


def figure_of(name: str, period: Period, results: Sequence[Iterable[str]]) -> dict[str, Any]:
    """Return what a figure's statements have found.

    Args:
        name: One of `FIGURES`.
        period: The period.
        results: The rows of each statement, as JSON objects.

    Returns:
        The values of a query with one row; with those of the period before as `before` and the
        changes as `change`, if the figure is compared. Otherwise the `rows` of a list: a `name`,
        and its counts.
    """
    query = FIGURES[name]
    tables = [[_row(query, line) for line in lines] for lines in results]
    if name in COMPARED:
        (now,), (before,) = tables
        return {**now, "before": before, "change": changes(now, before)}
    if not query.label:
        ((row,),) = tables
        return row
    if query is BY_BUCKET:
        return {"rows": _without_gaps(period, tables[0])}
    return {"rows": tables[0]}


def problem_of(message: str) -> str:
    """Return ClickHouse's message without the statement, which nobody here has written."""
    return message.partition(" in scope ")[0]


def changes(now: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, int | None]:
    """Return by how much figures have changed: in percent, or in points for percentages.

    Returns:
        The changes; None where there was nothing before.
    """
    return {name: _change(name, value, before[name], before) for name, value in now.items()}


def _change(name: str, now: float, before: float, all_before: Mapping[str, Any]) -> int | None:
    if name in _POINTS:
        return round(now - before) if all_before["visits"] else None
    if not before:
        return None
    return round(100 * (now - before) / before)


def _row(query: Query, line: str) -> dict[str, Any]:
    return {
        "name" if column == query.label else column: (
            str(value) if column == query.label else _number(value)
        )
        for column, value in json.loads(line).items()
    }


def _number(value: Any) -> int | float:
    """Convert a number; older servers write 64-bit integers as text."""
    number = float(value)
    return int(value) if number.is_integer() else number


def _without_gaps(period: Period, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Add the parts of the period in which nothing happened."""
    found = {int(row["name"]): row for row in rows}
    nothing = {"visitors": 0, "pageviews": 0}
    return [{**found.get(bucket.start, nothing), "name": bucket.label} for bucket in period.buckets]
