from pathlib import Path

import pytest

from actors.stores import query_limits
from actors.stores.clickhouse import ClickHouseStore
from actors.stores.embedded import EmbeddedStore
from actors.stores.query_limits import (
    QUERY_BYTES,
    embedded_query_bytes,
    machine_bytes,
    query_settings,
)
from actors.stores.store import QueryRefused, Store

GREEDY = (
    ("SELECT length(groupArray(number)) FROM numbers(1000000000)", "memory limit exceeded"),
    ("SELECT number FROM numbers(1000001)", "max rows: 1.00 million"),
    # Small until it is written out: a constant, and numbers.
    ("SELECT repeat('x', 10000) AS x FROM numbers(12000)", "too large|more than 100,000,000 char"),
    ("SELECT toString(number) || repeat('x', 1000) AS x FROM numbers(90000)", "max bytes: 47.68"),
    (
        "SELECT number % 9 AS a, a::UInt8 AS `" + "x" * 250 + "` FROM numbers(900000)",
        "more than 100,000,000 char",
    ),
)


async def greedy_queries_are_refused(store: Store) -> None:
    for sql, message in GREEDY:
        with pytest.raises(QueryRefused, match=message):
            await store.query(sql)
        assert await store.query("SELECT 1 AS one") == ['{"one":1}']


async def test_limits_on_a_server(clickhouse: ClickHouseStore) -> None:
    await greedy_queries_are_refused(clickhouse)


async def test_limits_embedded(embedded: EmbeddedStore) -> None:
    await greedy_queries_are_refused(embedded)


@pytest.mark.parametrize(
    ("group", "share"), [("400000000\n", 100_000_000), ("max\n", None), (None, None)]
)
def test_memory_of_a_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group: str | None, share: int | None
) -> None:
    limit = tmp_path / "memory.max"
    if group is not None:
        limit.write_text(group)
    monkeypatch.setattr(query_limits, "CONTROL_GROUPS", (limit,))
    assert embedded_query_bytes() == (share or min(QUERY_BYTES, machine_bytes() // 4))


async def test_a_result_that_is_cut_short_ends_the_query(clickhouse: ClickHouseStore) -> None:
    with pytest.raises(QueryRefused, match="too large"):
        await clickhouse.query("SELECT repeat('x', 100000) AS x FROM numbers(5000)")
    assert await clickhouse.query("SELECT 1 AS one") == ['{"one":1}']


def test_at_least_a_second() -> None:
    assert query_settings(0.2)["max_execution_time"] == 1
