import trio
from trio.testing import MockClock

from actors.imports.stored_rows import StoredRows
from actors.stores.store import QueryRefused
from ingest.rows.batch import Batch, Insert
from ingest.rows.layout import rows_of
from ingest.sessions.open_sessions import OpenSessions
from tests.actors.fakes import an_outage
from tests.actors.imports.running_service import CountingStore
from tests.examples import NOON, an_enriched_event

MONTH = 31 * 86_400


def a_flush(*timestamps: int) -> tuple[Insert, ...]:
    visits = OpenSessions(1800)
    batch = Batch()
    for timestamp in timestamps:
        event = an_enriched_event(timestamp=timestamp)
        transition = visits.transition(event, timestamp)
        assert transition is not None
        batch.add(rows_of(event, transition))
    return batch.inserts("import-a")


def keep(store: CountingStore, flush: tuple[Insert, ...]) -> None:
    for insert in flush:
        store.rows.setdefault(insert.table, []).extend(insert.rows)


async def test_what_is_not_there_is_missing() -> None:
    flush = a_flush(NOON)
    assert await StoredRows(CountingStore(), "default").missing(flush, 0) == flush


async def test_what_is_there_is_not() -> None:
    store, flush = CountingStore(), a_flush(NOON)
    keep(store, flush)
    assert await StoredRows(store, "default").missing(flush, 0) == ()
    assert all("FROM `default`." in sql for sql in store.queries)


async def test_one_month_may_be_there_and_another_not() -> None:
    store = CountingStore()
    both = a_flush(NOON, NOON + MONTH)
    keep(store, a_flush(NOON))
    missing = await StoredRows(store, "default").missing(both, 0)
    assert missing is not None
    assert [len(insert.rows) for insert in missing] == [1, 1]
    assert [insert.token for insert in missing] == [insert.token for insert in both]
    assert missing[1].rows[0][0] == NOON + MONTH


async def test_a_store_that_is_away(autojump_clock: MockClock) -> None:
    store = CountingStore()
    store.unavailable = [an_outage()]
    stored = StoredRows(store, "default")
    assert await stored.missing(a_flush(NOON), trio.current_time() + 3) is None
    assert trio.current_time() >= 3
    assert await stored.missing(a_flush(NOON), trio.current_time()) is not None


async def test_a_store_that_does_not_say() -> None:
    store, flush = CountingStore(), a_flush(NOON)
    store.unavailable = [QueryRefused("too much") for _ in flush]
    assert await StoredRows(store, "default").missing(flush, 0) == flush
