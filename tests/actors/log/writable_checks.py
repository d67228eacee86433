"""What holds for every log that this process appends to, beyond what holds for every log.

Each check is given a new log that takes at least 20,000 events, and fewer than 200,000.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import pytest
import trio

from actors.log.log import TAIL_RECORDS, LogError, LogFullError, LogPoint, WritableLog
from ingest.records.record import Record
from ingest.records.run import Run
from tests.actors.log.records import COUNTS, DESCRIPTION, END_OF_SOURCE, an_event, events, numbers
from tests.examples import NOON

WritableCheck = Callable[[WritableLog], Awaitable[None]]


class AppendingSupply:
    """Supplies a log by appending to it."""

    def __init__(self, log: WritableLog) -> None:
        self.log = log

    async def add(self, records: Sequence[Record], log_time: int = NOON) -> None:
        await self.log.append(records, log_time)

    def end(self) -> None:
        self.log.seal()


async def read_runs(log: WritableLog, position: int = 0) -> list[Run]:
    """What is there from a position on."""
    runs: list[Run] = []
    while position < log.end.position:
        run = await log.read(position)
        assert run is not None
        runs.append(run)
        position = run.end
    return runs


async def read_numbers(log: WritableLog, position: int = 0) -> list[int]:
    """The events that are there from a position on, by their numbers."""
    return [number for run in await read_runs(log, position) for number in numbers(run)]


async def append_events(log: WritableLog, first: int, last: int) -> int:
    return await log.append(events(first, last), NOON)


async def fill(log: WritableLog, events_in_run: int = 1000) -> int:
    """Append until the log is full; returns how many runs it took."""
    run = events(0, events_in_run)
    for runs in range(1000):
        try:
            await log.append(run, NOON)
        except LogFullError:
            return runs
    raise AssertionError("the log is never full")


async def it_begins_with_its_description(log: WritableLog) -> None:
    assert log.first == 0
    assert log.end.number == 0
    assert log.committed == LogPoint(0, 0)
    assert log.prepared is None
    assert (log.accepting, log.broken) == (True, None)
    run = await log.read(0)
    assert run is not None
    assert tuple(run.records) == (DESCRIPTION,)
    assert (run.source_id, run.first, run.end) == (log.source_id, 0, log.end.position)


async def records_come_back_as_they_were_appended(log: WritableLog) -> None:
    """Text that is no UTF-8 included."""
    start = log.end
    records: list[Record] = [an_event(1), COUNTS, an_event(2, "/caf\udce9"), END_OF_SOURCE]
    assert await log.append(records, NOON) == start.position
    assert await log.append([DESCRIPTION], NOON + 1) == start.position + 4
    assert await log.append([an_event(3)], NOON + 2) == start.position + 5
    assert log.end == LogPoint(start.position + 6, start.number + 3)
    first, second, third = await read_runs(log, start.position)
    assert list(first.records) == records
    assert (first.first, first.number, first.log_time) == (start.position, start.number, NOON)
    assert list(second.records) == [DESCRIPTION]
    assert (second.first, second.number) == (start.position + 4, start.number + 2)
    assert list(third.records) == [an_event(3)]
    assert (third.number, third.log_time) == (start.number + 2, NOON + 2)
    assert {run.source_id for run in (first, second, third)} == {log.source_id}


async def what_was_appended_stays_as_it_was(log: WritableLog) -> None:
    """Whatever the caller does with the list."""
    records = events(0, 3)
    position = await log.append(records, NOON)
    records.clear()
    assert await read_numbers(log, position) == [0, 1, 2]


async def positions_follow_the_order_of_calls(log: WritableLog) -> None:
    start = log.end.position
    positions: dict[int, int] = {}

    async def append(number: int) -> None:
        positions[number] = await append_events(log, 10 * number, 10 * number + 10)

    async with trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(append, number)
    by_position = sorted(positions, key=positions.__getitem__)
    assert sorted(positions.values()) == [start + 10 * number for number in range(20)]
    expected = [10 * number + step for number in by_position for step in range(10)]
    assert await read_numbers(log, start) == expected


async def readers_see_nothing_before_its_append_has_returned(log: WritableLog) -> None:
    returned: set[int] = set()
    start = log.end.position

    async def append(number: int) -> None:
        returned.add(await append_events(log, number, number + 1))

    async def read() -> None:
        position = start
        while position < start + 10:
            run = await log.read(position)
            assert run is not None
            assert run.first in returned
            position = run.end

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            for number in range(10):
                nursery.start_soon(append, number)


async def events_have_their_numbers_wherever_a_reader_begins(log: WritableLog) -> None:
    first = await log.append([*events(0, 2), COUNTS, *events(2, 4)], NOON)
    await append_events(log, 4, 6)
    for skipped, number in enumerate([0, 1, 2, 2, 3, 4, 5]):
        run = await log.read(first + skipped)
        assert run is not None
        assert run.number == number


async def a_reader_may_be_far_behind(log: WritableLog) -> None:
    """Beyond what is in memory."""
    start = log.end.position
    for first in range(0, TAIL_RECORDS + 2000, 1000):
        await append_events(log, first, first + 1000)
    assert await read_numbers(log, start) == list(range(log.end.number))
    run = await log.read(start + 1500)
    assert run is not None
    assert numbers(run) == list(range(1500, 2000))


async def a_sealed_log_takes_no_more(log: WritableLog) -> None:
    position = await append_events(log, 0, 2)
    log.seal()
    with pytest.raises(LogError):
        await append_events(log, 2, 3)
    run = await log.read(position)
    assert run is not None
    assert numbers(run) == [0, 1]
    assert await log.read(run.end) is None
    await log.commit(log.end)
    assert log.backlog == 0


async def a_batch_may_end_within_a_run(log: WritableLog) -> None:
    position = await append_events(log, 0, 5)
    middle = LogPoint(position + 2, 2)
    await log.prepare(middle, log.committed)
    await log.prepare(log.end, middle)
    log.retire(log.end.position)
    assert (log.committed, log.backlog) == (middle, 3)
    assert log.first <= middle.position
    assert await read_numbers(log, middle.position) == [2, 3, 4]


async def a_full_log_takes_more_once_it_has_room(log: WritableLog) -> None:
    runs = await fill(log)
    end = log.end
    assert end.number == 1000 * runs
    assert (log.full, log.accepting, log.status()["status"]) == (True, False, "down")
    await log.commit(end)
    log.retire(end.position)
    assert (log.full, log.accepting, log.status()["status"]) == (False, True, "ok")
    assert log.first >= end.position
    assert await fill(log) >= runs - 1


async def a_reader_behind_what_is_gone_begins_at_the_first(log: WritableLog) -> None:
    await fill(log)
    await log.commit(log.end)
    log.retire(log.end.position)
    position = await append_events(log, 7, 8)
    run = await log.read(0)
    assert run is not None
    assert run.first == log.first <= position
    assert await read_numbers(log, 0) == [7]
    assert log.lost == 0


async def a_cancelled_append_is_whole_or_nothing(log: WritableLog) -> None:
    start = log.end.position
    with trio.CancelScope() as scope:
        scope.cancel()
        await append_events(log, 0, 3)
    position = await append_events(log, 3, 5)
    seen = await read_numbers(log, start)
    assert seen in ([3, 4], [0, 1, 2, 3, 4])
    assert log.end == LogPoint(position + 2, len(seen))


WRITABLE_CHECKS: Final[list[WritableCheck]] = [
    it_begins_with_its_description,
    records_come_back_as_they_were_appended,
    what_was_appended_stays_as_it_was,
    positions_follow_the_order_of_calls,
    readers_see_nothing_before_its_append_has_returned,
    events_have_their_numbers_wherever_a_reader_begins,
    a_reader_may_be_far_behind,
    a_sealed_log_takes_no_more,
    a_batch_may_end_within_a_run,
    a_full_log_takes_more_once_it_has_room,
    a_reader_behind_what_is_gone_begins_at_the_first,
    a_cancelled_append_is_whole_or_nothing,
]
