"""The exact queries of `docs/queries.md`, on a few events with known results."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from tests import documentation
from tests.end_to_end.sluice import CHROME, Sluice

TOKEN = "the-operators-own-token"
GOOGLE = "https://www.google.com/"
BRITISH, UNKNOWN = "2.125.160.217", "203.0.113.5"

QUERIES = {
    block.partition("\n")[0].removeprefix("-- "): block
    for block in documentation.blocks(documentation.QUERIES, "sql")
}
DAY = 86_400
NOON = int(time.time()) // DAY * DAY - DAY // 2
"""Yesterday at noon, UTC."""

YESTERDAY = time.strftime("%Y-%m-%d", time.gmtime(NOON))

# Two visitors: one views two pages and signs up, the other has two sessions of one page each.
EVENTS: list[dict[str, Any]] = [
    {"after": 0, "ip": BRITISH, "n": "pageview", "u": "/a", "r": GOOGLE},
    {"after": 10, "ip": BRITISH, "n": "engagement", "u": "/a", "sd": 40, "e": 10_000},
    {"after": 60, "ip": BRITISH, "n": "pageview", "u": "/b"},
    {"after": 70, "ip": BRITISH, "n": "Signup", "u": "/b"},
    {"after": 90, "ip": BRITISH, "n": "engagement", "u": "/b", "sd": 80, "e": 30_000},
    {"after": 5, "ip": UNKNOWN, "n": "pageview", "u": "/a"},
    {"after": 9, "ip": UNKNOWN, "n": "engagement", "u": "/a", "sd": 20, "e": 4_000},
    {"after": 9_000, "ip": UNKNOWN, "n": "pageview", "u": "/a"},
    {"after": 9_006, "ip": UNKNOWN, "n": "engagement", "u": "/a", "sd": 60, "e": 6_000},
]
EXPECTED: dict[str, list[dict[str, Any]]] = {
    "visitors and pageviews": [{"visitors": 2, "pageviews": 4}],
    "pageviews by day": [{"day": YESTERDAY, "pageviews": 4, "visitors": 2}],
    "bounce rate": [{"percent": 67}],
    "visit duration": [{"seconds": 23}],  # (70 + 0 + 0) / 3
    "views per visit": [{"views": 1.33}],
    "time on page": [{"pathname": "/b", "seconds": 30}, {"pathname": "/a", "seconds": 7}],
    "scroll depth": [{"pathname": "/b", "percent": 80}, {"pathname": "/a", "percent": 50}],
    "sources": [
        {"source": "Direct / None", "visitors": 1, "visits": 2},
        {"source": "Google", "visitors": 1, "visits": 1},
    ],
    "countries": [{"country": "GB", "visitors": 1}],
    "visitors now": [{"visitors": 0}],
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sluice]:
    directory: Path = tmp_path_factory.mktemp("queries")
    writer = MMDBWriter(6, "Test-City", ipv4_compatible=True, int_type="i32")
    writer.insert_network(IPSet([f"{BRITISH}/32"]), {"country": {"iso_code": "GB"}})
    writer.to_db_file(str(directory / "geo.mmdb"))
    with Sluice(
        directory,
        "chdb://chdb",
        SLUICE_GEOIP_DATABASE=str(directory / "geo.mmdb"),
        SLUICE_ADMIN_TOKEN=TOKEN,
    ) as server:
        items = [item for domain in ("example.com", "shop.example") for item in items_of(domain)]
        # The second site has one more event, which must not be in the results.
        items += items_of("shop.example", shift=20_000)[:1]
        answer = server.client.post(
            "/api/events", json=items, headers={"authorization": f"Bearer {TOKEN}"}
        )
        assert answer.json()["accepted"] == len(items), answer.text
        server.rows(f"SELECT 1 FROM events_v2 LIMIT {len(items)}", at_least=len(items))
        yield server


def items_of(domain: str, shift: int = 0) -> list[dict[str, Any]]:
    return [
        {
            **{key: value for key, value in event.items() if key != "after"},
            "timestamp": NOON + event["after"] + shift,
            "user_agent": CHROME,
            "u": f"https://{domain}{event['u']}",
            "d": domain,
        }
        for event in EVENTS
    ]


def test_all_are_there() -> None:
    assert QUERIES.keys() == EXPECTED.keys()


@pytest.mark.parametrize("name", EXPECTED)
def test_figures(server: Sluice, name: str) -> None:
    found = [
        {key: _number(value) for key, value in row.items()} for row in server.query(QUERIES[name])
    ]
    assert found == EXPECTED[name]


def test_from_the_command_line(server: Sluice) -> None:
    finished = server.command("query", QUERIES["visitors and pageviews"])
    assert finished.stdout == '{"visitors":2,"pageviews":4}\n'


def test_visitors_who_are_there_now(server: Sluice) -> None:
    began = int(time.time())
    for address in ("203.0.113.8", "203.0.113.9", "203.0.113.9"):
        server.send(headers={"x-forwarded-for": address})
    server.rows(f"SELECT 1 FROM events_v2 WHERE timestamp >= {began}", at_least=3)
    assert [_number(row["visitors"]) for row in server.query(QUERIES["visitors now"])] == [2]


def test_a_period_that_begins_between_a_page_and_its_engagement(server: Sluice) -> None:
    begin = NOON - 60 * DAY
    visit = {"ip": UNKNOWN, "user_agent": CHROME, "d": "example.com", "u": "https://example.com/"}
    first = [
        {**visit, "n": "pageview", "timestamp": begin},
        {**visit, "n": "engagement", "e": 60_000, "timestamp": begin + 60},
    ]
    second = [{**visit, "n": "pageview", "timestamp": begin + 120}]
    for version, items in enumerate((first, second), 1):
        server.client.post("/api/events", json=items, headers={"authorization": f"Bearer {TOKEN}"})
        # Send each in a separate insert, so that the intermediate states are written.
        server.rows(f"SELECT 1 FROM sessions_v2 WHERE start = {begin} AND events = {version}")
    period = f"toDateTime({begin + 30}) AS since, toDateTime({begin + DAY}) AS until"
    query = QUERIES["views per visit"].replace("FROM sessions_v2", "FROM sessions_v2 FINAL")
    query = query.replace(
        "toDateTime(today() - 30) AS since, toDateTime(today() + 1) AS until", period
    )
    assert "FINAL" in query
    assert period in query
    assert server.query(query) == [{"views": 2}]


def _number(value: Any) -> Any:
    """Convert a 64-bit integer, which ClickHouse writes as text for clients without them."""
    return int(value) if isinstance(value, str) and value.isdigit() else value
