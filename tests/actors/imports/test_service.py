from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from actors.imports.job import ImportMistakeError
from actors.imports.service import (
    ABANDONED_SECONDS,
    IDLE_SECONDS,
    SALTS_SECONDS,
    ImportBusyError,
    ImportService,
    NoSuchImportError,
)
from actors.pipeline.flush import Flush
from benchmarks.access_logs import START, combined, requests
from ingest.past.import_progress import Phase
from ingest.past.import_state import SavedImport, parts_of
from ingest.sessions.salts import LIFETIME
from tests.actors.imports.running_service import ImportEnvironment, an_import_request
from tests.ingest.past.states import a_state

LOG = b"".join(combined(request).encode() + b"\n" for request in requests(300))


@asynccontextmanager
async def a_service(environment: ImportEnvironment) -> AsyncIterator[ImportService]:
    """A service as the collector runs it, and the writer that it sends to."""
    outlet, inbox = trio.open_memory_channel[Flush](0)
    service = ImportService(environment.context(outlet, pause_ratio=1.0))
    writer = environment.writer(inbox)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(service.run)
        nursery.start_soon(writer.run)
        yield service
        service.close()
        nursery.cancel_scope.cancel()
    with pytest.raises(trio.EndOfChannel):
        await inbox.receive()  # nobody can send any more


@pytest.fixture
def environment(tmp_path: Path) -> ImportEnvironment:
    return ImportEnvironment(tmp_path, START + 86_400)


async def test_an_import_goes_on_as_long_as_it_is_asked_to(environment: ImportEnvironment) -> None:
    async with a_service(environment) as service:
        ticket, progress = await service.begin(an_import_request(environment.write(LOG)))
        assert progress.phase is Phase.CHECKING
        while not progress.over:
            progress = await service.advance(ticket, 0.01)
        assert progress.phase is Phase.FINISHED
        assert progress.counts.accepted == len(environment.events()) > 0
        with pytest.raises(NoSuchImportError):
            await service.advance(ticket, 0.01)
        # There is room for the next.
        await service.begin(an_import_request(environment.write(LOG)))


async def test_one_at_a_time(environment: ImportEnvironment, autojump_clock: MockClock) -> None:
    request = an_import_request(environment.write(LOG))
    async with a_service(environment) as service:
        ticket, _ = await service.begin(request)
        with pytest.raises(ImportBusyError):
            await service.begin(request)
        with pytest.raises(NoSuchImportError):
            await service.advance("another", 0.01)
        await trio.sleep(ABANDONED_SECONDS)
        other, _ = await service.begin(request)  # whoever wanted the first has gone
        with pytest.raises(NoSuchImportError):
            await service.advance(ticket, 0.01)
        service.end(ticket)
        assert (await service.advance(other, 0.0)).phase is Phase.CHECKING
        service.end(other)
        with pytest.raises(NoSuchImportError):
            await service.advance(other, 0.01)


async def test_only_one_works_on_it(environment: ImportEnvironment) -> None:
    async with a_service(environment) as service:
        ticket, _ = await service.begin(an_import_request(environment.write(LOG)))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(service.advance, ticket, 60)
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(ImportBusyError):
                await service.advance(ticket, 0.01)


async def test_an_import_that_is_left_alone_is_put_away(
    environment: ImportEnvironment, autojump_clock: MockClock
) -> None:
    async with a_service(environment) as service:
        ticket, _ = await service.begin(an_import_request(environment.write(LOG)))
        await trio.sleep(2 * IDLE_SECONDS)
        with pytest.raises(NoSuchImportError):
            await service.advance(ticket, 0.01)


async def test_a_request_that_is_cancelled_ends_it(environment: ImportEnvironment) -> None:
    """What it was doing is not known; the state file is."""
    async with a_service(environment) as service:
        ticket, _ = await service.begin(an_import_request(environment.write(LOG)))
        with trio.move_on_after(0):
            await service.advance(ticket, 1)
        with pytest.raises(NoSuchImportError):
            await service.advance(ticket, 0.01)
        ticket, progress = await service.begin(an_import_request(environment.write(LOG)))
        while not progress.over:
            progress = await service.advance(ticket, 0.05)
        assert progress.counts.accepted == len(environment.events())


async def test_mistakes(environment: ImportEnvironment) -> None:
    async with a_service(environment) as service:
        with pytest.raises(ImportMistakeError):
            await service.begin(an_import_request(str(environment.directory / "none")))
        ticket, _ = await service.begin(an_import_request(environment.write(LOG)))
        (environment.directory / "imports").write_text("in the way")
        with pytest.raises(ImportMistakeError):
            await service.advance(ticket, 60)
        with pytest.raises(NoSuchImportError):
            await service.advance(ticket, 0.05)


async def test_old_salts_are_deleted(
    environment: ImportEnvironment, autojump_clock: MockClock
) -> None:
    state = a_state(b"abc")
    environment.files.save(state.id, b"".join(parts_of(SavedImport(state))))
    assert state.salt is not None
    environment.now = state.salt.created_at + LIFETIME - 60
    async with a_service(environment):
        await trio.sleep(1)
        assert environment.files.load(state.id).state.salt is not None
        # A thread deletes them, for which this clock does not wait.
        with trio.fail_after(1000 * SALTS_SECONDS):
            while environment.files.load(state.id).state.salt is not None:  # noqa: ASYNC110
                await trio.sleep(SALTS_SECONDS / 60)
