import errno
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from actors.journal.file_journal import FileJournal
from actors.journal.journal import JournalError
from actors.journal.journal_keeper import (
    BEAT_SECONDS,
    CHECKPOINT_SECONDS,
    FULL_SECONDS,
    JournalKeeper,
)
from ingest.rows.layout import EventRows, event_row
from ingest.sessions.open_sessions import OpenSessions
from ingest.sessions.session import begin
from ingest.sessions.snapshot import Snapshot
from ingest.telemetry.metrics import Metrics
from tests.examples import an_enriched_event

EVENT = an_enriched_event()
VISIT = begin(EVENT, 5)
ROWS = [EventRows(event_row(EVENT, VISIT), ())] * 10


class Desk:
    def __init__(self, directory: Path, limit: int = 1_000_000) -> None:
        self.journal = FileJournal.open(directory, limit=limit)
        # A thread's time is not the mock clock's, which would jump over it.
        self.journal.secure = self.secure  # type: ignore[method-assign]
        self.secured: list[float] = []
        self.sessions = OpenSessions(1800, lambda: 1)
        self.sessions.put(VISIT)
        self.saved: list[tuple[float, int, int]] = []
        self.error: Exception | None = None
        self.metrics = Metrics(lambda domain: True)
        self.forgotten = 0
        self.keeper = JournalKeeper(self.journal, self.sessions, self, self.metrics)  # type: ignore[arg-type]

    async def secure(self) -> None:
        await trio.lowlevel.checkpoint()
        self.secured.append(trio.current_time())
        self.journal._secured = self.journal._written

    async def save(self, snapshot: Snapshot) -> None:
        await trio.lowlevel.checkpoint()
        assert snapshot.journal == self.journal.id
        assert self.journal._secured == self.journal._written
        if self.error:
            raise self.error
        self.saved.append((trio.current_time(), len(snapshot.sessions), snapshot.position))

    def forget(self) -> None:
        self.forgotten += 1


async def run_for(desk: Desk, seconds: float) -> None:
    with trio.move_on_after(seconds):
        await desk.keeper.run()


async def test_syncs_each_second_what_was_written(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    desk = Desk(tmp_path)
    await run_for(desk, 2.5)
    desk.journal.append(ROWS)
    await run_for(desk, 3.5)
    assert desk.secured == [2.5 + BEAT_SECONDS]


async def test_saves_visits_and_deletes_what_is_done_with(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    desk = Desk(tmp_path)
    desk.journal.append(ROWS)
    await run_for(desk, CHECKPOINT_SECONDS + 1.5)
    assert [(visits, position) for _, visits, position in desk.saved] == [(1, 10)]
    assert desk.journal.first == 0
    desk.journal.acknowledge(10)
    # The position has not changed, so there is nothing to save again.
    await run_for(desk, 2 * CHECKPOINT_SECONDS)
    assert len(desk.saved) == 1
    assert (desk.journal.first, desk.journal.segments) == (10, 1)
    await run_for(desk, 5 * CHECKPOINT_SECONDS)
    assert len(desk.saved) == 1


async def test_does_not_wait_a_minute_when_the_journal_is_half_full(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    desk = Desk(tmp_path, limit=20_000)
    while desk.journal.bytes < 15_000:
        desk.journal.append(ROWS)
    await run_for(desk, 3)
    assert desk.saved == []  # nothing would become free
    desk.journal.acknowledge(desk.journal.end)
    await run_for(desk, 3)
    assert len(desk.saved) == 1
    assert desk.journal.segments == 1


async def test_without_the_visits_nothing_is_deleted(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    desk = Desk(tmp_path)
    desk.journal.append(ROWS)
    desk.journal.acknowledge(10)
    desk.error = OSError(errno.EIO, "Input/output error")
    await run_for(desk, 3 * CHECKPOINT_SECONDS)
    assert (desk.journal.first, desk.saved, desk.forgotten) == (0, [], 0)
    desk.error = None
    await run_for(desk, 2 * CHECKPOINT_SECONDS)
    assert desk.journal.first == 10


async def test_on_a_full_disk_what_is_stored_is_deleted_without_the_visits(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """Otherwise a journal that has filled the disk could never shrink."""
    desk = Desk(tmp_path)
    desk.journal.append(ROWS)
    desk.journal.problem = "No space left on device"
    desk.error = OSError(errno.ENOSPC, "No space left on device")
    await run_for(desk, CHECKPOINT_SECONDS + 5)
    assert (desk.journal.first, desk.forgotten) == (0, 0)  # nothing would become free
    desk.journal.acknowledge(10)
    await run_for(desk, FULL_SECONDS - 10)
    assert (desk.journal.first, desk.forgotten) == (0, 0)  # somebody else may make room
    await run_for(desk, 12)
    assert (desk.journal.first, desk.saved, desk.forgotten) == (10, [], 1)
    desk.error = None
    await run_for(desk, CHECKPOINT_SECONDS + 2)
    assert [position for _, _, position in desk.saved] == [10]


async def test_visits_are_saved_only_once_the_journal_is_on_the_disk(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loss of power must not leave visits that have seen more than the journal tells."""
    desk = Desk(tmp_path)

    async def fail() -> None:
        await trio.lowlevel.checkpoint()
        raise JournalError("Input/output error")

    monkeypatch.setattr(desk.journal, "secure", fail)
    desk.journal.append(ROWS)
    await run_for(desk, 2 * CHECKPOINT_SECONDS)
    assert desk.saved == []


async def test_a_sync_that_fails_is_tried_again(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(tmp_path)
    attempts = 0

    async def fail() -> None:
        nonlocal attempts
        attempts += 1
        await trio.lowlevel.checkpoint()
        raise JournalError("Input/output error")

    monkeypatch.setattr(desk.journal, "secure", fail)
    desk.journal.append(ROWS)
    await run_for(desk, 5.5)
    assert attempts == 5
