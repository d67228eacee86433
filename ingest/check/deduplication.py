"""Checks how many tokens of inserts the tables of a cluster's store remember."""

import json
from collections.abc import Iterator
from typing import Final

import trio

from actors.stores.clickhouse import ClickHouseStore
from actors.stores.open import open_store
from actors.stores.store import StoreError
from ingest.check.report import CheckResult, Level, ok, warning
from ingest.engine.deduplication import (
    REPLICATED_SETTING,
    Window,
    examine_deduplication,
    needed_tokens,
    window_of,
)
from ingest.rows.schema import TABLES, quote_string
from ingest.settings import Settings

STORE_SECONDS: Final = 30.0

_TABLES: Final = f"""
SELECT name, engine, engine_full FROM system.tables
WHERE database = currentDatabase() AND name IN ({", ".join(map(quote_string, TABLES))})
ORDER BY name
"""  # noqa: S608 - constants

_DEFAULT: Final = (
    "SELECT value FROM system.merge_tree_settings "  # noqa: S608 - constants
    f"WHERE name = {quote_string(REPLICATED_SETTING)}"
)


def check_deduplication(settings: Settings, partitions: int) -> Iterator[CheckResult]:
    """Compare the tables' deduplication windows with what a cluster needs. Changes nothing.

    Args:
        settings: Say where the store is, and how often batches are written.
        partitions: Number of partitions of the events topic.
    """
    try:
        windows = trio.run(_windows, settings.clickhouse_url)
    except StoreError as error:
        yield warning(
            f"the tables' deduplication windows are not known: {error}",
            "see `sluice check` on the store",
        )
        return
    except trio.TooSlowError:
        yield warning(
            f"the store did not answer within {STORE_SECONDS:g} s", "see `sluice check` on it"
        )
        return
    if windows is None:
        yield ok("CLICKHOUSE_URL is an embedded store, which only a front may have")
        return
    findings = examine_deduplication(windows, partitions, settings.flush_seconds)
    for finding in findings:
        yield CheckResult(Level.WARNING, finding.text, finding.advice)
    if not windows:
        yield ok("the store has no tables yet: the first worker makes them")
    elif not findings:
        needed = needed_tokens(partitions, settings.flush_seconds)
        yield ok(f"all tables remember at least {needed:,} tokens of inserts")


async def _windows(url: str) -> dict[str, Window] | None:
    """The windows of the tables, where they are known; None for an embedded store."""
    store = open_store(url)
    if not isinstance(store, ClickHouseStore):
        return None
    try:
        with trio.fail_after(STORE_SECONDS):
            tables = [json.loads(line) for line in await store.query(_TABLES)]
            default = await _replicated_default(store)
    finally:
        await store.aclose()
    found = {
        str(table["name"]): window_of(table["engine"], table["engine_full"], default)
        for table in tables
    }
    return {name: window for name, window in found.items() if window is not None}


async def _replicated_default(store: ClickHouseStore) -> int | None:
    try:
        (line,) = await store.query(_DEFAULT)
    except (StoreError, ValueError):
        # Servers allow this only with a grant.
        return None
    return int(json.loads(line)["value"])
