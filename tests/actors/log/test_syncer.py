"""What is synced and when, seen through the log."""

import os
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from actors.log.file_log import FileLog
from actors.log.note import NOTE, NoteFile
from actors.threads import serial_thread
from actors.threads.serial_thread import SerialThread
from tests.actors.log.files import open_log, segment_paths
from tests.actors.log.writable_checks import append_events, read_numbers


@pytest.fixture
def log(tmp_path: Path) -> FileLog:
    return open_log(tmp_path, limit_bytes=200_000)


class Syncs:
    """What is synced, by the files' names."""

    def __init__(self, directory: Path, patch: pytest.MonkeyPatch) -> None:
        self.directory = directory
        self.done: list[str] = []
        patch.setattr(os, "fdatasync", partial(self._note, os.fdatasync))
        patch.setattr(os, "fsync", partial(self._note, os.fsync))

    def _note(self, sync: Callable[[int], None], descriptor: int) -> None:
        names = {path.stat().st_ino: path.name for path in self.directory.iterdir()}
        names[self.directory.stat().st_ino] = "."
        self.done.append(names[os.fstat(descriptor).st_ino])
        sync(descriptor)

    def take(self) -> list[str]:
        done, self.done = self.done, []
        return done


async def test_syncing_syncs_what_was_written(
    log: FileLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    syncs = Syncs(tmp_path, monkeypatch)
    await append_events(log, 0, 1)
    (first,) = (path.name for path in segment_paths(tmp_path))
    assert syncs.take() == []
    await log.sync()
    assert syncs.take() == [first, "."]
    await log.sync()
    assert syncs.take() == []
    await append_events(log, 1, 2)
    await log.prepare(log.end, log.committed)
    assert syncs.take() == [first, NOTE]
    await log.commit(log.end)
    assert syncs.take() == [NOTE]
    while len(segment_paths(tmp_path)) < 2:
        await append_events(log, 0, 10)
    second = segment_paths(tmp_path)[1].name
    await log.sync()
    assert syncs.take() == [first, second, "."]
    log.close()


async def test_what_is_written_during_a_sync_is_synced_by_the_next(
    log: FileLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if another segment has begun meanwhile."""
    call = SerialThread.call

    async def interrupted(thread: SerialThread, function: Callable[[], Any]) -> Any:
        while len(segment_paths(tmp_path)) < 2:
            await append_events(log, 0, 10)
        return await call(thread, function)

    await append_events(log, 0, 1)
    with monkeypatch.context() as patch:
        patch.setattr(SerialThread, "call", interrupted)
        await log.sync()
    syncs = Syncs(tmp_path, monkeypatch)
    await log.sync()
    assert syncs.take() == [*(path.name for path in segment_paths(tmp_path)), "."]
    log.close()


async def test_what_a_killed_process_had_not_synced_is_synced_by_the_next(
    log: FileLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await append_events(log, 0, 1)
    after = open_log(tmp_path)
    syncs = Syncs(tmp_path, monkeypatch)
    await after.sync()
    assert syncs.take() == [*(path.name for path in segment_paths(tmp_path)), "."]
    after.close()


async def test_never_syncing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "fdatasync")
    monkeypatch.delattr(os, "fsync")
    log = open_log(tmp_path, fsync="never")
    await append_events(log, 0, 5)
    await log.sync()
    await log.prepare(log.end, log.committed)
    after = open_log(tmp_path, fsync="never")
    assert (after.prepared, after.lost) == (log.end, 0)
    log.close()


async def test_appends_that_wait_share_a_sync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = open_log(tmp_path, fsync="always")
    syncs = Syncs(tmp_path, monkeypatch)
    first = log.end.position
    async with trio.open_nursery() as nursery:
        for number in range(50):
            nursery.start_soon(append_events, log, number, number + 1)
    assert log.end.position == first + 50
    # The first one's, and that of all others.
    segment = segment_paths(tmp_path)[0].name
    assert syncs.take().count(segment) <= 2
    assert sorted(await read_numbers(log)) == list(range(50))
    # Nothing that was told is unknown to the note.
    note = NoteFile.read(tmp_path / NOTE)
    assert note is not None
    assert note.synced == log.end
    log.close()


async def test_a_cancelled_append_does_not_hold_up_others(tmp_path: Path) -> None:
    log = open_log(tmp_path, fsync="always")
    for cancelled in range(5):
        async with trio.open_nursery() as nursery:
            with trio.CancelScope() as scope:
                nursery.start_soon(append_events, log, 0, 1)
                await trio.lowlevel.checkpoint()
                if cancelled:
                    scope.cancel()
                await append_events(log, 1, 2)
    await append_events(log, 2, 3)
    assert log.end == log._segments.end
    await log.sync()
    log.seal()
    assert await log.read(log.end.position) is None
    log.close()


async def test_a_sync_that_was_cancelled_keeps_its_files(
    log: FileLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise it would write its note into whatever has the file's number next."""
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()
    fdatasync = os.fdatasync
    note = log._syncer._disk._note_file

    def hang(descriptor: int) -> None:
        begun.set()
        go_on.wait()
        ended.set()
        fdatasync(descriptor)

    await append_events(log, 0, 1)
    monkeypatch.setattr(serial_thread, "GRACE_SECONDS", 0)
    monkeypatch.setattr(os, "fdatasync", hang)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(log.sync)
        await trio.to_thread.run_sync(begun.wait)
        nursery.cancel_scope.cancel()
    log.close()
    assert os.path.samestat(os.fstat(note.descriptor), note.path.stat())
    go_on.set()
    await trio.to_thread.run_sync(ended.wait)
    after = open_log(log._syncer._disk._directory)
    assert after.source_id != log.source_id
    assert await read_numbers(after) == [0]
