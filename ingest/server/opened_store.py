"""Opens the configured store for a server."""

import contextlib
from collections.abc import AsyncIterator

import structlog
import trio

from actors.pipeline.topology import SPILL_SECONDS
from actors.stores.open import open_store
from actors.stores.store import ImportStore, Store, StoreMisconfigured, StoreUnavailable
from ingest.server.start_files import StartError
from ingest.settings import Settings

log = structlog.get_logger()

STORE_SECONDS = 10.0
"""How long the server waits for the store before it starts without it."""


@contextlib.asynccontextmanager
async def opened_store(settings: Settings) -> AsyncIterator[tuple[ImportStore, bool]]:
    """Yield the store, and whether it could be opened.

    The store is closed even if opening it has failed, because a process that leaves chDB open may
    end with a segmentation fault instead of its exit code.
    """
    try:
        store = open_store(settings.clickhouse_url)
    except StoreMisconfigured as error:
        raise StartError(f"CLICKHOUSE_URL: {error}") from None
    try:
        opened = await _opened(store)
        for finding in store.findings:
            log.info("store", finding=finding)
        yield store, opened
    finally:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + SPILL_SECONDS):
            await store.aclose()


async def _opened(store: Store) -> bool:
    try:
        with trio.fail_after(STORE_SECONDS):
            await store.open()
    except StoreMisconfigured as error:
        raise StartError(f"CLICKHOUSE_URL: {error}") from None
    except (StoreUnavailable, trio.TooSlowError) as error:
        log.error("store unavailable, starting without it", error=str(error))
        return False
    return True
