import errno
import os
from pathlib import Path

import pytest

from actors.log.file_log import FileLog, Fsync
from actors.log.log import LogError, LogPoint
from actors.log.note import NOTE, NoteFile
from ingest.records.record import Description
from tests.actors.log.checks import CHECKS, Check
from tests.actors.log.files import fail_with, fill_disk, open_log, segment_paths
from tests.actors.log.records import DESCRIPTION
from tests.actors.log.writable_checks import (
    WRITABLE_CHECKS,
    AppendingSupply,
    WritableCheck,
    append_events,
    fill,
    read_numbers,
    read_runs,
)
from tests.examples import NOON

FSYNCS: list[Fsync] = ["always", "interval", "never"]


@pytest.mark.parametrize("fsync", FSYNCS)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_it_is_a_log(check: Check, fsync: Fsync, tmp_path: Path) -> None:
    log = open_log(tmp_path, fsync=fsync)
    await check(AppendingSupply(log))
    log.close()


@pytest.mark.parametrize("fsync", FSYNCS)
@pytest.mark.parametrize("check", WRITABLE_CHECKS, ids=lambda check: check.__name__)
async def test_it_is_a_writable_log(check: WritableCheck, fsync: Fsync, tmp_path: Path) -> None:
    log = open_log(tmp_path, fsync=fsync)
    await check(log)
    log.close()


@pytest.fixture
def log(tmp_path: Path) -> FileLog:
    return open_log(tmp_path, limit_bytes=200_000)


async def test_files_are_for_the_owner_only(log: FileLog, tmp_path: Path) -> None:
    await append_events(log, 0, 1)
    for path in tmp_path.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600


async def test_every_segment_begins_with_the_description(log: FileLog, tmp_path: Path) -> None:
    while log.status()["segments"] != 3:
        await append_events(log, 0, 10)
    descriptions = [run for run in await read_runs(log) if tuple(run.records) == (DESCRIPTION,)]
    assert [f"{run.first:020d}-{log.source_id:016x}" for run in descriptions] == [
        path.stem for path in segment_paths(tmp_path)
    ]
    other = Description(session_seconds=60)
    after = open_log(tmp_path, description=other, log_time=NOON + 7)
    last = (await read_runs(after))[-1]
    assert (tuple(last.records), last.log_time) == ((other,), NOON + 7)


async def test_segments_go_when_they_are_done_with(log: FileLog, tmp_path: Path) -> None:
    while log.status()["segments"] != 3:
        await append_events(log, 0, 10)
    await log.commit(log.end)
    log.retire(0)
    assert len(segment_paths(tmp_path)) == 3
    end = log.end.position
    log.retire(end)
    # The last one begins anew, since it had more than a description.
    assert (log.first, log.end.position) == (end, end + 1)
    assert len(segment_paths(tmp_path)) == log.status()["segments"] == 1
    await log.commit(log.end)
    log.retire(log.end.position)
    assert (log.first, log.end.position) == (end, end + 1)


async def test_what_cannot_be_deleted_is_let_go(
    log: FileLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    await append_events(log, 0, 10)
    await log.commit(log.end)
    monkeypatch.setattr(Path, "unlink", fail_with(errno.EACCES))
    log.retire(log.end.position)
    assert log.status()["segments"] == 1


async def test_closing_leaves_no_file_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    log = open_log(tmp_path)
    await append_events(log, 0, 10)
    log.close()
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
async def test_a_write_that_fails_keeps_nothing_of_the_run(
    log: FileLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    await append_events(log, 0, 1)
    end, pwrite = log.end, os.pwrite

    def fail_half_way(descriptor: int, data: bytes, offset: int) -> int:
        if len(data) > 100:
            return pwrite(descriptor, data[:100], offset)
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", fail_half_way)
        with pytest.raises(LogError):
            await append_events(log, 1, 3)
    assert (log.problem, log.broken, log.end) == (os.strerror(code), None, end)
    assert log.accepting
    assert log.status()["status"] == "degraded"
    assert log.status()["reason"] == os.strerror(code)
    assert await read_numbers(open_log(tmp_path)) == [0]
    await log.sync()
    assert log.problem == os.strerror(code)
    await append_events(log, 3, 4)
    assert log.problem is None
    assert await read_numbers(log) == [0, 3]


async def test_a_full_disk_does_not_keep_it_from_being_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is in it can be stored, and that makes room."""
    before = open_log(tmp_path)
    await append_events(before, 0, 2)
    with monkeypatch.context() as patch:
        fill_disk(patch)
        log = open_log(tmp_path)
        assert await read_numbers(log) == [0, 1]
        with pytest.raises(LogError, match="No space"):
            await append_events(log, 2, 3)
        await log.prepare(log.end, log.committed)
        await log.commit(log.end)
        assert log.reclaimable
        log.retire(log.end.position)
        assert (log.bytes, log.first, log.end) == (0, 3, LogPoint(3, 2))
        assert segment_paths(tmp_path) == []
        log = open_log(tmp_path)
        assert (log.first, log.backlog, log.lost) == (3, 0, 0)
    assert await append_events(log, 2, 3) == 4
    assert log.first == 3
    assert await read_numbers(open_log(tmp_path)) == [2]


async def test_the_last_segment_goes_on_a_full_disk(
    log: FileLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await append_events(log, 0, 1)
    await log.commit(log.end)
    with monkeypatch.context() as patch:
        fill_disk(patch)
        log.retire(log.end.position)
        assert log.status()["segments"] == 0
        with pytest.raises(LogError):
            await append_events(log, 1, 2)
    await append_events(log, 1, 2)
    assert await read_numbers(open_log(tmp_path), 2) == [1]


def test_any_other_trouble_does_keep_it_from_being_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = len(os.listdir("/proc/self/fd"))
    monkeypatch.setattr(os, "pwrite", fail_with(errno.EIO))
    with pytest.raises(OSError, match="Input/output"):
        open_log(tmp_path)
    assert len(os.listdir("/proc/self/fd")) == before


async def test_it_takes_no_more_than_its_limit(log: FileLog) -> None:
    await fill(log, 10)
    assert log.bytes <= log.limit_bytes
    assert log.full
    end = log.end
    await log.commit(LogPoint(60, log.end.number - 10))
    assert log.full
    log.retire(60)
    assert log.full  # no segment has gone
    await log.commit(end)
    log.retire(end.position)
    assert not log.full


async def test_progress_that_cannot_be_noted(
    log: FileLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await append_events(log, 0, 5)
    middle = LogPoint(3, 2)
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", fail_with(errno.ENOSPC))
        with pytest.raises(LogError, match="No space"):
            await log.prepare(middle, log.committed)
        assert log.prepared is None
        with pytest.raises(LogError):
            await log.commit(middle)
        assert (log.committed, log.broken) == (middle, None)
        await log.sync()
    assert log.problem is not None
    assert open_log(tmp_path).committed == LogPoint(0, 0)


async def test_the_next_sync_notes_it(
    log: FileLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await append_events(log, 0, 5)
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", fail_with(errno.ENOSPC))
        with pytest.raises(LogError):
            await log.commit(log.end)
    await log.sync()
    assert log.problem is None
    note = NoteFile.read(tmp_path / NOTE)
    assert note is not None
    assert note.committed == log.end


async def test_a_note_that_a_full_disk_does_not_sync(
    log: FileLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    fdatasync = os.fdatasync
    note = os.stat(log._syncer._disk._note_file.path).st_ino

    def fail(descriptor: int) -> None:
        if os.fstat(descriptor).st_ino == note:
            raise OSError(errno.ENOSPC, "No space left on device")
        fdatasync(descriptor)

    await append_events(log, 0, 5)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", fail)
        with pytest.raises(LogError, match="No space"):
            await log.prepare(log.end, log.committed)
    assert log.broken is None
    await log.prepare(log.end, log.committed)
    assert (log.problem, log.prepared) == (None, log.end)
    log.close()


async def test_a_full_log_is_open_again_after_a_restart(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    await fill(log)
    after = open_log(tmp_path)
    assert after.backlog == log.end.number
    await after.commit(after.end)
    after.retire(after.end.position)
    assert not after.full
    after.close()
