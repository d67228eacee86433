from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from actors.imports.job import ImportMistakeError
from actors.imports.service import (
    IDLE_SECONDS,
    LEFT_SECONDS,
    SALTS_SECONDS,
    DeskBusyError,
    ImportDesk,
    NoSuchImportError,
)
from actors.pipeline.receipts import Receipts
from benchmarks.access_logs import START, combined, requests
from ingest.past.import_progress import Phase
from ingest.past.import_state import SavedImport, parts_of
from ingest.rows.batch import Flush
from ingest.sessions.salts import LIFETIME
from tests.actors.imports.running_service import Office, an_order
from tests.ingest.past.states import a_state

LOG = b"".join(combined(request).encode() + b"\n" for request in requests(300))


@asynccontextmanager
async def a_desk(office: Office) -> AsyncIterator[ImportDesk]:
    """A desk as the collector runs it, and the writer that it sends to."""
    outlet, inbox = trio.open_memory_channel[Flush](0)
    receipts = Receipts()
    desk = ImportDesk(office.surroundings(outlet, receipts, rest=1.0))
    writer = office.writer(inbox, receipts)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk.run)
        nursery.start_soon(writer.run)
        yield desk
        desk.close()
        nursery.cancel_scope.cancel()
    with pytest.raises(trio.EndOfChannel):
        await inbox.receive()  # nobody can send any more


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path, START + 86_400)


async def test_an_import_goes_on_as_long_as_it_is_asked_to(office: Office) -> None:
    async with a_desk(office) as desk:
        ticket, progress = await desk.begin(an_order(office.write(LOG)))
        assert progress.phase is Phase.CHECKING
        while not progress.over:
            progress = await desk.advance(ticket, 0.01)
        assert progress.phase is Phase.FINISHED
        assert progress.counts.accepted == len(office.events()) > 0
        with pytest.raises(NoSuchImportError):
            await desk.advance(ticket, 0.01)
        # There is room for the next.
        await desk.begin(an_order(office.write(LOG)))


async def test_one_at_a_time(office: Office, autojump_clock: MockClock) -> None:
    order = an_order(office.write(LOG))
    async with a_desk(office) as desk:
        ticket, _ = await desk.begin(order)
        with pytest.raises(DeskBusyError):
            await desk.begin(order)
        with pytest.raises(NoSuchImportError):
            await desk.advance("another", 0.01)
        await trio.sleep(LEFT_SECONDS)
        other, _ = await desk.begin(order)  # whoever wanted the first has gone
        with pytest.raises(NoSuchImportError):
            await desk.advance(ticket, 0.01)
        desk.end(ticket)
        assert (await desk.advance(other, 0.0)).phase is Phase.CHECKING
        desk.end(other)
        with pytest.raises(NoSuchImportError):
            await desk.advance(other, 0.01)


async def test_only_one_works_on_it(office: Office) -> None:
    async with a_desk(office) as desk:
        ticket, _ = await desk.begin(an_order(office.write(LOG)))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(desk.advance, ticket, 0.05)
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(DeskBusyError):
                await desk.advance(ticket, 0.01)


async def test_an_import_that_is_left_alone_is_put_away(
    office: Office, autojump_clock: MockClock
) -> None:
    async with a_desk(office) as desk:
        ticket, _ = await desk.begin(an_order(office.write(LOG)))
        await trio.sleep(2 * IDLE_SECONDS)
        with pytest.raises(NoSuchImportError):
            await desk.advance(ticket, 0.01)


async def test_a_request_that_is_cancelled_ends_it(office: Office) -> None:
    """What it was doing is not known; the state file is."""
    async with a_desk(office) as desk:
        ticket, _ = await desk.begin(an_order(office.write(LOG)))
        with trio.move_on_after(0):
            await desk.advance(ticket, 1)
        with pytest.raises(NoSuchImportError):
            await desk.advance(ticket, 0.01)
        ticket, progress = await desk.begin(an_order(office.write(LOG)))
        while not progress.over:
            progress = await desk.advance(ticket, 0.05)
        assert progress.counts.accepted == len(office.events())


async def test_mistakes(office: Office) -> None:
    async with a_desk(office) as desk:
        with pytest.raises(ImportMistakeError):
            await desk.begin(an_order(str(office.directory / "none")))
        ticket, _ = await desk.begin(an_order(office.write(LOG)))
        (office.directory / "imports").write_text("in the way")
        with pytest.raises(ImportMistakeError):
            await desk.advance(ticket, 60)
        with pytest.raises(NoSuchImportError):
            await desk.advance(ticket, 0.05)


async def test_old_salts_are_deleted(office: Office, autojump_clock: MockClock) -> None:
    state = a_state(b"abc")
    office.files.save(state.id, b"".join(parts_of(SavedImport(state))))
    assert state.salt is not None
    office.now = state.salt.created_at + LIFETIME - 60
    async with a_desk(office):
        await trio.sleep(1)
        assert office.files.load(state.id).state.salt is not None
        # A thread deletes them, for which this clock does not wait.
        with trio.fail_after(1000 * SALTS_SECONDS):
            while office.files.load(state.id).state.salt is not None:  # noqa: ASYNC110
                await trio.sleep(SALTS_SECONDS / 60)
