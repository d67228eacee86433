from pathlib import Path

import pytest

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


def test_the_embedded_store(tmp_path: Path) -> None:
    """Only that a mistake is told: a process has one embedded store, which other tests take."""
    (tmp_path / "file").touch()
    with pytest.raises(QueryError, match="cannot make the directory"):
        query(settings_of(f"chdb://{tmp_path}/file/chdb"), "SELECT 1")
