from typing import Any

import pytest

from ingest.commands.stats_text import bar, report_lines
from ingest.stats import queries

PERIOD = {
    "name": "7d",
    "from": "2026-11-20",
    "to": "2026-11-26",
    "unit": "day",
    "timezone": "UTC",
    "so_far": True,
    "before": {"from": "2026-11-13", "to": "2026-11-19"},
}
NOTHING: dict[str, Any] = {"rows": []}
FIGURES: dict[str, Any] = {
    "now": {"visitors": 3},
    "visitors": {
        "visitors": 1200,
        "pageviews": 3000,
        "before": {"visitors": 1000, "pageviews": 3100},
        "change": {"visitors": 20, "pageviews": -3},
    },
    "visits": {
        "visits": 1300,
        "views_per_visit": 2.3,
        "bounce_rate": 40,
        "visit_duration": 125,
        "before": {"visits": 0, "views_per_visit": 0, "bounce_rate": 0, "visit_duration": 0},
        "change": dict.fromkeys(("visits", "views_per_visit", "bounce_rate", "visit_duration")),
    },
    "series": {"rows": [{"name": "2026-11-20", "visitors": 0, "pageviews": 0}]},
    "pages": {
        "rows": [
            {"name": "/", "visitors": 900, "pageviews": 2000},
            {"name": "/" + "x" * 99, "visitors": 450, "pageviews": 1000},
            {"name": "/\x1b[31mred", "visitors": 1, "pageviews": 1},
            {"name": "/last", "visitors": 1, "pageviews": 1},
        ]
    },
    **dict.fromkeys(("entry_pages", "exit_pages", "sources", "channels", "countries"), NOTHING),
    **dict.fromkeys(("devices", "browsers", "systems"), NOTHING),
    "goals": {"error": "memory limit \x1b exceeded"},
}


def lines(columns: int = 80, **changes: Any) -> list[str]:
    report = {"site": "example.com", "id": 1, "period": PERIOD, "figures": FIGURES | changes}
    return list(report_lines(report, 3, columns, "<script>"))


def test_a_report() -> None:
    found = lines()
    assert found[:10] == [
        "example.com",
        "2026-11-20 to 2026-11-26 (UTC), compared with 2026-11-13 to 2026-11-19, "
        "up to the same time of day",
        "",
        "  visitors               1,200         +20 %  from 1,000",
        "  visits                 1,300",
        "  pageviews              3,000          -3 %  from 3,100",
        "  views per visit         2.30",
        "  bounce rate             40 %",
        "  visit duration     2 min 5 s",
        "  visitors now               3",
    ]
    start = next(number for number, line in enumerate(found) if line.startswith("top pages"))
    assert found[start : start + 5] == [
        f"{'top pages':<59}  visitors  pageviews",
        f"  {'/':<47}  ████████       900      2,000",
        f"  /{'x' * 45}…  ████           450      1,000",
        "  " + "/\\x1b[31mred".ljust(47) + "  ▏                1          1",
        "  and 1 more",
    ]
    assert found[-2:] == ["custom events", "  memory limit \\x1b exceeded"]
    assert "  none" in found


@pytest.mark.parametrize("columns", [20, 60, 80, 200])
def test_lines_fit_where_they_can(columns: int) -> None:
    found = [line for line in lines(columns) if "█" in line]
    assert found
    assert max(map(len, found)) <= max(columns, 45)
    assert {len(line) for line in found} == {len(found[0])}


def test_figures_that_fail() -> None:
    found = lines(visits={"error": "too slow"}, now={"error": "away"})
    assert "  bounce rate     too slow" in found
    assert "  visitors now    away" in found
    assert "  visitors               1,200         +20 %  from 1,000" in found


def test_rates_change_by_points() -> None:
    visits = FIGURES["visits"] | {
        "before": FIGURES["visits"]["before"] | {"bounce_rate": 45},
        "change": FIGURES["visits"]["change"] | {"bounce_rate": -5},
    }
    assert "  bounce rate             40 %     -5 points  from 45 %" in lines(visits=visits)


def test_every_figure_is_shown() -> None:
    for name in queries.FIGURES:
        failed: Any = {name: {"error": f"no {name} today"}}
        failing = "\n".join(lines(**failed))
        assert f"no {name} today" in failing


def test_what_has_not_changed() -> None:
    visits = FIGURES["visits"] | {"change": FIGURES["visits"]["change"] | {"visits": 0}}
    assert f"  visits{'':<12}{'1,300':>10}{'':>16}as before" in lines(visits=visits)


def test_no_events() -> None:
    found = lines(
        visitors=FIGURES["visitors"] | {"visitors": 0}, visits=FIGURES["visits"] | {"visits": 0}
    )
    assert found[3].startswith("No events in this period")
    assert "  <script>" in found
    assert "sluice drops" in found[-1]


@pytest.mark.parametrize(
    ("value", "most", "expected"),
    [
        (0, 10, ""),
        (10, 10, "████"),
        (5, 10, "██"),
        (1, 10_000, "▏"),
        (9, 10, "███▋"),
    ],
)
def test_bars(value: float, most: float, expected: str) -> None:
    assert bar(value, most, 4) == expected
