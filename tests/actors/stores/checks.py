"""What holds for every store, checked against a real one."""

import json
from collections.abc import Awaitable, Callable
from decimal import Decimal
from functools import partial
from typing import Any, Final

import pytest
import trio

from actors.stores.store import ImportStore, QueryRefused, RowsRefused, Store, StoreUnavailable
from ingest.rows.imported import IMPORTED_TABLES
from ingest.rows.schema import COUNTERS, EVENTS, SESSIONS, Column, Table
from tests.ingest.rows.example_rows import row

Execute = Callable[[str], Awaitable[object]]
Check = Callable[[ImportStore], Awaitable[None]]


async def read(store: Store, sql: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in await store.query(sql)]


async def count(store: Store, table: Table = EVENTS) -> int:
    rows = await read(store, f"SELECT count() AS n FROM {table.name}")
    return int(rows[0]["n"])


async def measure(work: Callable[[], Awaitable[object]]) -> float:
    """How many seconds it takes here and now."""
    started = trio.current_time()
    await work()
    return trio.current_time() - started


async def every_type_comes_back(store: Store) -> None:
    event = row(
        EVENTS,
        name="pageview",
        site_id=7,
        user_id=2**64 - 1,
        session_id=1,
        pathname="/caf\udce9/é\u2028\n",
        country_code="GB",
        meta__key=("a", "b"),
        meta__value=("1", "x" * 300),
        city_geoname_id=2643743,
        revenue_reporting_amount=Decimal("12.345"),
        revenue_reporting_currency="EUR",
        revenue_source_amount=Decimal("-123456789012345.678"),
        scroll_depth=255,
        acquisition_channel="Direct",
        engagement_time=2**32 - 1,
    )
    session = row(
        SESSIONS,
        acquisition_channel="Direct",
        sign=-1,
        events=2,
        country_code="XX",
        entry_meta__key=("k",),
        entry_meta__value=("v",),
    )
    counters = [
        row(COUNTERS, domain="a.example", metric="buffered", value=2, tracker_script_version=36),
        row(COUNTERS, site_id=9, domain="b.example", metric="buffered", value=1),
    ]
    await store.insert(EVENTS, [event], "e")
    await store.insert(SESSIONS, [session], "s")
    await store.insert(COUNTERS, counters, "c")

    stored = (await read(store, "SELECT *, city, country, os, source FROM events_v2"))[0]
    assert stored["timestamp"] == "2025-11-23 12:13:20"
    assert stored["user_id"] == 2**64 - 1
    assert stored["pathname"] == "/caf\ufffd/é\u2028\n"
    assert (stored["country_code"], stored["country"]) == ("GB", "GB")
    assert (stored["meta.key"], stored["meta.value"]) == (["a", "b"], ["1", "x" * 300])
    assert (stored["city_geoname_id"], stored["city"]) == (2643743, 2643743)
    assert stored["revenue_reporting_currency"] == "EUR"
    assert stored["revenue_source_currency"] == "\0\0\0"
    assert (stored["scroll_depth"], stored["engagement_time"]) == (255, 2**32 - 1)
    assert (stored["channel"], stored["batch"], stored["source"]) == ("", 0, "")
    assert stored["acquisition_channel"] == "Direct"
    exact = await read(
        store,
        "SELECT hex(pathname) AS path, toString(revenue_source_amount) AS source, "
        "toString(revenue_reporting_amount) AS reporting, hex(country_code) AS country, "
        "country_name FROM events_v2",
    )
    assert exact[0] == {
        "path": "/caf\udce9/é\u2028\n".encode("utf-8", "surrogateescape").hex().upper(),
        "source": "-123456789012345.678",
        "reporting": "12.345",
        "country": "4742",
        "country_name": "",
    }
    stored = (await read(store, "SELECT *, entry_page_hostname FROM sessions_v2"))[0]
    assert (stored["sign"], stored["events"], stored["country_code"]) == (-1, 2, "XX")
    assert (stored["entry_meta.key"], stored["entry_meta.value"]) == (["k"], ["v"])
    stored_counters = await read(store, "SELECT * FROM ingest_counters ORDER BY domain")
    assert [each["site_id"] for each in stored_counters] == [None, 9]
    assert [each["value"] for each in stored_counters] == [2, 1]
    assert stored_counters[0]["tracker_script_version"] == 36


async def imported_tables_are_created_once(store: ImportStore) -> None:
    assert not await store.made_by_plausible()
    tables = tuple(IMPORTED_TABLES.values())
    await store.create_imported(tables)
    for table in tables:
        await store.insert(table, [row(table, date=20_000, site_id=2**64 - 1)] * 3, table.name)
    await store.create_imported(tables)
    for table in tables:
        await store.insert(table, [row(table, date=20_000, site_id=2**64 - 1)] * 3, table.name)
        stored = (await read(store, f"SELECT *, count() OVER () AS n FROM {table.name} LIMIT 1"))[0]
        assert (stored["date"], stored["site_id"], stored["n"]) == ("2024-10-04", 2**64 - 1, 3)
    names = await read(store, "SELECT country_name, region_name, city_name FROM imported_locations")
    assert names[0] == {"country_name": "", "region_name": "", "city_name": ""}


async def a_repeated_insert_is_stored_once(store: Store) -> None:
    # Several blocks and several months: several parts.
    rows = [row(EVENTS, timestamp=1_700_000_000 + n * 10_000, user_id=n) for n in range(1500)]
    for _ in range(2):
        await store.insert(EVENTS, rows, "it's the \\ same")
    assert await count(store) == 1500
    visits = [row(SESSIONS, session_id=n % 600, sign=1, events=n // 600) for n in range(1200)]
    for _ in range(2):
        await store.insert(SESSIONS, visits, "visits")
    assert await count(store, SESSIONS) == 1200
    # The same rows under another token are other rows.
    await store.insert(EVENTS, rows[:1], "first")
    await store.insert(EVENTS, rows[:1], "second")
    assert await count(store) == 1502


async def rows_are_refused_for_good(store: Store) -> None:
    good, bad = row(EVENTS), row(EVENTS, country_code="GBR")
    with pytest.raises(RowsRefused, match=r"events_v2: a value of country_code does not fit"):
        await store.insert(EVENTS, [good] * 600 + [bad], "bad")
    unknown = Table(
        "events_v2", (*EVENTS.columns, Column("novelty", "UInt8")), "MergeTree", ("a",), ("a",)
    )
    # The table's fault, not the row's: it is kept until somebody has mended the table.
    with pytest.raises(StoreUnavailable, match="novelty"):
        await store.insert(unknown, [row(unknown)], "unknown")
    mistyped = Table("events_v2", (Column("site_id", "Array(String)"),), "", (), ())
    with pytest.raises(RowsRefused, match=r"site_id|conver|Conver"):
        await store.insert(mistyped, [(("a", "b"),)] * 2000, "mistyped")
    assert await count(store) == 0
    # What is found out only while the rows are being stored.
    uneven = row(SESSIONS, entry_meta__key=("k",))
    with pytest.raises(RowsRefused, match=r"entry_meta|[Ss]izes|dimensions"):
        await store.insert(SESSIONS, [uneven], "uneven")
    assert await count(store, SESSIONS) == 0
    await store.insert(EVENTS, [good], "good")
    assert await count(store) == 1


async def a_failure_to_store_is_reported(store: Store, execute: Execute) -> None:
    await execute("ALTER TABLE events_v2 ADD CONSTRAINT small CHECK user_id < 1000")
    rows = [row(EVENTS, user_id=n) for n in range(1001)]
    with pytest.raises(RowsRefused, match="Constraint `small`"):
        await store.insert(EVENTS, rows, "token")
    assert await count(store) == 0
    await store.insert(EVENTS, rows[:1000], "token")
    assert await count(store) == 1000
    await execute("DROP TABLE events_v2")
    with pytest.raises(StoreUnavailable, match="events_v2"):
        await store.insert(EVENTS, rows, "token")


async def a_cancelled_insert_can_be_repeated(store: Store) -> None:
    rows = [row(EVENTS, user_id=n, pathname=f"/{n}") for n in range(3000)]
    seconds = await measure(partial(store.insert, EVENTS, rows, "measured"))
    for attempt in range(8):
        with trio.move_on_after(seconds * attempt / 8):
            await store.insert(EVENTS, rows, f"cancelled {attempt}")
        # What comes next never meets the remains of what was cancelled.
        await store.insert(EVENTS, rows[:attempt], f"next {attempt}")
        await store.insert(EVENTS, rows, f"cancelled {attempt}")
        assert await count(store) == 3000 * (attempt + 2) + sum(range(attempt + 1))


async def queries_only_read(store: Store) -> None:
    await store.insert(EVENTS, [row(EVENTS, user_id=n) for n in range(3)], "three")
    assert await store.query("SELECT user_id FROM events_v2 WHERE user_id > 5") == []
    for sql in (
        "SELECT user_id AS u FROM events_v2 ORDER BY u",
        "SELECT user_id AS u FROM events_v2 ORDER BY u;",
        "select user_id as u from events_v2 order by u format JSONEachRow",
        "SELECT user_id AS u FROM events_v2 ORDER BY u FORMAT TSV; -- that is all",
    ):
        assert await store.query(sql) == ['{"u":0}', '{"u":1}', '{"u":2}']
    assert len(await store.query("DESCRIBE events_v2")) > len(EVENTS.inserted)
    assert '{"name":"events_v2"}' in await store.query("SHOW TABLES")
    for sql, message in (
        ("SELECT nothing FROM events_v2", "nothing"),
        ("SELECT number FROM numbers(2000000)", "[Ll]imit"),
        ("DROP TABLE events_v2", "only statements that read"),
        ("SELECT 1; DROP TABLE events_v2", "one statement"),
        ("WITH 1 AS x INSERT INTO events_v2 (user_id) SELECT x", "readonly|Syntax"),
    ):
        with pytest.raises(QueryRefused, match=message):
            await store.query(sql)
        # Nothing of it comes with the next result.
        assert await store.query("SELECT 1 AS one") == ['{"one":1}']
    assert await count(store) == 3


async def opening_again_changes_nothing(store: Store) -> None:
    sql = "SELECT create_table_query FROM system.tables WHERE database = currentDatabase()"
    before = await store.query(f"{sql} ORDER BY name")
    await store.open()
    assert await store.query(f"{sql} ORDER BY name") == before
    assert len(before) == 5


ALL: Final[tuple[Check, ...]] = (
    every_type_comes_back,
    imported_tables_are_created_once,
    a_repeated_insert_is_stored_once,
    rows_are_refused_for_good,
    a_cancelled_insert_can_be_repeated,
    queries_only_read,
    opening_again_changes_nothing,
)
