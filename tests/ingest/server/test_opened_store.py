"""What only shows from inside; the rest of serving is tested end to end."""

import pytest
import trio

from actors.stores.store import StoreMisconfigured, StoreUnavailable
from ingest.server import opened_store as module
from ingest.server.opened_store import opened_store
from ingest.server.start_files import StartError
from ingest.settings import Settings
from tests.actors.fakes import FakeStore


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> FakeStore:
    store = FakeStore()
    monkeypatch.setattr(module, "open_store", lambda _: store)
    return store


async def test_a_store_is_open_and_then_closed(store: FakeStore) -> None:
    async with opened_store(Settings()) as (used, opened):
        assert used is store
        assert opened
        assert not store.closed
    assert store.closed


async def test_a_store_that_is_away_is_used_later(store: FakeStore) -> None:
    store.outages = [StoreUnavailable("connection refused")]
    async with opened_store(Settings()) as (_, opened):
        assert not opened
    assert store.closed


async def test_a_store_that_cannot_be_used_is_closed(store: FakeStore) -> None:
    store.outages = [StoreMisconfigured("its engine is Memory")]
    with pytest.raises(StartError, match="CLICKHOUSE_URL: its engine is Memory"):
        async with opened_store(Settings()):
            raise AssertionError("it was used")
    assert store.closed


async def test_a_store_is_closed_when_the_start_is_cancelled(store: FakeStore) -> None:
    async def hang() -> None:
        scope.cancel()
        await trio.sleep_forever()

    with trio.CancelScope() as scope:
        store.open = hang  # type: ignore[method-assign]
        async with opened_store(Settings()):
            raise AssertionError("it was used")
    assert scope.cancelled_caught
    assert store.closed
