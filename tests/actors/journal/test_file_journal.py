import errno
import os
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from actors.journal.file_journal import FileJournal
from actors.journal.journal import JournalError, JournalFullError
from actors.journal.opening import DAMAGED
from actors.journal.recovery import runs
from ingest.records import row_record as record
from ingest.records.row_record import UnknownRecordError
from ingest.rows.layout import EventRows, Run, event_row
from ingest.sessions.session import begin
from tests.examples import an_enriched_event

LIMIT = 20_000


def some_rows(*numbers: int) -> list[EventRows]:
    rows = []
    for number in numbers:
        event = an_enriched_event(pathname=f"/{number}")
        rows.append(EventRows(event_row(event, begin(event, number)), ()))
    return rows


def numbers(journal: FileJournal, position: int = 0) -> list[int]:
    """What is there from a position on."""
    return [int(rows.event[6][1:]) for run in runs(journal, position) for rows in run.rows]


def reopened(journal: FileJournal, **options: Any) -> FileJournal:
    """As after `kill -9`: nothing is closed in order."""
    return FileJournal.open(journal._directory, **{"limit": LIMIT, **options})


@pytest.fixture
def journal(tmp_path: Path) -> FileJournal:
    return FileJournal.open(tmp_path / "journal", limit=LIMIT)


def test_events_are_there_after_a_crash(journal: FileJournal) -> None:
    assert journal.append(some_rows(0, 1, 2)) == 0
    assert journal.append(some_rows(3)) == 3
    after = reopened(journal)
    assert (after.id, after.end, after.stored) == (journal.id, 4, 0)
    assert numbers(after) == [0, 1, 2, 3]
    assert after.append(some_rows(4)) == 4
    assert numbers(reopened(after), 3) == [3, 4]


def test_progress_is_there_after_a_crash(journal: FileJournal) -> None:
    journal.append(some_rows(*range(6)))
    for end in (2, 4, 6):
        journal.plan(end)
    journal.acknowledge(2)
    after = reopened(journal)
    assert (after.stored, after.planned, after.backlog) == (2, (4, 6), 4)


def test_files_are_for_the_owner_only_and_go_when_they_are_done_with(tmp_path: Path) -> None:
    journal = FileJournal.open(tmp_path / "journal", limit=LIMIT)
    while journal.segments < 3:
        journal.append(some_rows(*range(10)))
    for path in (tmp_path / "journal").iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
    journal.acknowledge(journal.end)
    journal.retire(0)
    assert journal.segments == 3
    journal.retire(journal.end)
    assert (journal.segments, journal.first) == (1, journal.end)
    assert len(list((tmp_path / "journal").glob("*.journal"))) == 1
    assert (reopened(journal).end, reopened(journal).backlog) == (journal.end, 0)


def test_what_is_not_stored_is_not_deleted(journal: FileJournal) -> None:
    while journal.segments < 3:
        journal.append(some_rows(*range(10)))
    journal.acknowledge(15)
    journal.retire(journal.end)
    assert journal.first <= 15
    assert numbers(journal, 15)[:5] == [5, 6, 7, 8, 9]


def test_it_takes_no_more_than_its_limit(journal: FileJournal) -> None:
    def fill() -> int:
        while True:
            try:
                journal.append(some_rows(*range(10)))
            except JournalFullError:
                return journal.end

    end = fill()
    assert journal.bytes <= LIMIT
    assert journal.full
    assert numbers(journal, end - 10) == list(range(10))
    journal.acknowledge(end)
    assert journal.reclaimable
    journal.retire(end)
    assert not journal.full
    assert fill() > end


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
def test_a_write_that_fails_keeps_nothing_of_the_run(
    journal: FileJournal, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    journal.append(some_rows(0))
    pwrite = os.pwrite

    def fail_half_way(descriptor: int, data: bytes, offset: int) -> int:
        if len(data) > 100:
            return pwrite(descriptor, data[:100], offset)
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", fail_half_way)
        with pytest.raises(JournalError):
            journal.append(some_rows(1, 2))
    assert journal.problem == os.strerror(code)
    assert numbers(reopened(journal)) == [0]
    journal.append(some_rows(3))
    assert journal.problem is None
    assert numbers(reopened(journal)) == [0, 3]


def test_positions_are_never_used_again(tmp_path: Path) -> None:
    """They name batches: the store would take new events for ones that it has."""
    journal = FileJournal.open(tmp_path, limit=LIMIT)
    journal.append(some_rows(*range(5)))
    journal.plan(5)
    for path in tmp_path.glob("*.journal"):
        os.truncate(path, path.stat().st_size - 1)
    after = reopened(journal)
    assert after.append(some_rows(9)) == 5
    assert after.lost == 5
    assert numbers(after) == [9]


def test_a_missing_segment_costs_its_events_and_no_other(tmp_path: Path) -> None:
    journal = FileJournal.open(tmp_path, limit=LIMIT)
    while journal.segments < 4:
        journal.append(some_rows(*range(10)))
    second = sorted(tmp_path.glob("*.journal"))[1]
    lost = journal._segments[1].end - journal._segments[1].first
    second.unlink()
    after = reopened(journal)
    assert after.lost == lost
    assert len(numbers(after)) == journal.end - lost


def test_damage_found_while_reading_costs_the_rest_of_its_segment(
    journal: FileJournal,
) -> None:
    while journal.segments < 3:
        journal.append(some_rows(*range(10)))
    first = journal._segments[0]
    with first.path.open("r+b") as file:
        file.seek(first.size - 1)
        file.write(b"\xff")
    read = numbers(journal)
    assert len(read) == journal.end - journal.lost
    assert 0 < journal.lost <= 10


def test_a_journal_of_a_later_version_is_left_as_it_is(
    journal: FileJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.append(some_rows(0))
    path = journal._segments[-1].path
    with monkeypatch.context() as patch:
        patch.setattr(record, "_READERS", {})
        with pytest.raises(UnknownRecordError):
            reopened(journal)
    assert path.exists()
    assert numbers(reopened(journal)) == [0]


def test_segments_of_another_journal_are_put_aside(journal: FileJournal, tmp_path: Path) -> None:
    other = FileJournal.open(tmp_path / "other", limit=LIMIT)
    other.append(some_rows(8))
    journal.append(some_rows(0))
    foreign = other._segments[-1].path
    foreign.rename(tmp_path / "journal" / "00000000000000000099.journal")
    assert numbers(reopened(journal)) == [0]
    assert list((tmp_path / "journal").glob(f"*{DAMAGED}"))


def test_without_the_progress_file_everything_is_replayed(journal: FileJournal) -> None:
    journal.append(some_rows(0, 1))
    journal.acknowledge(2)
    (journal._directory / "progress").unlink()
    after = reopened(journal)
    assert (after.id, after.stored, after.end) == (journal.id, 0, 2)


def test_progress_that_cannot_be_noted(
    journal: FileJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.append(some_rows(0, 1))

    def fail(*arguments: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", fail)
        with pytest.raises(JournalError):
            journal.plan(2)
        assert journal.planned == ()
        journal.acknowledge(1)
    assert journal.stored == 1
    assert reopened(journal).stored == 0


def fill_disk(patch: pytest.MonkeyPatch) -> None:
    """What is written in place is taken; nothing else is."""
    pwrite = os.pwrite

    def refuse(descriptor: int, data: bytes, offset: int) -> int:
        if offset + len(data) <= os.fstat(descriptor).st_size:
            return pwrite(descriptor, data, offset)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    patch.setattr(os, "pwrite", refuse)


def test_a_full_disk_does_not_keep_it_from_being_opened(
    journal: FileJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is in it can be stored, and that makes room."""
    journal.append(some_rows(0, 1))
    with monkeypatch.context() as patch:
        fill_disk(patch)
        after = reopened(journal)
        assert numbers(after) == [0, 1]
        with pytest.raises(JournalError, match="No space"):
            after.append(some_rows(2))
        after.plan(2)
        after.acknowledge(2)
        assert after.reclaimable
        after.retire(2)
        assert (after.segments, after.bytes, after.first, after.end) == (0, 0, 2, 2)
        assert list(journal._directory.glob("*.journal")) == []
        after = reopened(after)
        assert (after.segments, after.first, after.backlog) == (0, 2, 0)
    assert after.append(some_rows(2)) == 2
    assert numbers(reopened(after), 2) == [2]


def test_the_last_segment_goes_on_a_full_disk(
    journal: FileJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.append(some_rows(0))
    journal.acknowledge(1)
    with monkeypatch.context() as patch:
        fill_disk(patch)
        journal.retire(1)
        assert journal.segments == 0
        with pytest.raises(JournalError):
            journal.append(some_rows(1))
    assert journal.append(some_rows(1)) == 1
    assert numbers(reopened(journal), 1) == [1]


def test_any_other_trouble_does_keep_it_from_being_opened(
    journal: FileJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(descriptor: int, data: bytes, offset: int) -> int:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "pwrite", fail)
    with pytest.raises(OSError, match="Input/output"):
        reopened(journal)


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("call", ["dup", "open"])
async def test_securing_leaves_no_files_open_when_there_may_be_no_more(
    journal: FileJournal, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    journal.append(some_rows(0))
    await journal.secure()
    journal.append(some_rows(1))
    before = open_files()
    done = getattr(os, call)
    calls = 0

    def fail(*arguments: Any) -> int:
        nonlocal calls
        calls += 1
        if calls > (call == "dup"):
            raise OSError(errno.EMFILE, "Too many open files")
        return int(done(*arguments))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(JournalError, match="Too many"):
            await journal.secure()
    assert open_files() == before
    journal.close()


async def test_what_a_killed_process_had_not_synced_is_synced_by_the_next(
    journal: FileJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.append(some_rows(0))
    after = reopened(journal)
    assert after.insecure
    synced: list[int] = []
    monkeypatch.setattr(os, "fdatasync", lambda it: synced.append(os.fstat(it).st_ino))
    await after.secure()
    assert not after.insecure
    assert journal._segments[-1].path.stat().st_ino in synced
    after.close()


async def test_securing_syncs_what_was_written(
    journal: FileJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    fdatasync = os.fdatasync

    def note(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_ino)
        fdatasync(descriptor)

    monkeypatch.setattr(os, "fdatasync", note)
    journal.append(some_rows(0))
    assert journal.insecure
    await journal.secure()
    assert not journal.insecure
    names = {path.stat().st_ino: path.name for path in journal._directory.iterdir()}
    assert {names[inode] for inode in synced} == {"00000000000000000000.journal", "progress"}
    await journal.secure()
    assert len(synced) == 2
    while journal.segments < 2:
        journal.append(some_rows(*range(10)))
    await journal.secure()
    assert len(synced) == 5
    journal.append(some_rows(0))
    await journal.secure()
    assert len(synced) == 7
    journal.close()


async def test_never_syncing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "fdatasync")
    journal = FileJournal.open(tmp_path, limit=LIMIT, fsync="never")
    journal.append(some_rows(0))
    assert not journal.insecure
    await journal.secure()
    journal.close()


async def test_a_sync_that_fails_is_no_promise(
    journal: FileJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    journal.append(some_rows(0))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", fail)
        with pytest.raises(JournalError, match="Input/output"):
            await journal.secure()
    assert journal.insecure
    await journal.secure()
    assert not journal.insecure
    journal.close()


def test_securing_is_asked_for_each_run_by_always_only(tmp_path: Path) -> None:
    policies = ("always", "interval", "never")
    asked = [
        FileJournal.open(tmp_path / fsync, limit=LIMIT, fsync=fsync).secures_runs  # type: ignore[arg-type]
        for fsync in policies
    ]
    assert asked == [True, False, False]


@pytest.mark.parametrize("segments", [1, 3])
def test_removing_leaves_nothing(journal: FileJournal, segments: int) -> None:
    while journal.segments < segments:
        journal.append(some_rows(*range(10)))
    journal.remove()
    assert list(journal._directory.iterdir()) == []


class Crashes(RuleBasedStateMachine):
    """Any order of appends, progress, deletion, clean ends, crashes and torn tails.

    What is known: all events acknowledged to clients, in order; how far the store has come.
    """

    @initialize()
    def begin(self) -> None:
        self.directory = Path(self.tmp.mktemp("crashes"))
        self.journal = FileJournal.open(self.directory, limit=10 * LIMIT)
        self.accepted = 0
        self.stored = 0
        self.snapshot = 0

    tmp: Any

    @rule(count=st.integers(1, 40))
    def append(self, count: int) -> None:
        try:
            first = self.journal.append(some_rows(*range(self.accepted, self.accepted + count)))
        except JournalFullError:
            return
        assert first == self.accepted
        self.accepted += count

    @precondition(lambda self: self.journal.end > self.stored)
    @rule(data=st.data())
    def store(self, data: st.DataObject) -> None:
        lowest = max((self.stored, *self.journal.planned)) + 1
        if len(self.journal.planned) < 3 and lowest <= self.journal.end:
            self.journal.plan(data.draw(st.integers(lowest, self.journal.end)))
        elif self.journal.planned:
            self.stored = self.journal.planned[0]
            self.journal.acknowledge(self.stored)

    @rule()
    def checkpoint(self) -> None:
        self.snapshot = self.journal.end
        self.journal.retire(self.snapshot)

    @rule(clean=st.booleans(), garbage=st.binary(max_size=60))
    def restart(self, clean: bool, garbage: bytes) -> None:
        before = self.journal
        if clean:
            before.close()
        elif garbage:
            # A run that was being written, whose sender was never told.
            with before._segments[-1].path.open("ab") as file:
                file.write(garbage)
        self.journal = FileJournal.open(self.directory, limit=10 * LIMIT)
        assert self.journal.id == before.id
        assert self.journal.planned == before.planned
        assert self.journal.lost == 0

    @invariant()
    def everything_is_there(self) -> None:
        assert self.journal.end == self.accepted
        assert self.journal.stored == self.stored
        needed = min(self.stored, self.snapshot)
        assert numbers(self.journal, needed) == list(range(needed, self.accepted))


@pytest.fixture(scope="module", autouse=True)
def _directories(tmp_path_factory: pytest.TempPathFactory) -> None:
    Crashes.tmp = tmp_path_factory


TestCrashes = Crashes.TestCase
TestCrashes.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_reading_what_never_was(journal: FileJournal) -> None:
    assert journal.read(0).rows == ()
    assert list(runs(journal, 0)) == []


def test_reading_what_is_no_longer_there(journal: FileJournal) -> None:
    """As a start does that finds no saved visits, after all events have been stored."""
    journal.append(some_rows(0, 1))
    journal.acknowledge(2)
    journal.retire(2)
    for again in (journal, reopened(journal)):
        assert again.read(0) == Run(2, ())
        assert list(runs(again, 0)) == [Run(2, ())]
