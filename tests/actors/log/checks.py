"""What holds for every log, whatever keeps its records and however they get there.

Each check is given the supply of a new log.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

import trio
from trio.testing import assert_checkpoints, wait_all_tasks_blocked

from actors.log.log import TOGETHER, Log
from ingest.records.record import Record
from ingest.records.run import Run
from tests.actors.log.records import COUNTS, END_OF_SOURCE, an_event, events, numbers
from tests.examples import NOON


class Supply(Protocol):
    """A log, and how records get into it."""

    @property
    def log(self) -> Log:
        """The log."""

    async def add(self, records: Sequence[Record], log_time: int = NOON) -> None:
        """Add a run."""

    def end(self) -> None:
        """Let the reader reach the end after what it has read, because nothing follows."""


Check = Callable[[Supply], Awaitable[None]]


async def take(log: Log, position: int, runs: int) -> list[Run]:
    """The next runs from a position on; waits until they are there."""
    taken: list[Run] = []
    with trio.fail_after(60):
        while len(taken) < runs:
            run = await log.read(position)
            assert run is not None
            taken.append(run)
            position = run.end
    return taken


async def runs_follow_each_other(supply: Supply) -> None:
    log, start = supply.log, supply.log.end
    await supply.add([an_event(1), COUNTS, an_event(2, "/caf\udce9")])
    await supply.add([END_OF_SOURCE], NOON + 1)
    await supply.add([an_event(3)], NOON + 2)
    runs = await take(log, start.position, 3)
    assert [numbers(run) for run in runs] == [[1, 2], [], [3]]
    assert [len(run.records) for run in runs] == [3, 1, 1]
    assert [run.log_time for run in runs] == [NOON, NOON + 1, NOON + 2]
    ends = [start, *(run.end_point for run in runs)]
    assert [(run.first, run.number) for run in runs] == ends[:-1]
    assert log.end == ends[-1]
    assert log.end.number == start.number + 3
    assert len({run.source_id for run in runs}) == 1


async def a_reader_waits_for_records(supply: Supply) -> None:
    seen: list[list[int]] = []
    start = supply.log.end.position

    async def read() -> None:
        position = start
        while (run := await supply.log.read(position)) is not None:
            seen.append(numbers(run))
            position = run.end

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            await wait_all_tasks_blocked()
            await supply.add(events(0, 2))
            await wait_all_tasks_blocked()
            assert seen == [[0, 1]]
            await supply.add(events(2, 3))
            await supply.add(events(3, 4))
            await wait_all_tasks_blocked()
            assert seen == [[0, 1], [2], [3]]
            supply.end()
    assert await supply.log.read(supply.log.end.position) is None


async def a_reader_can_give_up_waiting(supply: Supply) -> None:
    log, start = supply.log, supply.log.end.position
    with trio.CancelScope() as scope:
        scope.cancel()
        await log.read(start)
    assert scope.cancelled_caught
    async with trio.open_nursery() as nursery:
        nursery.start_soon(log.read, start)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    await supply.add(events(0, 1))
    (run,) = await take(log, start, 1)
    assert numbers(run) == [0]


async def a_reader_may_begin_anywhere(supply: Supply) -> None:
    log, start = supply.log, supply.log.end.position
    await supply.add([*events(0, 2), COUNTS, *events(2, 4)])
    await supply.add(events(4, 6))
    first, second = await take(log, start, 2)
    for whole, skipped, expected in (
        (second, 1, [5]),
        (first, 0, [0, 1, 2, 3]),
        (first, 1, [1, 2, 3]),
        (first, 2, [2, 3]),
        (first, 3, [2, 3]),
        (first, 4, [3]),
        (second, 0, [4, 5]),
    ):
        (run,) = await take(log, whole.first + skipped, 1)
        assert (run.first, run.end) == (whole.first + skipped, whole.end)
        assert numbers(run) == expected


async def reading_is_a_checkpoint_after_some_records(supply: Supply) -> None:
    start = supply.log.end.position
    for number in range(TOGETHER + 2):
        await supply.add(events(number, number + 1))
    (run,) = await take(supply.log, start, 1)
    with assert_checkpoints():
        await take(supply.log, run.end, TOGETHER)
    with trio.CancelScope() as scope:
        scope.cancel()
        await supply.log.read(run.end)
    assert scope.cancelled_caught


async def batches_are_prepared_and_committed(supply: Supply) -> None:
    log, start = supply.log, supply.log.end.position
    await supply.add([*events(0, 2), COUNTS])
    await supply.add([COUNTS, *events(2, 5)])
    first, second = await take(log, start, 2)
    begin, middle, end = log.committed, first.end_point, second.end_point
    assert log.backlog == 5
    await log.prepare(middle, begin)
    assert (log.committed, log.prepared, log.backlog) == (begin, middle, 5)
    await log.prepare(end, middle)
    assert (log.committed, log.prepared, log.backlog) == (middle, end, 3)
    supply.end()
    await log.commit(end)
    assert (log.committed, log.prepared, log.backlog) == (end, None, 0)
    assert log.lost == 0


async def what_is_not_committed_can_be_read(supply: Supply) -> None:
    log, start = supply.log, supply.log.end
    await supply.add(events(0, 2))
    await supply.add(events(2, 5))
    first, second = await take(log, start.position, 2)
    for point, expected in ((start, [first, second]), (first.end_point, [second])):
        await log.commit(point)
        log.retire(second.end)
        assert log.first <= point.position
        runs = await take(log, point.position, len(expected))
        assert [list(run.records) for run in runs] == [list(run.records) for run in expected]


async def it_syncs_what_it_has(supply: Supply) -> None:
    start = supply.log.end.position
    await supply.log.sync()
    await supply.add(events(0, 3))
    await supply.log.sync()
    await supply.log.sync()
    (run,) = await take(supply.log, start, 1)
    assert numbers(run) == [0, 1, 2]


async def it_tells_how_it_is(supply: Supply) -> None:
    log, start = supply.log, supply.log.end.position
    await supply.add(events(0, 3))
    await take(log, start, 1)
    status = log.status()
    assert status["status"] == "ok"
    assert status["backlog_events"] == log.figures()["sluice_journal_backlog_events"] == 3
    assert (log.problem, log.lost) == (None, 0)
    assert all(name.startswith("sluice_") for name in log.figures())
    log.lost = 7
    assert log.status()["status"] == "degraded"
    assert log.status()["events_lost"] == log.figures()["sluice_journal_events_lost"] == 7


CHECKS: Final[list[Check]] = [
    runs_follow_each_other,
    a_reader_waits_for_records,
    a_reader_can_give_up_waiting,
    a_reader_may_begin_anywhere,
    reading_is_a_checkpoint_after_some_records,
    batches_are_prepared_and_committed,
    what_is_not_committed_can_be_read,
    it_syncs_what_it_has,
    it_tells_how_it_is,
]
