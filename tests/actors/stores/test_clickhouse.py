import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial

import pytest
import trio

from actors.stores.clickhouse import ClickHouseStore
from actors.stores.store import QueryRefused, StoreMisconfigured, StoreUnavailable
from actors.stores.url import ServerAddress
from ingest.rows.schema import COUNTERS, EVENTS, SESSIONS, TABLES
from tests.actors.stores import checks
from tests.actors.stores.old_server import greeting, refusal, serving
from tests.actors.stores.relay import relaying
from tests.end_to_end.clickhouse_server import ClickHouseServer, free_port
from tests.ingest.rows.example_rows import row

ROWS = [row(EVENTS, user_id=n, pathname=f"/{n}") for n in range(20_000)]


@pytest.fixture
async def address(
    server: ClickHouseServer, request: pytest.FixtureRequest
) -> AsyncIterator[ServerAddress]:
    async with relaying(server.tcp_port) as port:
        yield ServerAddress("127.0.0.1", port, database=request.node.name)


@pytest.fixture
async def store(address: ServerAddress) -> AsyncIterator[ClickHouseStore]:
    store = ClickHouseStore(address)
    await store.open()
    yield store
    await store.aclose()


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseServer]:
    """A server to be paused and killed; running at the start of each test."""
    with ClickHouseServer(tmp_path_factory.mktemp("mortal")) as running:
        yield running


@pytest.fixture
async def survivor(
    mortal: ClickHouseServer, request: pytest.FixtureRequest
) -> AsyncIterator[ClickHouseStore]:
    """A store on the mortal server."""
    name = f"{request.node.name} {id(request)}"
    store = ClickHouseStore(ServerAddress("127.0.0.1", mortal.tcp_port, database=name))
    await store.open()
    yield store
    await store.aclose()


@pytest.mark.parametrize("check", checks.ALL, ids=lambda check: str(check.__name__))
async def test_contract(store: ClickHouseStore, check: checks.Check) -> None:
    await check(store)


async def test_a_failure_to_store_is_reported(store: ClickHouseStore) -> None:
    await checks.a_failure_to_store_is_reported(store, store._execute)


async def test_findings_and_ping(store: ClickHouseStore, address: ServerAddress) -> None:
    first, *others = store.findings
    assert first.startswith("ClickHouse 26.")
    assert first.endswith(f"at 127.0.0.1:{address.port}, database test_findings_and_ping")
    assert others == ["events_v2, sessions_v2, ingest_counters: created"]
    await store.ping()


async def test_several_processes_open_at_once(address: ServerAddress) -> None:
    address = replace(address, database="at `once`")
    stores = [ClickHouseStore(address) for _ in range(4)]
    async with trio.open_nursery() as nursery:
        for store in stores:
            nursery.start_soon(store.open)
    async with trio.open_nursery() as nursery:
        for each in stores:
            nursery.start_soon(partial(each.insert, EVENTS, ROWS[:10], "the same"))
    assert [await checks.count(store) for store in stores] == [10] * 4
    for store in stores:
        await store.aclose()


async def test_a_column_of_a_later_version_is_added(
    store: ClickHouseStore, address: ServerAddress
) -> None:
    await store._execute("ALTER TABLE events_v2 DROP COLUMN engagement_time, DROP COLUMN os")
    later = ClickHouseStore(address)
    await later.open()
    await later.insert(EVENTS, [row(EVENTS, operating_system="Mac", engagement_time=5)], "token")
    rows = await checks.read(later, "SELECT os, engagement_time FROM events_v2")
    assert rows == [{"os": "Mac", "engagement_time": 5}]
    await later.aclose()


async def test_tables_may_change_while_it_runs(store: ClickHouseStore) -> None:
    await store._execute("ALTER TABLE events_v2 DROP COLUMN engagement_time")
    rows = [row(EVENTS, engagement_time=5)]
    with pytest.raises(StoreUnavailable, match="engagement_time"):
        await store.insert(EVENTS, rows, "token")
    await store.insert(EVENTS, rows, "token")
    assert await checks.read(store, "SELECT engagement_time FROM events_v2") == [
        {"engagement_time": 5}
    ]
    await store._execute("DROP TABLE events_v2 SYNC")
    with pytest.raises(StoreUnavailable, match="events_v2"):
        await store.insert(EVENTS, rows, "token")
    await store.insert(EVENTS, rows, "token")
    assert await checks.count(store) == 1


async def test_tables_that_know_no_tokens_are_asked_for_the_rows(address: ServerAddress) -> None:
    store = ClickHouseStore(address)
    await store.open()
    for table in (EVENTS, SESSIONS):
        await store._execute(
            f"ALTER TABLE {table.name} RESET SETTING non_replicated_deduplication_window"
        )
    await store.aclose()
    store = ClickHouseStore(address)
    await store.open()
    june, july = 1_781_000_000, 1_784_000_000
    events = [row(EVENTS, session_id=n, timestamp=june + n) for n in range(300)]
    later = [row(EVENTS, session_id=n, timestamp=july + n) for n in range(300)]
    assert await store.missing(EVENTS, events + later) == events + later
    await store.insert(EVENTS, events, "june")
    assert await store.missing(EVENTS, events + later) == later
    visits = [row(SESSIONS, session_id=n, start=june, events=2, sign=1) for n in range(10)]
    before = [row(SESSIONS, session_id=n, start=june, events=1, sign=-1) for n in range(10)]
    assert await store.missing(SESSIONS, before + visits) == before + visits
    await store.insert(SESSIONS, before + visits, "visits")
    assert await store.missing(SESSIONS, before + visits) == []
    await store.aclose()


@pytest.mark.parametrize("forgetful", [False, True])
async def test_nothing_tells_counters_apart(address: ServerAddress, forgetful: bool) -> None:
    """Repeated, they would be doubled where tokens are not recognised."""
    store = ClickHouseStore(address)
    await store.open()
    if forgetful:
        await store._execute(
            f"ALTER TABLE {COUNTERS.name} RESET SETTING non_replicated_deduplication_window"
        )
    await store.aclose()
    store = ClickHouseStore(address)
    await store.open()
    counters = [(1_781_000_000, "example.com", 1, "buffered", 5, 0)]
    assert await store.missing(COUNTERS, counters) == ([] if forgetful else None)
    assert await store.missing(EVENTS, []) is None
    await store.aclose()


async def test_a_database_made_by_plausible(address: ServerAddress) -> None:
    store = ClickHouseStore(address)
    await store.open()
    for table in (EVENTS, SESSIONS):
        await store._execute(
            f"ALTER TABLE {table.name} MODIFY COLUMN acquisition_channel "
            "LowCardinality(String) MATERIALIZED if(utm_medium = 'email', 'Email', 'Direct'), "
            "RESET SETTING non_replicated_deduplication_window"
        )
    await store.aclose()

    store = ClickHouseStore(address)
    await store.open()
    assert [finding.split(",")[0] for finding in store.findings[1:]] == [
        "made by Plausible: nothing is created or altered here",
        "events_v2: inserted without acquisition_channel",
        "sessions_v2: inserted without acquisition_channel",
        "events_v2: inserts are not recognised by their tokens; before one is repeated its rows "
        "are looked for",
        "sessions_v2: inserts are not recognised by their tokens; before one is repeated its rows "
        "are looked for",
        "source names: those before June 2026",
    ]
    event = row(EVENTS, utm_medium="email", acquisition_channel="ours", engagement_time=3)
    await store.insert(EVENTS, [event], "token")
    rows = await checks.read(
        store, "SELECT acquisition_channel AS channel, engagement_time AS time FROM events_v2"
    )
    assert rows == [{"channel": "Email", "time": 3}]
    await store.aclose()


async def test_tables_that_cannot_be_used(address: ServerAddress) -> None:
    store = ClickHouseStore(address)
    await store._create_database()
    await store._execute("CREATE TABLE sessions_v2 (sign UInt8) ENGINE = Memory")
    with pytest.raises(StoreMisconfigured) as caught:
        await store.open()
    message = str(caught.value)
    assert "its engine is Memory, VersionedCollapsingMergeTree is needed" in message
    assert "sign is UInt8, Int8 is needed" in message
    assert "the column session_id is missing" in message
    names = await store._execute("SHOW TABLES")
    assert names == [["sessions_v2"]]
    await store.aclose()


async def test_nothing_to_insert(store: ClickHouseStore) -> None:
    await store.insert(EVENTS, [], "token")
    assert await checks.count(store) == 0


async def test_before_and_after_its_life(address: ServerAddress) -> None:
    store = ClickHouseStore(address)
    with pytest.raises(StoreUnavailable, match="not open yet"):
        await store.insert(EVENTS, ROWS[:1], "token")
    await store.open()
    threads = [thread for thread in threading.enumerate() if thread.name == "clickhouse"]
    await store.aclose()
    with pytest.raises(StoreUnavailable, match="not open yet"):
        await store.insert(EVENTS, ROWS[:1], "token")
    for thread in threads:
        await trio.to_thread.run_sync(thread.join, 60)
        assert not thread.is_alive()


async def test_types_as_json(store: ClickHouseStore) -> None:
    lines = await store.query(
        "SELECT toDateTime64(1.5, 3, 'UTC') AS a, toDate(1) AS b, toDecimal64(1.50, 3) AS c, "
        "map('k', 1) AS d, (1, 'x') AS e, NULL AS f, nan AS g, true AS h, "
        "toLowCardinality('l') AS i, toFixedString('m', 2) AS j"
    )
    assert lines == [
        '{"a":"1970-01-01 00:00:01.500000","b":"1970-01-02","c":1.5,"d":{"k":1},"e":[1,"x"],'
        '"f":null,"g":null,"h":true,"i":"l","j":"m\\u0000"}'
    ]


async def test_queries_have_a_time_limit(address: ServerAddress) -> None:
    store = ClickHouseStore(address, query_seconds=1)
    await store.open()
    with pytest.raises(QueryRefused, match="Timeout exceeded"):
        await store.query(
            "SELECT sum(sipHash64(number)) FROM numbers(100000000000) WHERE number % 3 = 0"
        )
    assert await store.query("SELECT 1 AS one") == ['{"one":1}']
    await store.aclose()


async def test_cancelled_queries_leave_the_connection_right(store: ClickHouseStore) -> None:
    long = partial(store.query, "SELECT number FROM numbers(100000)")
    seconds = await checks.measure(long)
    for attempt in range(10):
        with trio.move_on_after(seconds * attempt / 10):
            await long()
        assert await store.query(f"SELECT {attempt} AS n") == [f'{{"n":{attempt}}}']


async def test_a_long_query_holds_up_neither_inserts_nor_pings(store: ClickHouseStore) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(store.query, "SELECT sum(sipHash64(number)) FROM numbers(100000000000)")
        await store.insert(EVENTS, ROWS[:10], "token")
        await store.ping()
        nursery.cancel_scope.cancel()
    assert await checks.count(store) == 10


@pytest.mark.parametrize("share", [0, 0.15, 0.5, 0.7, 0.9, 1.1])
async def test_killed_around_an_insert(
    mortal: ClickHouseServer, survivor: ClickHouseStore, share: float
) -> None:
    """While rows are encoded, sent, stored, or after: the repeated insert makes it exactly one."""
    seconds = await checks.measure(partial(survivor.insert, EVENTS, ROWS, "before"))

    async def insert() -> None:
        with suppress(StoreUnavailable):
            await survivor.insert(EVENTS, ROWS, "during")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(insert)
        await trio.sleep(seconds * share)
        mortal.kill()
    for attempt in (
        partial(survivor.insert, EVENTS, ROWS, "during"),
        survivor.ping,
        partial(survivor.query, "SELECT 1"),
    ):
        with pytest.raises(StoreUnavailable):
            await attempt()
    await trio.to_thread.run_sync(mortal.start)
    await survivor.insert(EVENTS, ROWS, "during")
    assert await checks.count(survivor) == 2 * len(ROWS)
    await survivor.ping()


async def test_restarted_between_inserts(
    mortal: ClickHouseServer, survivor: ClickHouseStore
) -> None:
    await survivor.insert(EVENTS, ROWS[:10], "first")
    await trio.to_thread.run_sync(mortal.restart)
    await survivor.insert(EVENTS, ROWS[:10], "first")
    await survivor.insert(EVENTS, ROWS[:10], "second")
    assert await checks.count(survivor) == 20


async def test_hanging_server(mortal: ClickHouseServer) -> None:
    async with relaying(mortal.tcp_port) as port:
        address = ServerAddress("127.0.0.1", port, database="hanging")
        impatient = ClickHouseStore(
            address, connection_seconds=4, insert_seconds=5, query_seconds=4
        )
        patient = ClickHouseStore(address, insert_seconds=300)
        for store in (impatient, patient):
            await store.open()
        mortal.pause()
        try:
            for _ in range(2):  # On the connection that was there, and on a new one.
                with pytest.raises(StoreUnavailable):
                    await impatient.insert(EVENTS, ROWS, "token")
            with pytest.raises(StoreUnavailable):
                await impatient.ping()
            started = time.monotonic()
            with trio.move_on_after(0.2) as scope:
                await patient.insert(EVENTS, ROWS, "token")
            assert scope.cancelled_caught
            # It did not wait until its time was up.
            assert time.monotonic() - started < 300
        finally:
            mortal.resume()
        await patient.insert(EVENTS, ROWS, "token")
        await impatient.insert(EVENTS, ROWS[:1], "another")
        assert await checks.count(impatient) == len(ROWS) + 1
        for store in (impatient, patient):
            await store.aclose()


async def test_nobody_listens() -> None:
    store = ClickHouseStore(ServerAddress("127.0.0.1", free_port(), password="secret"))
    for attempt in (store.open, store.ping):
        with pytest.raises(StoreUnavailable, match=r"Connect call failed|refused") as caught:
            await attempt()
        assert "secret" not in str(caught.value)
    await store.aclose()


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (
            greeting(18, 16),
            StoreMisconfigured,
            r"^ClickHouse >= 22 is needed, found 18\.16$",
        ),
        (
            refusal(516, "default: Authentication failed: password is incorrect"),
            StoreMisconfigured,
            r"^ClickHouse at 127\.0\.0\.1:\d+: default: Authentication failed: password is",
        ),
        (
            refusal(202, "Too many simultaneous queries"),
            StoreUnavailable,
            r"^ClickHouse at 127\.0\.0\.1:\d+: Too many simultaneous queries$",
        ),
        (b"SSH-2.0-OpenSSH_9.2\r\n", StoreUnavailable, "failed: "),
        (b"\x00\x05Cli", StoreUnavailable, "failed: "),
        (b"", StoreUnavailable, "failed: "),
    ],
    ids=["too old", "wrong password", "busy", "another protocol", "cut short", "hangs up"],
)
async def test_odd_servers(answer: bytes, error: type[Exception], message: str) -> None:
    async with serving(answer) as port:
        store = ClickHouseStore(ServerAddress("127.0.0.1", port, password="secret"))
        with pytest.raises(error, match=message) as caught:
            await store.open()
        assert "secret" not in str(caught.value)
        await store.aclose()


async def test_a_server_replaced_by_an_old_one_is_no_fault_of_the_rows(
    store: ClickHouseStore,
) -> None:
    async with serving(greeting(18, 16)) as port:
        # As after a restart: the next statement makes the connection anew.
        await store._inserts.aclose()
        store._inserts = ClickHouseStore(ServerAddress("127.0.0.1", port))._inserts
        with pytest.raises(StoreUnavailable, match=r"found 18\.16"):
            await store.insert(EVENTS, ROWS[:1], "token")


async def test_every_table_has_its_projection_and_settings(store: ClickHouseStore) -> None:
    rows = await checks.read(
        store,
        "SELECT name, engine_full AS engine, create_table_query AS sql FROM system.tables "
        "WHERE database = currentDatabase()",
    )
    found = {each["name"]: each for each in rows}
    assert set(TABLES) <= set(found)
    assert "deduplicate_merge_projection_mode = 'rebuild'" in found["ingest_counters"]["engine"]
    assert "ingest_counters_site_traffic_projection" in found["ingest_counters"]["sql"]
    for name in TABLES:
        assert "non_replicated_deduplication_window = 1000" in found[name]["engine"]
