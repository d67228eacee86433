from collections.abc import Iterator

import pytest

from tests.end_to_end.clickhouse_server import ClickHouseServer

pytest.register_assert_rewrite("tests.actors.stores.checks")


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseServer]:
    """A real server for all tests that leave it running; each takes a database of its own."""
    with ClickHouseServer(tmp_path_factory.mktemp("clickhouse")) as running:
        yield running
