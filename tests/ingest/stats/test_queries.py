"""Figures of a few visits, computed by hand, from every store; and the documented queries."""

import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from actors.stores.clickhouse import ClickHouseStore
from actors.stores.embedded import EmbeddedStore
from actors.stores.statement import reading_statement
from actors.stores.store import Store
from actors.stores.url import EmbeddedAddress, ServerAddress
from ingest.model.event import EnrichedEvent
from ingest.stats.figures import figure_of
from ingest.stats.period import Period, Span, custom_period
from ingest.stats.queries import DOCUMENTED, FIGURES, documented, statement, statements
from tests.documentation import QUERIES, blocks
from tests.end_to_end.clickhouse_server import ClickHouseServer
from tests.end_to_end.plausible_database import PlausibleDatabase
from tests.ingest.stats.visits import (
    DAY,
    DIRECT,
    GOOGLE,
    HOUR,
    MAC,
    NOW,
    PHONE,
    TODAY,
    WEEK,
    Folded,
    at,
    fold,
    store_rows,
)

pytest.importorskip("chdb")

STORES = ("chdb", "clickhouse", "plausible")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseServer]:
    with ClickHouseServer(tmp_path_factory.mktemp("clickhouse")) as running:
        yield running


@pytest.fixture(params=STORES)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """Sluice's own tables in both kinds of store, and those of Plausible's migrations."""
    opened: Store
    if request.param == "chdb":
        opened = EmbeddedStore(EmbeddedAddress(tmp_path / "chdb"))
    else:
        running: ClickHouseServer = request.getfixturevalue("server")
        database = f"stats_{random.getrandbits(40)}"
        if request.param == "plausible":
            PlausibleDatabase(running, database)
        opened = ClickHouseStore(ServerAddress("127.0.0.1", running.tcp_port, database=database))
    await opened.open()
    yield opened
    await opened.aclose()


def days(first: str, last: str) -> Period:
    now = datetime.fromtimestamp(NOW, UTC)
    return custom_period(date.fromisoformat(first), date.fromisoformat(last), now)


async def ask(store: Store, figure: str, period: Period, site: int = 1) -> dict[str, Any]:
    asked = statements(figure, site, period)
    return figure_of(figure, period, [await store.query(sql) for sql in asked])


# What WEEK has of site 1 on the 21st: visitors 1 (twice), 2 and 3; a visit counts on every day that
# it touches, so that of visitor 3 counts on the 22nd, too. On the 20th there was visitor 5.
YESTERDAY: dict[str, Any] = {
    "now": {"visitors": 0},
    "visitors": {
        "visitors": 3,
        "pageviews": 5,
        "before": {"visitors": 1, "pageviews": 1},
        "change": {"visitors": 200, "pageviews": 400},
    },
    "visits": {
        "visits": 4,
        "views_per_visit": 1.5,  # (2 + 1 + 1 + 2) / 4
        "bounce_rate": 50,  # 2 of 4
        "visit_duration": 168,  # (70 + 0 + 0 + 600) / 4 = 167.5
        "before": {"visits": 1, "views_per_visit": 1, "bounce_rate": 100, "visit_duration": 0},
        "change": {
            "visits": 300,
            "views_per_visit": 50,
            "bounce_rate": -50,
            "visit_duration": None,
        },
    },
    "pages": {
        "rows": [
            {"name": "/a", "visitors": 3, "pageviews": 4},
            {"name": "/b", "visitors": 1, "pageviews": 1},
        ]
    },
    "entry_pages": {"rows": [{"name": "/a", "entrances": 4}]},
    "exit_pages": {
        "rows": [
            {"name": "/a", "exits": 2},
            {"name": "/b", "exits": 1},
            {"name": "/c", "exits": 1},
        ]
    },
    "sources": {
        "rows": [
            {"name": "Direct / None", "visitors": 3, "visits": 3},
            {"name": "Google", "visitors": 1, "visits": 1},
        ]
    },
    "channels": {
        "rows": [
            {"name": "Direct", "visitors": 3, "visits": 3},
            {"name": "Organic Search", "visitors": 1, "visits": 1},
        ]
    },
    "countries": {"rows": [{"name": "GB", "visitors": 2}]},
    "devices": {
        "rows": [
            {"name": "Mobile", "visitors": 2, "visits": 2},
            {"name": "Desktop", "visitors": 1, "visits": 2},
        ]
    },
    "browsers": {
        "rows": [
            {"name": "Safari", "visitors": 2, "visits": 2},
            {"name": "Chrome", "visitors": 1, "visits": 2},
        ]
    },
    "systems": {
        "rows": [
            {"name": "iOS", "visitors": 2, "visits": 2},
            {"name": "Mac", "visitors": 1, "visits": 2},
        ]
    },
    "goals": {"rows": [{"name": "Signup", "visitors": 1, "events": 1}]},
}


async def test_figures_computed_by_hand(store: Store) -> None:
    await store_rows(store, fold(WEEK), "week")
    period = days("2026-09-21", "2026-09-21")
    found = {name: await ask(store, name, period) for name in YESTERDAY}
    assert found == YESTERDAY
    # By hour, with all hours.
    hours = (await ask(store, "series", period))["rows"]
    assert [row["name"] for row in hours] == [f"{hour:02}:00" for hour in range(24)]
    seen = {row["name"]: (row["visitors"], row["pageviews"]) for row in hours if row["visitors"]}
    assert seen == {"10:00": (1, 2), "14:00": (1, 1), "22:00": (1, 1), "23:00": (1, 1)}
    # By day, up to today.
    by_day = (await ask(store, "series", days("2026-09-19", "2026-09-30")))["rows"]
    assert by_day == [
        {"name": "2026-09-19", "visitors": 0, "pageviews": 0},
        {"name": "2026-09-20", "visitors": 1, "pageviews": 1},
        {"name": "2026-09-21", "visitors": 3, "pageviews": 5},
        {"name": "2026-09-22", "visitors": 2, "pageviews": 2},
    ]
    # By month.
    months = (await ask(store, "series", days("2026-05-01", "2026-09-22")))["rows"]
    assert months[-1] == {"name": "2026-09", "visitors": 5, "pageviews": 8}
    assert [row["visitors"] for row in months[:-1]] == [0, 0, 0, 0]
    # A goal before the first page is no entry page.
    today = days("2026-09-22", "2026-09-22")
    assert (await ask(store, "entry_pages", today))["rows"] == [
        {"name": "/a", "entrances": 1},
        {"name": "/c", "entrances": 1},
    ]
    assert (await ask(store, "visits", today))["bounce_rate"] == 0


async def test_a_site_without_events(store: Store) -> None:
    period = days("2026-09-21", "2026-09-21")
    nothing = {
        name: await ask(store, name, period, site=2**64 - 1) for name in FIGURES if name != "series"
    }
    assert nothing["visitors"]["change"] == {"visitors": None, "pageviews": None}
    assert nothing["visits"] == {
        "visits": 0,
        "views_per_visit": 0,
        "bounce_rate": 0,
        "visit_duration": 0,
        "before": {"visits": 0, "views_per_visit": 0, "bounce_rate": 0, "visit_duration": 0},
        "change": dict.fromkeys(("visits", "views_per_visit", "bounce_rate", "visit_duration")),
    }
    assert nothing["now"] == {"visitors": 0}
    for name in FIGURES.keys() - {"visitors", "visits", "now", "series"}:
        assert nothing[name] == {"rows": []}


async def test_lists_end(store: Store) -> None:
    pages = [at(TODAY - HOUR, user, page=f"/{user % 150}") for user in range(1, 300)]
    await store_rows(store, fold(pages), "many")
    period = days("2026-09-21", "2026-09-21")
    for name, count in (("pages", "visitors"), ("entry_pages", "entrances")):
        rows = (await ask(store, name, period))["rows"]
        assert len(rows) == 100
        assert [row[count] for row in rows] == [2] * 100


def some_events(seed: int) -> list[EnrichedEvent]:
    """Visitors who come and go at random, over three days."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    return [
        at(
            TODAY - 3 * DAY + chance.randrange(3 * DAY) // chance.choice((1, 300)),
            chance.randrange(1, 6),
            chance.choice(("pageview", "pageview", "engagement", "Signup", "Download")),
            chance.choice(("/", "/a", "/b")),
            device=chance.choice((MAC, PHONE)),
            attribution=chance.choice((GOOGLE, DIRECT)),
            interactive=chance.random() < 0.8,
            site_id=seed + 1,
        )
        for _ in range(chance.randrange(60))
    ]


def by_python(folded: Folded, span: Span) -> dict[str, Any]:
    """The same figures from the events and the last state of each visit."""
    events = [event for event in folded.kept if span.since <= event.timestamp < span.until]
    real = [event for event in events if event.name != "engagement"]
    visits = [
        visit
        for visit in folded.visits.values()
        if visit.timestamp >= span.since and visit.start < span.until
    ]
    pages: dict[str, set[int]] = defaultdict(set)
    goals: dict[str, set[int]] = defaultdict(set)
    sources: dict[str, set[int]] = defaultdict(set)
    for event in real:
        pages[event.pathname].add(event.visitor.user_id)
        if event.name != "pageview":
            goals[event.name].add(event.visitor.user_id)
    for visit in visits:
        sources[visit.attribution.referrer_source or "Direct / None"].add(visit.user_id)
    count = len(visits)
    return {
        "visitors": (
            len({event.visitor.user_id for event in real}),
            sum(event.name == "pageview" for event in real),
        ),
        "visits": (
            count,
            sum(visit.pageviews for visit in visits) / count if count else 0,
            100 * sum(visit.is_bounce for visit in visits) / count if count else 0,
            sum(visit.duration for visit in visits) / count if count else 0,
        ),
        "pages": {page: len(users) for page, users in pages.items()},
        "goals": {goal: len(users) for goal, users in goals.items()},
        "sources": {source: len(users) for source, users in sources.items()},
        "entry_pages": Counter(visit.entry_page for visit in visits if visit.entry_page),
        "exit_pages": Counter(visit.exit_page for visit in visits if visit.exit_page),
    }


def _between_states(folded: Folded, moment: int) -> bool:
    """Whether a period beginning then has a cancelling row without the state that it cancels."""
    return any(written < moment <= cancelled for written, cancelled in folded.cancelled)


async def test_figures_agree_with_those_computed_in_python(store: Store) -> None:
    compared = 0
    for seed in range(12):
        folded = fold(some_events(seed))
        if not folded.kept:
            continue
        await store_rows(store, folded, f"seed {seed}")
        for first, last in (("2026-09-19", "2026-09-21"), ("2026-09-20", "2026-09-20")):
            period = days(first, last)
            if _between_states(folded, period.span.since):
                continue
            found = {name: await ask(store, name, period, seed + 1) for name in FIGURES}
            expected = by_python(folded, period.span)
            people, visits = found["visitors"], found["visits"]
            assert (people["visitors"], people["pageviews"]) == expected["visitors"]
            assert visits["visits"] == expected["visits"][0]
            assert visits["views_per_visit"] == pytest.approx(expected["visits"][1], abs=0.0051)
            assert visits["bounce_rate"] == pytest.approx(expected["visits"][2], abs=0.51)
            assert visits["visit_duration"] == pytest.approx(expected["visits"][3], abs=0.51)
            for name, count in (
                ("pages", "visitors"),
                ("goals", "visitors"),
                ("sources", "visitors"),
                ("entry_pages", "entrances"),
                ("exit_pages", "exits"),
            ):
                rows = {row["name"]: row[count] for row in found[name]["rows"]}
                assert rows == expected[name], (seed, name)
            series = found["series"]["rows"]
            assert sum(row["pageviews"] for row in series) == people["pageviews"]
            compared += 1
    assert compared > 10


def test_the_documents_show_these_queries() -> None:
    assert blocks(QUERIES, "sql") == [documented(query) for query in DOCUMENTED]


@pytest.mark.parametrize("query", FIGURES.values(), ids=FIGURES)
def test_parameters_are_numbers(query: Any) -> None:
    sql = statement(query, 7, Span(1, 2), [1])
    assert reading_statement(sql, ["file", "url"]) == sql
    hostile: Any = "1; DROP TABLE events_v2"
    for site, span, buckets in ((hostile, Span(1, 2), [1]), (7, Span(hostile, 2), [1])):
        with pytest.raises(ValueError, match="format"):
            statement(query, site, span, buckets)
