import os
from pathlib import Path

import pytest
import trio

from actors.journal.session_file import SLICE, SYNC_SECONDS, SessionFile
from ingest.sessions.session import begin
from ingest.sessions.snapshot import EMPTY, Snapshot
from tests.examples import an_enriched_event

VISITS = [begin(an_enriched_event(), number) for number in range(3 * SLICE + 1)]


async def test_visits_come_back(tmp_path: Path) -> None:
    path = tmp_path / "sessions.jsonl"
    await SessionFile(path).save(Snapshot("j", 9, tuple(VISITS)))
    assert SessionFile(path).load() == SessionFile(path).load() == Snapshot("j", 9, tuple(VISITS))
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_is_there_at_first(tmp_path: Path) -> None:
    assert SessionFile(tmp_path / "sessions.jsonl").load() == EMPTY


@pytest.mark.parametrize("content", [b"", b"{}", b"garbage", b"\xff\xfe"])
def test_a_broken_file_costs_the_visits_and_not_the_start(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "sessions.jsonl"
    path.write_bytes(content)
    assert SessionFile(path).load() == EMPTY


async def test_others_run_while_visits_are_written(tmp_path: Path) -> None:
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(count_turns)
        await SessionFile(tmp_path / "sessions.jsonl").save(Snapshot("j", 9, tuple(VISITS)))
        nursery.cancel_scope.cancel()
    assert turns > len(VISITS) / SLICE


async def test_an_attempt_that_ends_early_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "sessions.jsonl"
    await SessionFile(path).save(Snapshot("j", 1, tuple(VISITS[:1])))
    with trio.move_on_after(0):
        await SessionFile(path).save(Snapshot("j", 2, tuple(VISITS)))
    assert SessionFile(path).load().position == 1
    assert list(tmp_path.iterdir()) == [path]


async def test_a_full_disk_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "sessions.jsonl"
    await SessionFile(path).save(Snapshot("j", 1, tuple(VISITS[:1])))

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        await SessionFile(path).save(Snapshot("j", 2, tuple(VISITS)))
    assert SessionFile(path).load().position == 1
    assert list(tmp_path.iterdir()) == [path]


async def test_a_disk_that_hangs_is_given_up(
    autojump_clock: trio.testing.MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(*arguments: object, **keywords: object) -> None:
        await trio.sleep_forever()

    monkeypatch.setattr(trio.to_thread, "run_sync", hang)
    with pytest.raises(trio.TooSlowError):
        await SessionFile(tmp_path / "sessions.jsonl").save(Snapshot("j", 2, tuple(VISITS[:1])))
    assert trio.current_time() == SYNC_SECONDS
    assert list(tmp_path.iterdir()) == []
