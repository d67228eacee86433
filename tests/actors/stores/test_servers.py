"""Servers that find each other in a real database."""

from collections.abc import AsyncIterator

import pytest
import trio
import trio.testing

from actors.stores.clickhouse import ClickHouseStore
from actors.stores.store import StoreMisconfigured, StoreUnavailable
from actors.stores.url import ServerAddress
from ingest.rows.schema import EVENTS
from ingest.rows.servers import Server
from tests.actors.stores import checks
from tests.end_to_end.clickhouse_server import ClickHouseServer
from tests.ingest.rows.example_rows import row

ONE = Server("p1", "d1", "it's \\ one:8000")
TWO = Server("p2", "d2", "two:8000", "worker", "c")


@pytest.fixture
def address(server: ClickHouseServer, request: pytest.FixtureRequest) -> ServerAddress:
    return ServerAddress("127.0.0.1", server.tcp_port, database=f"servers `{request.node.name}`")


@pytest.fixture
async def store(address: ServerAddress) -> AsyncIterator[ClickHouseStore]:
    store = ClickHouseStore(address)
    await store.open()
    yield store
    await store.aclose()


async def servers(store: ClickHouseStore) -> list[Server]:
    found = await store.servers()
    assert found is not None
    assert all(0 <= each.last <= each.first for each in found)
    assert all(each.recent for each in found)
    return sorted((each.server for each in found), key=lambda server: server.process)


async def test_servers_find_each_other(store: ClickHouseStore, address: ServerAddress) -> None:
    other = ClickHouseStore(address)
    await other.open()
    assert await servers(store) == []
    for _ in range(3):
        await store.beat(ONE)
    assert await servers(store) == await servers(other) == [ONE]
    await other.beat(TWO)
    assert await servers(store) == await servers(other) == [ONE, TWO]
    assert await store.server_findings() == ()
    await other.aclose()


async def test_old_beats_are_not_read(store: ClickHouseStore) -> None:
    await store.beat(ONE)
    for age in (601, -3600):
        await store._execute(
            "INSERT INTO sluice_servers (at, process, directory, name) "
            f"SELECT now() - {age}, 'p{age}', 'd', 'n'"
        )
    assert await servers(store) == [ONE]


@pytest.mark.parametrize("lost", ["TABLE sluice_servers", "DATABASE `{database}`"])
async def test_the_table_is_made_again(store: ClickHouseStore, lost: str) -> None:
    await store.beat(ONE)
    name = store._address.database.replace("`", "\\`")
    await store._execute(f"DROP {lost.format(database=name)} SYNC")
    if lost.startswith("DATABASE"):
        with pytest.raises(StoreMisconfigured, match="does not exist"):
            await store.beat(TWO)
        # Only the writer's probe makes a database again.
        await store.ping()
    await store.beat(TWO)
    assert await servers(store) == [TWO]


async def test_a_database_made_by_plausible_stays_as_it_is(address: ServerAddress) -> None:
    store = ClickHouseStore(address)
    await store.open()
    await store._execute(
        "CREATE TABLE schema_migrations (version Int64, inserted_at DateTime) ENGINE = Memory"
    )
    await store.aclose()
    store = ClickHouseStore(address)
    await store.open()
    await store.beat(ONE)
    assert await store.servers() is None
    assert await store.server_findings() == ()
    assert await store._execute("SHOW TABLES LIKE '%servers%'") == []
    await store.aclose()


async def test_a_store_that_is_not_open(address: ServerAddress) -> None:
    store = ClickHouseStore(address)
    with pytest.raises(StoreUnavailable, match="not open yet"):
        await store.beat(ONE)
    with pytest.raises(StoreUnavailable, match="not open yet"):
        await store.servers()
    await store.aclose()


async def test_a_table_of_another_kind_hurts_nothing_else(store: ClickHouseStore) -> None:
    await store._execute("CREATE TABLE sluice_servers (x UInt8) ENGINE = Memory")
    with pytest.raises(StoreUnavailable, match="No such column"):
        await store.beat(ONE)
    await store.insert(EVENTS, [row(EVENTS)], "token")
    assert await checks.count(store) == 1
    await store.ping()


async def test_a_beat_that_hangs_delays_neither_inserts_nor_probes(
    store: ClickHouseStore,
) -> None:
    async with trio.open_nursery() as nursery:
        await store._beats._lock.acquire()
        nursery.start_soon(store.beat, ONE)
        await trio.testing.wait_all_tasks_blocked()
        await store.insert(EVENTS, [row(EVENTS)], "token")
        await store.ping()
        assert await checks.count(store) == 1
        assert store._beats._lock.locked()
        store._beats._lock.release()
    assert await servers(store) == [ONE]
