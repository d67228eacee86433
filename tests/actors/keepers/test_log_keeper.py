import errno
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.keepers.log_keeper import (
    BEAT_SECONDS,
    CHECKPOINT_SECONDS,
    FULL_SECONDS,
    Interval,
    LogKeeper,
)
from actors.log.checkpoint_file import CheckpointFile, WrittenCheckpoint
from actors.log.log import LogError
from actors.pipeline.flush import Flush
from actors.pipeline.partition import Partition
from ingest.fold.checkpoint import FoldState
from ingest.letters.dead_letter import LogPosition
from ingest.model.event import Visitor
from ingest.server.durability import fitting_state
from ingest.telemetry.metrics import Metrics
from tests.actors.fakes import LettersAtOnce
from tests.actors.log.files import fill_disk, open_log, segment_paths
from tests.actors.log.records import DESCRIPTION
from tests.actors.pipeline.test_sessions import Told
from tests.examples import NOON, an_enriched_event

FULL = OSError(errno.ENOSPC, "No space left on device")
BROKEN = OSError(errno.EIO, "Input/output error")


class RunKeeper:
    """A partition with its log, whose batches are stored while the store is there."""

    def __init__(
        self,
        directory: Path,
        *,
        limit_bytes: int = 1_000_000,
        predecessor: Any = None,
        interval: Interval | None = None,
    ) -> None:
        self.directory = directory
        self.log = open_log(directory / "log", limit_bytes=limit_bytes)
        self.file = CheckpointFile(directory / "checkpoint")
        self.letters = LettersAtOnce(directory / "letters")
        self.letters.load_at_once()
        self.metrics = Metrics(lambda domain: True)
        outlet, self.flushes = trio.open_memory_channel[Flush](0)
        self.store_is_there = trio.Event()
        self.store_is_there.set()
        self.partition = Partition(
            self.log,
            fitting_state(self.log, self.file.load(), DESCRIPTION),
            outlet,
            Told(),
            self.letters,
            self.metrics,
            flush_rows=1_000,
            flush_seconds=5,
            checkpoints=self.file,
            predecessor=predecessor,
            interval=interval,
        )
        keeper = self.partition.keeper
        assert keeper is not None
        self.keeper: LogKeeper = keeper
        self.visits = 0

    async def store(self) -> None:
        async for flush in self.flushes:
            await self.store_is_there.wait()
            flush.stored.set()

    async def append(self, events: int) -> None:
        """Events that begin a visit each."""
        for number in range(self.visits, self.visits + events):
            event = an_enriched_event(nonce=number, visitor=Visitor(number, None))
            await self.log.append([event], NOON)
        self.visits += events

    async def fill(self, size: int) -> None:
        while self.log.bytes < size:
            await self.append(10)

    def saved(self) -> FoldState | None:
        return self.file.load()

    def saved_visits(self) -> int | None:
        state = self.saved()
        return None if state is None else len(state.sessions)


@asynccontextmanager
async def running(line: RunKeeper) -> AsyncIterator[RunKeeper]:
    async with trio.open_nursery() as nursery:
        for actor in (*line.partition.actors, line.keeper):
            nursery.start_soon(actor.run)
        nursery.start_soon(line.store)
        yield line
        nursery.cancel_scope.cancel()
    line.log.close()


def fail_writing(line: RunKeeper, patch: pytest.MonkeyPatch, error: Exception) -> None:
    async def fail(state: FoldState) -> WrittenCheckpoint:
        await trio.lowlevel.checkpoint()
        raise error

    patch.setattr(line.file, "write", fail)


async def test_syncs_each_second(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    syncs: list[float] = []

    async def sync() -> None:
        syncs.append(trio.current_time())
        await trio.lowlevel.checkpoint()
        if len(syncs) == 2:
            raise LogError("Input/output error")

    line = RunKeeper(tmp_path)
    monkeypatch.setattr(line.log, "sync", sync)
    async with running(line):
        await trio.sleep(4.5 * BEAT_SECONDS)
    assert syncs == [BEAT_SECONDS * beat for beat in (1, 2, 3, 4)]
    observed = line.metrics.registry.get_sample_value("sluice_journal_sync_seconds_count")
    assert observed == 4


async def test_a_log_that_is_durable_at_once_is_not_synced(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def sync() -> None:
        raise AssertionError

    line = RunKeeper(tmp_path)
    monkeypatch.setattr(line.log, "needs_sync", False)
    async with running(line):
        monkeypatch.setattr(line.log, "sync", sync)
        await trio.sleep(4.5 * BEAT_SECONDS)
    observed = line.metrics.registry.get_sample_value("sluice_journal_sync_seconds_count")
    assert observed == 0


async def test_a_checkpoint_is_saved_each_minute_and_what_is_before_it_goes(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    line = RunKeeper(tmp_path)
    await line.append(10)
    async with running(line):
        await trio.sleep(CHECKPOINT_SECONDS - 1)
        assert line.saved() is None
        assert line.log.first == 0
        await trio.sleep(3)
        state = line.saved()
        assert state is not None
        assert (state.log_id, state.position, state.number) == (line.log.id, 11, 10)
        assert len(state.sessions) == 10
        assert line.log.first == 11
        assert len(segment_paths(tmp_path / "log")) == 1
        await line.append(5)
        await trio.sleep(CHECKPOINT_SECONDS + 2)
        assert line.saved_visits() == 15


async def test_nothing_is_saved_when_nothing_is_new(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = RunKeeper(tmp_path)
    await line.append(1)
    saved: list[float] = []
    write = line.file.write

    async def note(state: FoldState) -> WrittenCheckpoint:
        saved.append(trio.current_time())
        return await write(state)

    monkeypatch.setattr(line.file, "write", note)
    async with running(line):
        await trio.sleep(10 * CHECKPOINT_SECONDS)
    # The first has begun a segment, whose description is new.
    assert len(saved) == 2


async def test_a_log_that_is_half_full_does_not_wait_a_minute(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    line = RunKeeper(tmp_path, limit_bytes=40_000)
    await line.fill(25_000)
    assert line.log.wants_room
    line.store_is_there = trio.Event()
    async with running(line):
        await trio.sleep(10)
        assert line.saved() is None  # nothing would become free
        line.store_is_there.set()
        await trio.sleep(10)
        assert line.saved_visits() == line.visits
        assert line.log.bytes < 2_000


async def test_a_disk_in_trouble_does_not_wait_a_minute(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = RunKeeper(tmp_path, limit_bytes=40_000)
    await line.fill(8_000)
    async with running(line):
        await trio.sleep(20)
        assert line.log.reclaimable
        assert line.saved() is None
        with monkeypatch.context() as patch:
            fill_disk(patch)
            with pytest.raises(LogError):
                await line.append(1)
            await trio.sleep(2.5 * BEAT_SECONDS)
        assert line.saved_visits() == line.visits


@pytest.mark.parametrize("away", [10, 7_200])
async def test_a_checkpoint_is_valid_once_the_store_has_what_is_before_it(
    autojump_clock: MockClock, tmp_path: Path, away: float
) -> None:
    line = RunKeeper(tmp_path)
    await line.append(10)
    line.store_is_there = trio.Event()
    async with running(line):
        await trio.sleep(CHECKPOINT_SECONDS + 5)
        await line.append(5)
        await trio.sleep(away)
        assert line.saved() is None
        assert line.log.first == 0
        line.store_is_there.set()
        await trio.sleep(1)
        state = line.saved()
        assert state is not None
        # It is of before the outage, and what came since is in the log.
        assert state.position == 11
        assert line.log.committed.position >= 11
        assert line.log.first <= 11


async def test_a_process_that_ends_meanwhile_leaves_the_last_checkpoint(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    line = RunKeeper(tmp_path)
    await line.append(1)
    async with running(line):
        await trio.sleep(CHECKPOINT_SECONDS + 5)
        line.store_is_there = trio.Event()
        await line.append(1)
        await trio.sleep(CHECKPOINT_SECONDS + 5)
        assert len(list(tmp_path.glob(".checkpoint*"))) == 1
    assert line.saved_visits() == 1
    assert list(tmp_path.glob(".checkpoint*")) == []


async def refuse(line: RunKeeper, patch: pytest.MonkeyPatch) -> None:
    fail_writing(line, patch, BROKEN)


async def hang(line: RunKeeper, patch: pytest.MonkeyPatch) -> None:
    fail_writing(line, patch, trio.TooSlowError())


async def refuse_to_publish(line: RunKeeper, patch: pytest.MonkeyPatch) -> None:
    async def fail(checkpoint: WrittenCheckpoint) -> None:
        await trio.lowlevel.checkpoint()
        raise BROKEN

    patch.setattr(WrittenCheckpoint, "publish", fail)


@pytest.mark.parametrize("trouble", [refuse, hang, refuse_to_publish])
async def test_nothing_is_deleted_before_a_checkpoint_is_on_the_disk(
    autojump_clock: MockClock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    trouble: Callable[[RunKeeper, pytest.MonkeyPatch], Any],
) -> None:
    line = RunKeeper(tmp_path)
    await line.append(10)
    line.letters.keep("sessions", an_enriched_event(), "x", position=LogPosition(line.log.id, 0, 3))
    line.letters.settle(f"{line.log.id}-0-3")
    async with running(line):
        with monkeypatch.context() as patch:
            await trouble(line, patch)
            await trio.sleep(3 * CHECKPOINT_SECONDS)
            assert line.log.first == 0
            assert line.saved() is None
            assert line.letters.set_aside_positions(line.log.id, 0) == {3}
        await trio.sleep(2 * CHECKPOINT_SECONDS)
        assert line.saved_visits() == 9  # a position that was set aside is passed over
        assert line.log.first == 11
        assert line.letters.set_aside_positions(line.log.id, 0) == set()


async def test_marks_behind_a_checkpoint_are_kept(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    line = RunKeeper(tmp_path)
    await line.append(10)
    for log, partition, position in ((line.log.id, 0, 3), (line.log.id, 0, 30), ("other", 0, 3)):
        at = LogPosition(log, partition, position)
        line.letters.keep("sessions", an_enriched_event(), "x", position=at)
        line.letters.settle(at.letter_id)
    async with running(line):
        await trio.sleep(CHECKPOINT_SECONDS + 2)
    assert line.letters.set_aside_positions(line.log.id, 0) == {30}
    assert line.letters.set_aside_positions("other", 0) == {3}


async def test_on_a_full_disk_what_is_stored_goes_without_a_checkpoint(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a log that has filled the disk could never shrink."""
    line = RunKeeper(tmp_path, limit_bytes=40_000)
    await line.append(1)
    async with running(line):
        await trio.sleep(CHECKPOINT_SECONDS + 2)
        assert line.saved() is not None
        await line.fill(25_000)
        await trio.sleep(0.1)
        with monkeypatch.context() as patch:
            fail_writing(line, patch, FULL)
            await trio.sleep(FULL_SECONDS - 1)
            size = line.log.bytes
            assert size >= 25_000
            assert line.saved() is not None
            await trio.sleep(10)
            assert line.log.bytes < 5_000
            # From an old checkpoint sessions would go on that the log tells no more of.
            assert line.saved() is None
        await line.append(1)
        await trio.sleep(CHECKPOINT_SECONDS + 2)
        assert line.saved_visits() == line.visits


async def test_a_disk_that_is_full_for_a_while_costs_nothing(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = RunKeeper(tmp_path, limit_bytes=40_000)
    async with running(line):
        for _ in range(3):
            await line.fill(line.log.bytes + 22_000)
            await trio.sleep(0.1)
            with monkeypatch.context() as patch:
                fail_writing(line, patch, FULL)
                await trio.sleep(FULL_SECONDS - 5)
                assert line.log.bytes >= 22_000
            await trio.sleep(5)
            assert line.saved_visits() == line.visits


async def test_no_checkpoint_is_saved_before_what_came_before_the_log_is_stored(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """It would say that the store has that, too."""

    class Earlier:
        backlog = 1

        async def drain(self) -> FoldState:
            await trio.sleep(3 * CHECKPOINT_SECONDS)
            return fitting_state(line.log, None, DESCRIPTION)

    line = RunKeeper(tmp_path, predecessor=Earlier())
    await line.append(3)
    async with running(line):
        await trio.sleep(2.5 * CHECKPOINT_SECONDS)
        await line.partition.save()
        assert line.saved() is None
        await trio.sleep(2 * CHECKPOINT_SECONDS)
        assert line.saved_visits() == 3


async def test_the_last_checkpoint_is_of_everything(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    line = RunKeeper(tmp_path)
    await line.append(3)
    line.log.seal()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(line.store)
        async with trio.open_nursery() as stages:
            for actor in line.partition.actors:
                stages.start_soon(_run_and_close, actor)
        await line.partition.save()
        nursery.cancel_scope.cancel()
    line.log.close()
    state = line.saved()
    assert state is not None
    assert (state.number, len(state.sessions)) == (line.log.end.number, 3)
    assert line.log.committed.position == state.position == 4


async def _run_and_close(actor: Any) -> None:
    await actor.run()
    actor.close()


async def test_what_the_store_has_not_taken_is_not_saved_at_the_end(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    line = RunKeeper(tmp_path)
    await line.append(3)
    line.store_is_there = trio.Event()
    async with running(line):
        await trio.sleep(10)
        with trio.fail_after(1):
            await line.partition.save()
        await wait_all_tasks_blocked()
    assert line.saved() is None


async def test_a_log_in_which_nothing_happens_is_saved_again_at_its_interval(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = RunKeeper(tmp_path, interval=Interval(first=30, busy=120, idle=1000))
    saved: list[float] = []
    write = line.file.write

    async def note(state: FoldState) -> WrittenCheckpoint:
        saved.append(round(trio.current_time() / 10) * 10)
        return await write(state)

    monkeypatch.setattr(line.file, "write", note)
    await line.append(1)
    async with running(line):
        await trio.sleep(100)
        await line.append(1)
        await trio.sleep(1200)
    # The second one began a segment, with a description.
    assert saved == [30, 150, 270, 1270]
