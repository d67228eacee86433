"""The Grafana dashboard of a site's statistics: its SQL is ours, and runs on all tables."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.stores.clickhouse import ClickHouseStore
from actors.stores.url import ServerAddress
from ingest.rows.schema import COUNTERS
from ingest.stats import queries
from tests.end_to_end.clickhouse_server import ClickHouseServer
from tests.end_to_end.plausible_database import PlausibleDatabase
from tests.ingest.rows.example_rows import row
from tests.ingest.stats.visits import TODAY, WEEK, fold, store_rows

DASHBOARD: dict[str, Any] = json.loads(
    (Path(__file__).parents[3] / "config" / "grafana-statistics.json").read_text()
)
PANELS: dict[str, dict[str, Any]] = {panel["title"]: panel for panel in DASHBOARD["panels"]}
VARIABLES: dict[str, dict[str, Any]] = {
    variable["name"]: variable for variable in DASHBOARD["templating"]["list"]
}
HEAD = "WITH $site AS site, $__fromTime AS since, $__toTime AS until\n"
BY_TIME = (
    queries.BY_DAY.body.replace("toDate(timestamp) AS day", "$__timeInterval(timestamp) AS time")
).replace("BY day", "BY time")

BODIES = {
    "Visitors": queries.VISITORS.body,
    "Visits": queries.VISITS.body,
    "Visitors and pageviews": BY_TIME,
    "Pages": queries.PAGES.body,
    "Entry pages": queries.ENTRY_PAGES.body,
    "Exit pages": queries.EXIT_PAGES.body,
    "Sources": queries.SOURCES.body,
    "Channels": queries.CHANNELS.body,
    "Countries": queries.COUNTRIES.body,
    "Browsers": queries.BROWSERS.body,
    "Operating systems": queries.SYSTEMS.body,
    "Sizes of screens": queries.DEVICES.body,
    "Custom events": queries.GOALS.body,
    "Time on page": queries.TIME_ON_PAGE.body,
    "Scroll depth": queries.SCROLL_DEPTH.body,
}


def sql_of(panel: dict[str, Any]) -> str:
    (target,) = panel["targets"]
    return str(target["rawSql"])


def as_grafana_asks(sql: str) -> str:
    """Replace variables and macros for site 1 and the 21st, as the data source does."""
    replaced = (
        sql.replace("$site", "1")
        .replace("$__fromTime", f"toDateTime({TODAY - 86_400})")
        .replace("$__toTime", f"toDateTime({TODAY})")
        .replace(
            "$__timeInterval(timestamp)",
            "toStartOfInterval(toDateTime(timestamp), INTERVAL 3600 second)",
        )
    )
    assert "$" not in replaced
    return replaced


def test_its_queries_are_those_of_the_page() -> None:
    assert {title: sql_of(panel) for title, panel in PANELS.items()} == {
        title: HEAD + body for title, body in BODIES.items()
    }


def test_it_can_be_imported() -> None:
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert sorted(numbers) == list(range(1, len(numbers) + 1))
    assert len(PANELS) == len(numbers)
    source = {"type": "grafana-clickhouse-datasource", "uid": "${datasource}"}
    for panel in PANELS.values():
        assert panel["datasource"] == panel["targets"][0]["datasource"] == source
        assert panel["description"]
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
    assert VARIABLES["datasource"]["query"] == source["type"]
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in PANELS.values())
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells)), "panels overlap"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseServer]:
    with ClickHouseServer(tmp_path_factory.mktemp("clickhouse")) as running:
        yield running


@pytest.mark.parametrize("tables", ["own", "plausible"])
async def test_its_queries_run(server: ClickHouseServer, tables: str) -> None:
    if tables == "plausible":
        PlausibleDatabase(server, tables)
    store = ClickHouseStore(ServerAddress("127.0.0.1", server.tcp_port, database=tables))
    await store.open()
    await store_rows(store, fold(WEEK), "week")
    counted = {"metric": "buffered", "value": 1, "site_id": 1}
    counters = [
        row(COUNTERS, domain="old.example", event_timebucket=TODAY - 60, **counted),
        row(COUNTERS, domain="example.com", event_timebucket=TODAY, **counted),
        row(COUNTERS, domain="none.example", metric="dropped_not_found", value=1),
    ]
    await store.insert(COUNTERS, counters, "counters")
    found = {
        title: [json.loads(line) for line in await store.query(as_grafana_asks(sql_of(panel)))]
        for title, panel in PANELS.items()
    }
    assert found["Visitors"] == [{"visitors": 3, "pageviews": 5}]
    assert found["Visits"][0]["visits"] == 4
    series = found["Visitors and pageviews"]
    assert [hour["pageviews"] for hour in series] == [2, 1, 1, 1]
    assert series[0]["time"] == "2026-09-21 10:00:00"
    assert found["Time on page"] == [
        {"pathname": "/b", "seconds": 35},
        {"pathname": "/a", "seconds": 14},  # (20 + 9) / 2, rounded to even
    ]
    assert all(found[title] for title in BODIES), found
    # The first column is the value, the second is what Grafana shows.
    sites = await store.query(VARIABLES["site"]["query"])
    assert [json.loads(line) for line in sites] == [{"site_id": 1, "name": "example.com"}]
    await store.aclose()
