"""A log that cannot be trusted takes nothing more, and gives what it has."""

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from actors.log.disk import DEADLINE_SECONDS
from actors.log.file_log import FileLog, Fsync
from actors.log.log import LogBrokenError, LogPoint
from actors.log.note import NOTE
from actors.threads.serial_thread import SerialThread
from tests.actors.log.files import fail_with, open_log, segment_paths
from tests.actors.log.writable_checks import append_events, read_numbers

FSYNCS: list[Fsync] = ["always", "interval", "never"]


@pytest.fixture
def log(tmp_path: Path) -> FileLog:
    return open_log(tmp_path, limit_bytes=200_000)


async def check_broken(log: FileLog) -> None:
    """Takes nothing more, gives what it has, and notes in memory."""
    assert log.broken is not None
    assert not log.accepting
    assert (log.status()["status"], log.status()["reason"]) == ("down", log.broken)
    with pytest.raises(LogBrokenError):
        await append_events(log, 100, 101)
    with pytest.raises(LogBrokenError):
        await log.sync()
    numbers = await read_numbers(log, 1)
    assert numbers == list(range(log.end.number))
    log._tail.forget(log.end.position)
    assert await read_numbers(log, 1) == numbers
    middle = LogPoint(log.end.position - 1, log.end.number - 1)
    await log.prepare(middle, log.committed)
    assert log.prepared == middle
    await log.prepare(log.end, middle)
    await log.commit(log.end)
    assert (log.committed, log.backlog) == (log.end, 0)
    log.retire(log.end.position)
    log.seal()
    assert await log.read(log.end.position) is None
    log.close()


def unlink_segment(directory: Path) -> None:
    segment_paths(directory)[0].unlink()


def replace_segment(directory: Path) -> None:
    path = segment_paths(directory)[0]
    content = path.read_bytes()
    path.unlink()
    (directory / "other").write_bytes(b"")
    path.write_bytes(content)


def unlink_note(directory: Path) -> None:
    (directory / NOTE).unlink()


def move_directory(directory: Path) -> None:
    directory.rename(directory.with_name("elsewhere"))


def remove_directory(directory: Path) -> None:
    shutil.rmtree(directory)


@pytest.mark.parametrize(
    "harm", [unlink_segment, replace_segment, unlink_note, move_directory, remove_directory]
)
@pytest.mark.parametrize("fsync", FSYNCS)
async def test_a_file_that_is_gone_breaks_it(
    tmp_path: Path, harm: Callable[[Path], None], fsync: Fsync
) -> None:
    log = open_log(tmp_path / "log", fsync=fsync)
    await append_events(log, 0, 5)
    harm(tmp_path / "log")
    if fsync == "always":
        with pytest.raises(LogBrokenError):
            await append_events(log, 5, 6)
    else:
        with pytest.raises(LogBrokenError):
            await log.sync()
    await check_broken(log)


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
@pytest.mark.parametrize("call", ["sync", "append", "prepare", "commit"])
async def test_a_sync_that_fails_breaks_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    """The system may have dropped what it could not write: a second sync proves nothing."""
    log = open_log(tmp_path, fsync="always" if call == "append" else "interval")
    await append_events(log, 0, 5)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", fail_with(code))
        if call == "prepare":
            await log.prepare(log.end, log.committed)
            assert log.prepared == log.end
        elif call == "commit":
            await log.commit(LogPoint(2, 1))
            assert log.committed == LogPoint(2, 1)
        else:
            with pytest.raises(LogBrokenError, match=os.strerror(code)):
                await (log.sync() if call == "sync" else append_events(log, 5, 9))
    assert log.end == LogPoint(6, 5)
    await check_broken(log)


async def test_all_appends_that_wait_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = open_log(tmp_path, fsync="always")
    await append_events(log, 0, 5)
    end = log.end
    refused: list[int] = []

    async def append(number: int) -> None:
        with pytest.raises(LogBrokenError):
            await append_events(log, number, number + 1)
        refused.append(number)

    monkeypatch.setattr(os, "fdatasync", fail_with(errno.EIO))
    async with trio.open_nursery() as nursery:
        for number in range(10):
            nursery.start_soon(append, number)
    assert sorted(refused) == list(range(10))
    assert log.end == end
    await check_broken(log)


async def test_a_disk_that_does_not_answer_breaks_it(
    autojump_clock: MockClock, log: FileLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(thread: SerialThread, function: Callable[[], Any]) -> None:
        await trio.sleep_forever()

    await append_events(log, 0, 5)
    monkeypatch.setattr(SerialThread, "call", hang)
    started = trio.current_time()
    with pytest.raises(LogBrokenError, match="not answered"):
        await log.sync()
    assert trio.current_time() == started + DEADLINE_SECONDS
    await check_broken(log)


async def test_a_broken_log_is_not_closed_cleanly(
    log: FileLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await append_events(log, 0, 5)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", fail_with(errno.EIO))
        with pytest.raises(LogBrokenError):
            await log.sync()
    log.close()
    after = open_log(tmp_path)
    assert after.source_id != log.source_id
    assert await read_numbers(after) == [0, 1, 2, 3, 4]


async def test_segments_may_go_while_they_are_synced(
    log: FileLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their absence then means nothing."""
    call = SerialThread.call

    async def interrupted(thread: SerialThread, function: Callable[[], Any]) -> Any:
        log.committed = log.end
        log.retire(log.end.position)
        return await call(thread, function)

    while log.status()["segments"] != 3:
        await append_events(log, 0, 10)
    monkeypatch.setattr(SerialThread, "call", interrupted)
    await log.sync()
    assert (log.broken, len(segment_paths(tmp_path))) == (None, 1)
    log.close()


async def test_the_end_of_a_broken_log_notes_what_the_store_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that the next process does not store it again, with other cuts."""
    log = open_log(tmp_path)
    await append_events(log, 0, 5)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", fail_with(errno.EIO))
        with pytest.raises(LogBrokenError):
            await log.sync()
        await log.prepare(LogPoint(4, 3), log.committed)
        await log.prepare(LogPoint(6, 5), LogPoint(4, 3))
        log.close()
    after = open_log(tmp_path)
    assert (after.committed, after.prepared) == (LogPoint(4, 3), LogPoint(6, 5))
    assert after.lost == 0
    after.close()
