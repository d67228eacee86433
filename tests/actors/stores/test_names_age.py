"""The names of sources in databases of both ages, on a real server."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from structlog.testing import capture_logs

from actors.stores.clickhouse import ClickHouseStore
from actors.stores.names_age import find_names_age
from actors.stores.native_line import ServerError
from actors.stores.store import StoreUnavailable
from actors.stores.url import ServerAddress
from ingest.rows.names_age import RENAMING_MIGRATION, NamesAge
from ingest.rows.schema import EVENTS, SESSIONS
from tests.actors.stores import checks
from tests.end_to_end.clickhouse_server import ClickHouseServer
from tests.ingest.rows.example_rows import row

RENAME = f"INSERT INTO schema_migrations VALUES ({RENAMING_MIGRATION}, now())"
EVENT = row(EVENTS, referrer="x.com", referrer_source="X (Twitter)")
SESSION = row(SESSIONS, referrer="chatgpt.com", referrer_source="ChatGPT", sign=1)

Execute = Callable[[str], Awaitable[object]]


@pytest.fixture
def address(server: ClickHouseServer, request: pytest.FixtureRequest) -> ServerAddress:
    return ServerAddress("127.0.0.1", server.tcp_port, database=request.node.name)


@pytest.fixture
async def execute(address: ServerAddress) -> AsyncIterator[Execute]:
    """Runs statements in a database with the tables and Plausible's table of migrations."""
    store = ClickHouseStore(address)
    await store.open()
    await store._execute(
        "CREATE TABLE schema_migrations (version Int64, inserted_at DateTime) ENGINE = TinyLog"
    )
    await store._execute("INSERT INTO schema_migrations VALUES (20250910105432, now())")
    yield store._execute
    await store.aclose()


async def sources(store: ClickHouseStore) -> list[str]:
    """The sources of events and sessions, in order."""
    tables = (EVENTS.name, SESSIONS.name)
    sql = " UNION ALL ".join(f"SELECT referrer_source AS name FROM {table}" for table in tables)
    return sorted([found["name"] for found in await checks.read(store, sql)])


async def test_a_migration_is_noticed(address: ServerAddress, execute: Execute) -> None:
    store = ClickHouseStore(address)
    await store.open()
    assert f"source names: {NamesAge.OLDER}" in store.findings
    assert store.older_names
    await store.insert(EVENTS, [EVENT], "a")
    await store.insert(SESSIONS, [SESSION], "b")
    assert await sources(store) == ["chatgpt.com", "x.com"]

    await execute(RENAME)
    with capture_logs() as logs:
        await store.insert(EVENTS, [EVENT], "c")
        await store.insert(SESSIONS, [SESSION], "d")
    assert await sources(store) == ["ChatGPT", "X (Twitter)", "chatgpt.com", "x.com"]
    assert not store.older_names
    assert [(line["event"], line["names"]) for line in logs] == [
        ("the source names of the database have changed", str(NamesAge.NEWEST))
    ]
    await store.aclose()


async def test_a_migrated_database(address: ServerAddress, execute: Execute) -> None:
    await execute(RENAME)
    store = ClickHouseStore(address)
    await store.open()
    assert f"source names: {NamesAge.NEWEST}" in store.findings
    await store.insert(EVENTS, [EVENT], "a")
    assert await sources(store) == ["X (Twitter)"]
    await store.aclose()


async def test_migrations_that_disappear(address: ServerAddress, execute: Execute) -> None:
    """The names of the newest known release, until the migrations can be read."""
    await execute(RENAME)
    store = ClickHouseStore(address)
    await store.open()
    await execute("RENAME TABLE schema_migrations TO hidden")
    await store.insert(EVENTS, [EVENT], "a")
    assert await sources(store) == ["x.com"]
    await execute("RENAME TABLE hidden TO schema_migrations")
    await store.insert(EVENTS, [EVENT], "b")
    assert await sources(store) == ["X (Twitter)", "x.com"]
    await store.aclose()


async def test_migrations_that_are_tables_of_another_program(
    address: ServerAddress, execute: Execute
) -> None:
    await execute("DROP TABLE schema_migrations SYNC")
    await execute(
        "CREATE TABLE schema_migrations (version String, inserted_at DateTime) ENGINE = TinyLog"
    )
    store = ClickHouseStore(address)
    await store.open()
    assert store.older_names
    await store.insert(EVENTS, [EVENT], "a")
    assert await sources(store) == ["x.com"]
    await store.aclose()


async def test_own_tables_have_the_newest_names(address: ServerAddress) -> None:
    store = ClickHouseStore(address)
    await store.open()
    assert not any("source names" in finding for finding in store.findings)
    await store.insert(EVENTS, [EVENT], "a")
    assert not store.older_names
    assert await sources(store) == ["X (Twitter)"]
    await store.aclose()


@pytest.mark.parametrize("code", [60, 497])
async def test_migrations_that_may_not_be_read(code: int) -> None:
    async def refuse(sql: str) -> list[list[str]]:
        raise ServerError("refused", code)

    assert await find_names_age(refuse, "db") is NamesAge.UNKNOWN


@pytest.mark.parametrize("error", [StoreUnavailable("gone"), ServerError("memory", 241)])
async def test_a_passing_failure_is_no_answer(error: Exception) -> None:
    async def fail(sql: str) -> list[list[str]]:
        raise error

    with pytest.raises(type(error)):
        await find_names_age(fail, "db")
