"""The same tests against both stores: chDB in the server's process, and a ClickHouse server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.clickhouse_server import ClickHouseServer
from tests.end_to_end.sluice import Sluice


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseServer]:
    with ClickHouseServer(tmp_path_factory.mktemp("clickhouse")) as server:
        yield server


@pytest.fixture(scope="session", params=["chdb", "clickhouse"])
def store(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def clickhouse_url(store: str, request: pytest.FixtureRequest) -> str:
    """The `CLICKHOUSE_URL` of a store that the whole run of tests shares."""
    if store == "chdb":
        return "chdb://chdb"
    server: ClickHouseServer = request.getfixturevalue("clickhouse")
    return server.url("shared")


@pytest.fixture(scope="session")
def sluice(
    clickhouse_url: str, store: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sluice]:
    """A server that the whole run of tests shares; tests tell their events apart by page."""
    with Sluice(tmp_path_factory.mktemp(store), clickhouse_url) as server:
        yield server


@pytest.fixture
def fresh(store: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Sluice]:
    """A server, not yet started, with a store of its own."""
    if store == "chdb":
        url = "chdb://chdb"
    else:
        clickhouse: ClickHouseServer = request.getfixturevalue("clickhouse")
        url = clickhouse.url(tmp_path.name.replace("-", "_")[:60])
    server = Sluice(tmp_path, url)
    yield server
    server.__exit__()
