"""The check of deduplication windows, on a ClickHouse server."""

import trio

from actors.stores.open import open_store
from ingest.check.deduplication import check_deduplication
from ingest.check.report import Level
from ingest.settings import Settings
from tests.end_to_end.clickhouse_server import ClickHouseServer


def _settings(url: str, seconds: float = 5.0) -> Settings:
    return Settings(_env_file=None, CLICKHOUSE_URL=url, SLUICE_FLUSH_SECONDS=seconds)  # type: ignore[call-arg]


async def _execute(url: str, *statements: str) -> None:
    store = open_store(url)
    try:
        await store.open()
        for statement in statements:
            await store._execute(statement)  # type: ignore[attr-defined]
    finally:
        await store.aclose()


def test_windows_of_tables(clickhouse: ClickHouseServer) -> None:
    url = clickhouse.url("deduplication")
    trio.run(_execute, url)

    found = list(check_deduplication(_settings(url), 64))

    assert [(each.level, each.text.split(",")[0]) for each in found] == [
        (Level.WARNING, f"{table} remembers 1")
        for table in ("events_v2", "ingest_counters", "sessions_v2")
    ]
    trio.run(_execute, url, *(each.advice.partition(";")[0] for each in found))
    (result,) = check_deduplication(_settings(url), 64)
    assert result.level is Level.OK
    assert result.text == "all tables remember at least 30,720 tokens of inserts"


def test_stores_that_cannot_tell(clickhouse: ClickHouseServer) -> None:
    (embedded,) = check_deduplication(_settings("chdb://nowhere"), 64)
    assert (embedded.level, "embedded" in embedded.text) == (Level.OK, True)

    (away,) = check_deduplication(_settings("clickhouse://u:hidden@127.0.0.1:1/d"), 64)
    assert away.level is Level.WARNING
    assert "hidden" not in away.text
