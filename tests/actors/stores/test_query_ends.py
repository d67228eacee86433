"""Queries whose caller has gone."""

import pytest
import trio

from actors.stores.clickhouse import ClickHouseStore
from actors.stores.embedded import EmbeddedStore
from actors.stores.migration import Execute
from actors.stores.store import Store
from ingest.rows.schema import EVENTS
from tests.actors.stores import checks
from tests.ingest.rows.example_rows import row

LONG = "SELECT sum(sipHash64(number)) FROM numbers(1000000000000)"
"""Runs for hours, if it may."""

RUNNING = (
    "SELECT count() FROM system.processes WHERE query LIKE '%numbers(1000000000000)%' "
    "AND query NOT LIKE '%processes%' AND current_database = '{database}'"
)


@pytest.fixture
def query_seconds() -> float:
    """No query ends by its limit."""
    return 3600


async def until(running: str, execute: Execute, database: str = "default") -> None:
    """Wait until so many long queries run."""
    while (await execute(RUNNING.format(database=database)))[0][0] != running:  # noqa: ASYNC110
        await trio.sleep(0.01)


async def a_cancelled_query_ends(store: Store, execute: Execute, database: str) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(store.query, LONG)
        await until("1", execute, database)
        nursery.cancel_scope.cancel()
    assert nursery.cancel_scope.cancelled_caught
    await until("0", execute, database)
    await store.insert(EVENTS, [row(EVENTS)], "token")
    assert await checks.count(store) == 1


async def test_a_cancelled_query_ends_on_the_server(
    clickhouse: ClickHouseStore, request: pytest.FixtureRequest
) -> None:
    await a_cancelled_query_ends(clickhouse, clickhouse._execute, request.node.name)


async def test_a_cancelled_query_ends_in_the_process(embedded: EmbeddedStore) -> None:
    await a_cancelled_query_ends(embedded, embedded._execute, "default")


async def test_a_query_cancelled_at_its_start_ends(embedded: EmbeddedStore) -> None:
    for delay in (0, 0.001, 0.003, 0.01):
        with trio.move_on_after(delay) as scope:
            await embedded.query(LONG)
        assert scope.cancelled_caught
    assert await embedded.query("SELECT 1 AS one") == ['{"one":1}']


async def test_nobody_waits_for_a_query_when_the_store_closes(embedded: EmbeddedStore) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(embedded.query, LONG)
        await until("1", embedded._execute)
        nursery.cancel_scope.cancel()
    await embedded.aclose()
    assert embedded._reader is None
