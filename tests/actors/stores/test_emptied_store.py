"""A server that has lost its data while we run."""

import shutil
from pathlib import Path

import pytest
import trio

from actors.stores.clickhouse import ClickHouseStore
from actors.stores.store import StoreUnavailable
from actors.stores.url import ServerAddress
from ingest.rows.schema import EVENTS, quote_identifier
from tests.actors.stores import checks
from tests.end_to_end.clickhouse_server import ClickHouseServer
from tests.ingest.rows.example_rows import row

ROWS = [row(EVENTS)]


@pytest.mark.parametrize("lost", ["TABLE {database}.events_v2 SYNC", "DATABASE {database} SYNC"])
async def test_a_sign_of_life_makes_what_is_missing(
    server: ClickHouseServer, request: pytest.FixtureRequest, lost: str
) -> None:
    address = ServerAddress("127.0.0.1", server.tcp_port, database=request.node.name)
    store, other = ClickHouseStore(address), ClickHouseStore(address)
    await store.open()
    await store.insert(EVENTS, ROWS, "before")
    await store.ping()
    assert await checks.count(store) == 1
    await other._execute(f"DROP {lost.format(database=quote_identifier(address.database))}")
    await store.ping()
    assert await checks.count(store) == 0
    await store.insert(EVENTS, ROWS, "after")
    assert await checks.count(store) == 1
    await other.aclose()
    await store.aclose()


async def test_a_server_that_comes_back_empty(tmp_path: Path) -> None:
    with ClickHouseServer(tmp_path) as server:
        store = ClickHouseStore(ServerAddress("127.0.0.1", server.tcp_port, database="stats"))
        await store.open()
        await store.insert(EVENTS, ROWS, "before")
        server.kill()
        with pytest.raises(StoreUnavailable):
            await store.ping()
        shutil.rmtree(tmp_path / "data")
        await trio.to_thread.run_sync(server.start)
        await store.ping()
        await store.insert(EVENTS, ROWS, "before")
        assert await checks.count(store) == 1
        await store.aclose()


async def test_a_sign_of_life_makes_nothing_in_a_store_that_was_not_opened(
    server: ClickHouseServer,
) -> None:
    store = ClickHouseStore(ServerAddress("127.0.0.1", server.tcp_port, database="never opened"))
    await store.ping()
    elsewhere = ClickHouseStore(ServerAddress("127.0.0.1", server.tcp_port))
    assert await checks.read(elsewhere, "SHOW DATABASES LIKE 'never%'") == []
    await elsewhere.aclose()
    await store.aclose()


async def test_tables_that_cannot_be_made_are_told(server: ClickHouseServer) -> None:
    address = ServerAddress("127.0.0.1", server.tcp_port, database="spoilt")
    store = ClickHouseStore(address)
    await store.open()
    await store._execute("DROP TABLE sessions_v2 SYNC")
    await store._execute("DROP TABLE events_v2 SYNC")
    await store._execute("CREATE TABLE sessions_v2 (sign UInt8) ENGINE = Memory")
    with pytest.raises(StoreUnavailable, match="its engine is Memory"):
        await store.ping()
    await store.aclose()
