from pathlib import Path

import pytest

from ingest.check.report import Level
from ingest.check.store import check_store
from ingest.settings import Settings
from tests.end_to_end.clickhouse_server import ClickHouseServer, free_port


@pytest.mark.parametrize(
    ("url", "starts", "text"),
    [
        ("clickhouse://127.0.0.1:{free}/x", True, "the connection to ClickHouse failed"),
        ("clickhouse://127.0.0.1:{http}/x", False, "speaks HTTP: ClickHouse's native protocol"),
        ("mysql://127.0.0.1/x", False, "unknown scheme"),
    ],
)
def test_an_outage_is_told_from_a_mistake(
    tmp_path: Path, url: str, starts: bool, text: str
) -> None:
    with ClickHouseServer(tmp_path / "clickhouse") as server:
        settings = Settings().model_copy(
            update={
                "clickhouse_url": url.format(free=free_port(), http=server.http_port),
                "state_dir": tmp_path,
            }
        )
        (result,) = check_store(settings, 0.0)
    assert (result.level, result.starts) == (Level.PROBLEM, starts)
    assert text in result.text
