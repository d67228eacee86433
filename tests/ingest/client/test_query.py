from pathlib import Path

import pytest
import trio

from actors.stores.embedded import EmbeddedStore
from actors.stores.url import EmbeddedAddress
from ingest.client.query import QueryError, query
from ingest.settings import Settings
from tests.end_to_end.clickhouse_server import ClickHouseServer, free_port


def settings_of(url: str) -> Settings:
    return Settings.model_validate({"CLICKHOUSE_URL": url})


def test_a_query_makes_nothing_on_a_server(tmp_path: Path) -> None:
    with ClickHouseServer(tmp_path) as server:
        settings = settings_of(server.url())
        assert list(query(settings, "SHOW TABLES")) == []
        with pytest.raises(QueryError, match="SETTINGS are not accepted"):
            query(settings, "SELECT 1 SETTINGS readonly = 0")


def test_a_server_that_is_away() -> None:
    with pytest.raises(QueryError, match="the connection to ClickHouse failed"):
        query(settings_of(f"clickhouse://127.0.0.1:{free_port()}/x"), "SELECT 1")


def test_an_embedded_store_that_does_not_exist_is_not_created(tmp_path: Path) -> None:
    with pytest.raises(QueryError, match=f"there is no store in {tmp_path}/chdb"):
        query(settings_of(f"chdb://{tmp_path}/chdb"), "SELECT 1")
    assert list(tmp_path.iterdir()) == []


def test_an_embedded_store_that_exists(tmp_path: Path) -> None:
    pytest.importorskip("chdb")
    store = EmbeddedStore(EmbeddedAddress(tmp_path / "chdb"))

    async def make() -> None:
        await store.open()
        await store.aclose()

    trio.run(make)
    assert query(settings_of(f"chdb://{tmp_path}/chdb"), "SELECT 1 AS one") == ['{"one":1}']
