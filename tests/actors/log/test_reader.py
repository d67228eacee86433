"""Damage that is found while the log is open."""

import errno
import os
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.log.file_log import FileLog
from actors.log.log import LogError
from tests.actors.log.files import aside, fail_with, flip, open_log, segment_paths
from tests.actors.log.writable_checks import append_events, read_numbers


@pytest.fixture
def log(tmp_path: Path) -> FileLog:
    return open_log(tmp_path, limit_bytes=200_000)


async def test_damage_found_while_reading_costs_only_what_it_hit(
    log: FileLog, tmp_path: Path
) -> None:
    while log.status()["segments"] != 3:
        await append_events(log, log.end.number, log.end.number + 10)
    log._tail.forget(log.end.position)
    path = segment_paths(tmp_path)[1]
    flip(path, path.stat().st_size // 2)
    for _ in range(2):
        read = await read_numbers(log)
        assert log.lost == 10
        assert len(read) == log.end.number - 10
    assert aside(tmp_path) == [path.stem]
    assert log.status()["status"] == "degraded"
    # The segment that is written to.
    flip(segment_paths(tmp_path)[-1], -1)
    position = await append_events(log, 5, 7)
    log._tail.forget(log.end.position)
    assert len(await read_numbers(log)) == log.end.number - 20
    assert await read_numbers(log, position) == [5, 6]
    assert log.lost == 20
    log.close()


async def test_the_reader_waits_behind_damage_at_the_end(log: FileLog, tmp_path: Path) -> None:
    position = await append_events(log, 0, 5)
    log._tail.forget(log.end.position)
    flip(segment_paths(tmp_path)[0], -1)
    seen: list[list[int]] = []

    async def read() -> None:
        run = await log.read(position)
        assert run is not None
        seen.append([run.first, len(run.records)])

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            while not log.lost:
                await trio.lowlevel.checkpoint()
            await wait_all_tasks_blocked()
            assert seen == []
            end = log.end.position
            await append_events(log, 5, 7)
    assert seen == [[end, 2]]
    assert log.lost == 5
    log.close()


async def test_a_read_that_fails_for_now_loses_nothing(
    log: FileLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    position = await append_events(log, 0, 5)
    log._tail.forget(log.end.position)
    with monkeypatch.context() as patch:
        patch.setattr(os, "pread", fail_with(errno.ENOMEM))
        with pytest.raises(LogError, match="memory"):
            await log.read(position)
    assert await read_numbers(log, position) == [0, 1, 2, 3, 4]
    assert log.lost == 0
    log.close()
