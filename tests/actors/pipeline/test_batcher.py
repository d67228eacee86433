from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.log.log import Log, LogError, LogPoint
from actors.log.memory_log import MemoryLog
from actors.pipeline.batcher import IDLE_SECONDS, LOG_SECONDS, ROOM, Batcher
from actors.pipeline.flush import Flush
from actors.supervision.supervisor import Supervisor
from ingest.fold.folded_run import FoldedRun
from ingest.rows.batch import CounterKey, Trigger
from ingest.rows.layout import EventRows
from ingest.telemetry.metrics import Metrics
from tests.actors.log.files import open_log
from tests.actors.log.records import COUNTS, DESCRIPTION, an_event
from tests.examples import NOON

FLUSH_ROWS = 10
FLUSH_SECONDS = 5.0

START = LogPoint(1, 0)
"""Behind the log's description."""

DROPPED: tuple[CounterKey, int] = ((NOON, "a.com", None, "dropped_bot", 0), 3)


class NotedLog(MemoryLog):
    """Tells of its notes, and can be made to fail or to hang."""

    def __init__(self) -> None:
        super().__init__(DESCRIPTION, limit_events=100_000, log_time=NOON)
        self.notes: list[tuple[str, int, int]] = []
        self.failures = 0
        self.go_on = trio.Event()
        self.go_on.set()
        self.committed = START

    async def prepare(self, end: LogPoint, committed: LogPoint) -> None:
        self.committed = committed
        await self._note_or_fail()
        self.notes.append(("prepare", committed.position, end.position))
        await super().prepare(end, committed)

    async def commit(self, committed: LogPoint) -> None:
        self.committed = committed
        await self._note_or_fail()
        self.notes.append(("commit", committed.position, committed.position))
        await super().commit(committed)

    async def _note_or_fail(self) -> None:
        await self.go_on.wait()
        if self.failures:
            self.failures -= 1
            raise LogError("no space left")


class RunBatcher:
    """A batcher, the log whose runs it is sent, and its flushes."""

    def __init__(self, log: Log | None = None, *, inbox_room: int = 100) -> None:
        self.log = log or NotedLog()
        self.metrics = Metrics(lambda domain: True)
        self.end = self.log.committed
        self.send, inbox = trio.open_memory_channel[FoldedRun](inbox_room)
        outlet, self.flushes = trio.open_memory_channel[Flush](0)
        self.batcher = Batcher(
            inbox,
            outlet,
            self.log,
            self.metrics,
            flush_rows=FLUSH_ROWS,
            flush_seconds=FLUSH_SECONDS,
        )

    @property
    def notes(self) -> list[tuple[str, int, int]]:
        assert isinstance(self.log, NotedLog)
        return self.log.notes

    def run(self, *numbers: int, counters: Sequence[tuple[CounterKey, int]] = ()) -> FoldedRun:
        """The next run: an event of each number, and a record of counts if there are some."""
        start = self.end
        records = len(numbers) + bool(counters)
        self.end = LogPoint(start.position + records, start.number + len(numbers))
        return FoldedRun(start, self.end, rows_of(*numbers), counters)

    async def put(self, *numbers: int, **fields: Any) -> None:
        await self.send.send(self.run(*numbers, **fields))

    async def next(self, *, stored: bool = True) -> Flush:
        flush = await self.flushes.receive()
        if stored:
            flush.stored.set()
        return flush

    async def until_end(self) -> list[Flush]:
        """Everything up to the end, stored at once."""
        flushes: list[Flush] = []
        async for flush in self.flushes:
            flush.stored.set()
            flushes.append(flush)
        return flushes

    def flushed(self) -> dict[str, float]:
        """How many batches each trigger has made."""
        values = {
            trigger.value: self.metrics.registry.get_sample_value(
                "sluice_batches_total", {"trigger": trigger.value}
            )
            for trigger in Trigger
        }
        return {trigger: value for trigger, value in values.items() if value}


def rows_of(*numbers: int) -> list[EventRows]:
    return [EventRows((number,), ()) for number in numbers]


def numbers(flush: Flush) -> list[int]:
    return [row[0] for insert in flush.inserts for row in insert.rows if len(row) == 1]


def tokens(flush: Flush) -> list[str]:
    """Without the log's id."""
    return [insert.token.partition("-")[2] for insert in flush.inserts]


@pytest.mark.parametrize(
    ("puts", "moment", "expected", "trigger"),
    [
        pytest.param([(0, 9), (0, 1)], 0, [10], "size", id="enough events"),
        pytest.param([(0, 25)], 0, [25], "size", id="a run is not split"),
        pytest.param([(3, 1), (4, 1)], 3 + FLUSH_SECONDS, [2], "time", id="the oldest is old"),
        pytest.param([(0, 1), (0, None)], 0, [1], "drain", id="the inbox ends"),
    ],
)
async def test_what_makes_a_flush_due(
    autojump_clock: MockClock,
    nursery: trio.Nursery,
    puts: list[tuple[float, int | None]],
    moment: float,
    expected: list[int],
    trigger: str,
) -> None:
    line = RunBatcher()
    nursery.start_soon(line.batcher.run)

    async def put_all() -> None:
        for seconds, events in puts:
            await trio.sleep(seconds)
            if events is None:
                line.send.close()
            else:
                await line.put(*range(events))

    nursery.start_soon(put_all)
    flush = await line.next()
    assert trio.current_time() == moment
    assert [len(numbers(flush))] == expected
    assert flush.trigger == trigger
    await wait_all_tasks_blocked()
    assert line.flushed() == {trigger: 1}
    assert flush.kept is False
    nursery.cancel_scope.cancel()


async def test_flushes_nothing_when_there_is_nothing(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    line = RunBatcher()
    nursery.start_soon(line.batcher.run)
    with trio.move_on_after(10 * FLUSH_SECONDS) as waiting:
        await line.next()
    assert waiting.cancelled_caught
    assert line.notes == []
    nursery.cancel_scope.cancel()


async def test_counts_alone_are_flushed_by_time(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    line = RunBatcher()
    nursery.start_soon(line.batcher.run)
    await line.put(counters=[DROPPED])
    await line.put(counters=[DROPPED])
    flush = await line.next()
    assert trio.current_time() == FLUSH_SECONDS
    (insert,) = flush.inserts
    assert insert.table == "ingest_counters"
    assert [row[4] for row in insert.rows] == [6]
    assert tokens(flush) == ["1-3-counters"]
    nursery.cancel_scope.cancel()


async def test_records_without_rows_are_committed_without_a_flush(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    line = RunBatcher()
    nursery.start_soon(line.batcher.run)
    await line.send.send(FoldedRun(START, LogPoint(4, 1), [], []))
    await trio.sleep(FLUSH_SECONDS + IDLE_SECONDS + 1)
    assert line.notes == [("commit", 4, 4)]
    assert line.flushed() == {}
    nursery.cancel_scope.cancel()


async def test_each_batch_is_prepared_before_the_store_has_its_rows(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    """At most one at a time, whose note tells that the one before is stored."""
    line = RunBatcher()
    nursery.start_soon(line.batcher.run)
    await line.put(*range(10))
    first = await line.next(stored=False)
    assert line.notes == [("prepare", 1, 11)]
    await line.put(*range(10, 20))
    await trio.sleep(60)
    with pytest.raises(trio.WouldBlock):
        line.flushes.receive_nowait()
    assert line.notes == [("prepare", 1, 11)]
    first.stored.set()
    second = await line.next(stored=False)
    assert line.notes == [("prepare", 1, 11), ("prepare", 11, 21)]
    assert [tokens(first), tokens(second)] == [["1-11-events"], ["11-21-events"]]
    assert line.log.prepared == LogPoint(21, 20)
    assert not any(insert.attempted for insert in (*first.inserts, *second.inserts))
    nursery.cancel_scope.cancel()


async def test_a_stored_batch_is_noted_when_no_other_follows(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    line = RunBatcher()
    nursery.start_soon(line.batcher.run)
    await line.put(*range(10))
    await line.next()
    await trio.sleep(IDLE_SECONDS / 2)
    assert line.log.committed == START
    await trio.sleep(IDLE_SECONDS)
    assert line.notes[1:] == [("commit", 11, 11)]
    assert (line.log.committed, line.log.prepared) == (LogPoint(11, 10), None)
    await trio.sleep(60)
    assert len(line.notes) == 2
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize("failures", [1, 7])
async def test_a_batch_waits_until_its_end_is_noted(
    autojump_clock: MockClock, nursery: trio.Nursery, failures: int
) -> None:
    log = NotedLog()
    log.failures = failures
    line = RunBatcher(log)
    nursery.start_soon(line.batcher.run)
    await line.put(*range(10))
    await line.next()
    assert trio.current_time() == failures * LOG_SECONDS
    assert line.notes == [("prepare", 1, 11)]
    nursery.cancel_scope.cancel()


async def test_gathers_while_a_flush_is_being_stored_then_waits(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    line = RunBatcher(inbox_room=0)
    nursery.start_soon(line.batcher.run)
    await line.put(*range(10))
    first = await line.next(stored=False)
    sent = 10
    with trio.move_on_after(60):
        while True:
            await line.put(*range(sent, sent + 5))
            sent += 5
    assert line.batcher.gathered == ROOM * FLUSH_ROWS
    assert not line.batcher.has_work
    first.stored.set()
    assert numbers(await line.next()) == list(range(10, 10 + ROOM * FLUSH_ROWS))
    nursery.cancel_scope.cancel()


async def test_drains_when_its_inbox_ends(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    line = RunBatcher()
    nursery.start_soon(Supervisor().supervise, line.batcher)
    for _ in range(2):
        await line.put(*range(10))
    await line.put(1, 2, counters=[DROPPED])
    line.send.close()
    flushes = await line.until_end()
    assert sum(len(numbers(flush)) for flush in flushes) == 22
    # It has ended: everything is noted.
    assert line.log.committed == line.end
    assert line.log.prepared is None
    assert trio.current_time() == 0


async def prepared_batches(directory: Path, *sizes: int) -> tuple[Log, list[Flush]]:
    """A log as a crash leaves it while its second batch is being stored, and its batches."""
    log = open_log(directory)
    flushes: list[Flush] = []
    async with trio.open_nursery() as nursery:
        line = RunBatcher(log)
        nursery.start_soon(line.batcher.run)
        await line.send.send(FoldedRun(line.end, log.end, [], []))
        line.end = log.end
        for size in sizes:
            first = line.end.number
            await log.append([an_event(first + n) for n in range(size)], NOON)
            await line.put(*range(first, first + size))
            flushes.append(await line.next(stored=len(flushes) == 0))
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    log.close()
    return open_log(directory), flushes


async def test_a_prepared_batch_is_cut_again_where_an_earlier_process_had_cut_it(
    autojump_clock: MockClock, tmp_path: Path, nursery: trio.Nursery
) -> None:
    log, (_, interrupted) = await prepared_batches(tmp_path, 3, 4)
    assert (log.committed, log.prepared) == (LogPoint(4, 3), LogPoint(8, 7))
    line = RunBatcher(log)
    nursery.start_soon(line.batcher.run)
    # A size limit and a time limit are reached before the cut, and neither cuts.
    await line.put(3, 4)
    await trio.sleep(10 * FLUSH_SECONDS)
    with pytest.raises(trio.WouldBlock):
        line.flushes.receive_nowait()
    await line.put(5, 6)
    await line.put(*range(7, 17))
    again = await line.next()
    assert (numbers(again), tokens(again)) == (numbers(interrupted), tokens(interrupted))
    assert again.trigger is Trigger.REPLAY
    assert all(insert.attempted for insert in again.inserts)
    assert [insert.token for insert in again.inserts] == [
        insert.token for insert in interrupted.inserts
    ]
    following = await line.next()
    assert tokens(following) == ["8-18-events"]
    assert not any(insert.attempted for insert in following.inserts)
    nursery.cancel_scope.cancel()
    log.close()


@pytest.mark.parametrize(
    ("read", "gap_to", "expected"),
    [
        pytest.param([3, 4], 12, ["4-8-events"], id="some before the cut are lost"),
        pytest.param([], 12, [], id="all before the cut are lost"),
        pytest.param([3, 4], 8, ["4-8-events"], id="nothing follows but the log's end"),
        pytest.param([], 8, [], id="nothing is left"),
    ],
)
async def test_a_prepared_batch_ends_at_its_cut_though_records_are_lost(
    autojump_clock: MockClock,
    tmp_path: Path,
    nursery: trio.Nursery,
    read: list[int],
    gap_to: int,
    expected: list[str],
) -> None:
    log, _ = await prepared_batches(tmp_path, 3, 4)
    line = RunBatcher(log)
    nursery.start_soon(line.batcher.run)
    if read:
        await line.put(*read)
    end = LogPoint(gap_to, gap_to - 1)
    await line.send.send(FoldedRun(end, end, [], []))
    line.send.close()
    outcome: list[str] = []
    with trio.move_on_after(10 * FLUSH_SECONDS):
        async for flush in line.flushes:
            assert all(insert.attempted for insert in flush.inserts)
            flush.stored.set()
            outcome += tokens(flush)
    assert outcome == expected
    assert log.committed.position == gap_to
    assert log.prepared is None
    nursery.cancel_scope.cancel()
    log.close()


async def test_a_fold_that_stops_before_the_cut_leaves_the_batch_in_the_log(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """A batch with another end would have another token, and rows that the store has already."""
    log, _ = await prepared_batches(tmp_path, 3, 4)
    line = RunBatcher(log)
    await line.put(3, 4)
    line.send.close()
    await line.batcher.run()
    assert line.batcher.take_rest() == []
    assert (log.committed, log.prepared) == (LogPoint(4, 3), LogPoint(8, 7))
    log.close()


class Cut:
    """Waits for a cut."""

    def __init__(self, line: RunBatcher, point: LogPoint, nursery: trio.Nursery) -> None:
        self.done = False
        nursery.start_soon(self._wait, line, point)

    async def _wait(self, line: RunBatcher, point: LogPoint) -> None:
        await line.batcher.cut_at(point)
        self.done = True


async def test_a_cut_returns_once_the_log_has_noted_that_the_store_has_it(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    line = RunBatcher()
    nursery.start_soon(line.batcher.run)
    await line.put(1, 2)
    cut = Cut(line, line.end, nursery)
    flush = await line.next(stored=False)
    assert (tokens(flush), flush.trigger) == (["1-3-events"], Trigger.CHECKPOINT)
    await trio.sleep(3600)
    assert not cut.done
    flush.stored.set()
    assert isinstance(line.log, NotedLog)
    line.log.go_on = trio.Event()
    await trio.sleep(3600)
    # Something comes while the note is being written.
    await line.put(3)
    await trio.sleep(3600)
    assert not cut.done
    line.log.go_on.set()
    await wait_all_tasks_blocked()
    assert cut.done
    assert line.notes[:2] == [("prepare", 1, 3), ("commit", 3, 3)]
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize("failures", [1, 3])
async def test_a_cut_waits_for_a_note_that_fails(
    autojump_clock: MockClock, nursery: trio.Nursery, failures: int
) -> None:
    line = RunBatcher()
    nursery.start_soon(line.batcher.run)
    await line.put(1, 2)
    cut = Cut(line, line.end, nursery)
    await line.next()
    assert isinstance(line.log, NotedLog)
    line.log.failures = failures
    await line.put(3)
    await trio.sleep((failures - 0.5) * LOG_SECONDS)
    assert not cut.done
    await trio.sleep(LOG_SECONDS)
    assert cut.done
    nursery.cancel_scope.cancel()


async def test_a_cut_waits_for_no_time_when_nothing_is_new(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    line = RunBatcher()
    nursery.start_soon(line.batcher.run)
    with trio.fail_after(0.1):
        await line.batcher.cut_at(START)
    await line.put(1, 2)
    await line.next()
    # Stored, but not noted yet: that is hurried.
    with trio.fail_after(0.1):
        await line.batcher.cut_at(line.end)
    assert line.notes == [("prepare", 1, 3), ("commit", 3, 3)]
    with trio.fail_after(0.1):
        await line.batcher.cut_at(line.end)
    nursery.cancel_scope.cancel()


async def test_several_may_wait_for_cuts(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    line = RunBatcher()
    nursery.start_soon(line.batcher.run)
    await line.put(1, 2)
    first = Cut(line, line.end, nursery)
    await wait_all_tasks_blocked()
    await line.put(3)
    second = Cut(line, line.end, nursery)
    flush = await line.next()
    assert (tokens(flush), flush.trigger) == (["1-3-events"], Trigger.CHECKPOINT)
    with trio.fail_after(0.1):
        await line.next()
    await trio.sleep(0.1)
    assert first.done
    assert second.done
    nursery.cancel_scope.cancel()


async def test_a_cut_behind_what_is_gathered_waits_for_the_fold(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    line = RunBatcher()
    nursery.start_soon(line.batcher.run)
    await line.put(1)
    run = line.run(2)
    cut = Cut(line, run.end, nursery)
    await wait_all_tasks_blocked()
    await line.send.send(run)
    await line.put(3)
    flush = await line.next()
    assert tokens(flush) == ["1-3-events"]
    await trio.sleep(0.1)
    assert cut.done
    nursery.cancel_scope.cancel()


async def test_a_cut_before_what_is_gathered_takes_all_of_it(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    line = RunBatcher()
    nursery.start_soon(line.batcher.run)
    await line.put(1)
    point = line.end
    await line.put(2)
    await wait_all_tasks_blocked()
    cut = Cut(line, point, nursery)
    assert tokens(await line.next()) == ["1-3-events"]
    await trio.sleep(0.1)
    assert cut.done
    assert line.log.committed == line.end
    nursery.cancel_scope.cancel()


async def test_a_cut_that_nobody_waits_for_any_more_is_none(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    line = RunBatcher()
    nursery.start_soon(line.batcher.run)
    run = line.run(1, 2)
    with trio.move_on_after(1):
        await line.batcher.cut_at(run.end)
    await line.send.send(run)
    await line.put(3)
    flush = await line.next()
    assert (numbers(flush), flush.trigger) == ([1, 2, 3], Trigger.TIME)
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize("steps", range(25))
async def test_interrupted_at_any_point_it_goes_on(
    autojump_clock: MockClock, nursery: trio.Nursery, steps: int
) -> None:
    """Everything is handed over once, and every batch was prepared before that."""
    line = RunBatcher()
    for first in range(0, 30, 3):
        await line.put(first, first + 1, first + 2)
    line.send.close()
    flushes: list[Flush] = []

    async def store() -> None:
        async for flush in line.flushes:
            assert line.notes[-1][0] == "prepare"
            flushes.append(flush)
            await trio.sleep(1)
            flush.stored.set()

    nursery.start_soon(store)
    finished = False
    while not finished:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as running:
                running.start_soon(line.batcher.run)
                for _ in range(steps):
                    await trio.lowlevel.checkpoint()
                await trio.sleep(0.7)
                finished = not running.child_tasks
                scope.cancel()
    assert [number for flush in flushes for number in numbers(flush)] == list(range(30))
    points = [tuple(map(int, tokens(flush)[0].split("-")[:2])) for flush in flushes]
    assert [start for start, _ in points] == [1, *(end for _, end in points[:-1])]
    assert line.log.committed == line.end


async def test_a_failure_of_its_own_costs_nothing(
    autojump_clock: MockClock, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = RunBatcher()
    assert isinstance(line.log, NotedLog)
    for name in ("prepare", "commit"):
        method, failures = getattr(line.log, name), [ZeroDivisionError(), ZeroDivisionError()]

        async def failing(
            *arguments: LogPoint, method: Any = method, failures: Any = failures
        ) -> None:
            if failures:
                raise failures.pop()
            await method(*arguments)

        monkeypatch.setattr(line.log, name, failing)
    nursery.start_soon(Supervisor().supervise, line.batcher)
    await line.put(*range(10))
    await line.put(10)
    line.send.close()
    assert [number for flush in await line.until_end() for number in numbers(flush)] == [*range(11)]
    assert line.log.committed == line.end


async def test_take_rest_hands_out_everything_left(autojump_clock: MockClock) -> None:
    line = RunBatcher()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(line.batcher.run)
        await line.put(*range(10))
        handed_over = await line.next(stored=False)
        await line.put(*range(10, 10 + ROOM * FLUSH_ROWS))
        await line.put(90)
        await line.put(91, counters=[DROPPED])
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert numbers(handed_over) == list(range(10))
    (rest,) = line.batcher.take_rest()
    assert numbers(rest) == [*range(10, 10 + ROOM * FLUSH_ROWS), 90, 91]
    assert tokens(rest) == ["11-34-events", "11-34-counters"]
    assert not rest.kept
    assert line.batcher.take_rest() == []


async def test_take_rest_hands_out_a_batch_that_nobody_has_received(
    autojump_clock: MockClock,
) -> None:
    line = RunBatcher()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(line.batcher.run)
        await line.put(*range(10))
        await wait_all_tasks_blocked()
        await line.put(10)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    rest = line.batcher.take_rest()
    assert [numbers(flush) for flush in rest] == [list(range(10)), [10]]
    assert [tokens(flush) for flush in rest] == [["1-11-events"], ["11-12-events"]]


async def test_what_a_durable_log_has_stays_there(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    log = open_log(tmp_path)
    await log.append([COUNTS], NOON)
    line = RunBatcher(log)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(line.batcher.run)
        await line.put(*range(10))
        await line.put(11)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert line.batcher.take_rest() == []
    log.close()
