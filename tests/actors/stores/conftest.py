from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from actors.stores.clickhouse import ClickHouseStore
from actors.stores.embedded import EmbeddedStore
from actors.stores.query_limits import QUERY_SECONDS
from actors.stores.url import EmbeddedAddress, ServerAddress
from tests.actors.stores.relay import relaying
from tests.end_to_end.clickhouse_server import ClickHouseServer

pytest.register_assert_rewrite("tests.actors.stores.checks")


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseServer]:
    """A real server for all tests that leave it running; each takes a database of its own."""
    with ClickHouseServer(tmp_path_factory.mktemp("clickhouse")) as running:
        yield running


@pytest.fixture
def query_seconds() -> float:
    """The time limit of the stores' queries. Modules may have another one."""
    return QUERY_SECONDS


@pytest.fixture
async def clickhouse(
    server: ClickHouseServer, request: pytest.FixtureRequest, query_seconds: float
) -> AsyncIterator[ClickHouseStore]:
    """A store on the server, with a database of its own. No cancelled query resets a connection."""
    async with relaying(server.tcp_port) as port:
        address = ServerAddress("127.0.0.1", port, database=request.node.name)
        store = ClickHouseStore(address, query_seconds=query_seconds)
        await store.open()
        yield store
        await store.aclose()


@pytest.fixture
async def embedded(tmp_path: Path, query_seconds: float) -> AsyncIterator[EmbeddedStore]:
    """A store in this process."""
    pytest.importorskip("chdb")
    store = EmbeddedStore(EmbeddedAddress(tmp_path / "chdb"), query_seconds=query_seconds)
    await store.open()
    yield store
    await store.aclose()
