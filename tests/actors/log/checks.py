"""What holds for every log, whatever keeps its records.

Each check is given a new log that takes at least 20,000 events, and fewer than 200,000.
"""

from collections.abc import Awaitable, Callable
from typing import Final

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.log.log import TAIL_RECORDS, LogError, LogFullError, LogPoint, WritableLog
from ingest.model.event import EnrichedEvent
from ingest.records.record import Description, Record
from ingest.records.run import Run
from tests.actors.log.records import COUNTS, DESCRIPTION, END_OF_SOURCE, an_event, events, numbers
from tests.examples import NOON

Check = Callable[[WritableLog], Awaitable[None]]


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


async def a_reader_waits_for_records(log: WritableLog) -> None:
    seen: list[list[int]] = []
    start = log.end.position

    async def read() -> None:
        position = start
        while (run := await log.read(position)) is not None:
            seen.append(numbers(run))
            position = run.end

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            await wait_all_tasks_blocked()
            await append_events(log, 0, 2)
            await wait_all_tasks_blocked()
            assert seen == [[0, 1]]
            await append_events(log, 2, 3)
            await append_events(log, 3, 4)
            await wait_all_tasks_blocked()
            assert seen == [[0, 1], [2], [3]]
            log.seal()


async def a_reader_can_give_up_waiting(log: WritableLog) -> None:
    with trio.CancelScope() as scope:
        scope.cancel()
        await log.read(log.end.position)
    assert scope.cancelled_caught
    async with trio.open_nursery() as nursery:
        nursery.start_soon(log.read, log.end.position)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    position = await append_events(log, 0, 1)
    assert await read_numbers(log, position) == [0]


async def a_reader_may_begin_anywhere(log: WritableLog) -> None:
    first = await log.append([*events(0, 2), COUNTS, *events(2, 4)], NOON)
    await append_events(log, 4, 6)
    for position, number, expected in (
        (first, 0, [0, 1, 2, 3]),
        (first + 1, 1, [1, 2, 3]),
        (first + 2, 2, [2, 3]),
        (first + 3, 2, [2, 3]),
        (first + 4, 3, [3]),
        (first + 6, 5, [5]),
    ):
        run = await log.read(position)
        assert run is not None
        assert (run.first, run.number, numbers(run)) == (position, number, expected)


async def a_reader_may_be_far_behind(log: WritableLog) -> None:
    """Beyond what is in memory."""
    start = log.end.position
    for first in range(0, TAIL_RECORDS + 2000, 1000):
        await append_events(log, first, first + 1000)
    assert await read_numbers(log, start) == list(range(log.end.number))
    run = await log.read(start + 1500)
    assert run is not None
    assert numbers(run) == list(range(1500, 2000))


async def reading_is_a_checkpoint(log: WritableLog) -> None:
    with trio.testing.assert_checkpoints():
        await log.read(0)


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


async def batches_are_prepared_and_committed(log: WritableLog) -> None:
    await log.append([*events(0, 4), COUNTS, COUNTS], NOON)
    begin, end = log.committed, log.end
    middle = LogPoint(end.position - 4, 2)
    assert log.backlog == 4
    await log.prepare(middle, begin)
    assert (log.committed, log.prepared, log.backlog) == (begin, middle, 4)
    await log.prepare(end, middle)
    assert (log.committed, log.prepared, log.backlog) == (middle, end, 2)
    await log.commit(end)
    assert (log.committed, log.prepared, log.backlog) == (end, None, 0)
    assert log.lost == 0


async def what_is_not_committed_can_be_read(log: WritableLog) -> None:
    position = await append_events(log, 0, 5)
    middle = LogPoint(position + 2, 2)
    for point in (log.committed, middle):
        await log.commit(point)
        log.retire(log.end.position)
        assert log.first <= max(point.position, position)
        assert await read_numbers(log, max(point.position, position)) == list(
            range(point.number, 5)
        )


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


async def it_syncs_what_it_has(log: WritableLog) -> None:
    await log.sync()
    position = await append_events(log, 0, 3)
    await log.sync()
    await log.sync()
    assert await read_numbers(log, position) == [0, 1, 2]


async def it_tells_how_it_is(log: WritableLog) -> None:
    await append_events(log, 0, 3)
    status = log.status()
    assert status["status"] == "ok"
    assert status["backlog_events"] == log.figures()["sluice_journal_backlog_events"] == 3
    assert (log.problem, log.broken, log.lost, log.accepting) == (None, None, 0, True)
    assert all(name.startswith("sluice_") for name in log.figures())
    log.lost = 7
    assert log.status()["status"] == "degraded"
    assert log.status()["events_lost"] == log.figures()["sluice_journal_events_lost"] == 7


async def events_are_counted_not_records(log: WritableLog) -> None:
    await log.append([Description(60), COUNTS], NOON)
    await log.append(events(0, 2), NOON)
    assert log.backlog == 2
    counted = [
        isinstance(record, EnrichedEvent) for run in await read_runs(log) for record in run.records
    ]
    assert sum(counted) == log.end.number == 2
    assert len(counted) == log.end.position


CHECKS: Final[list[Check]] = [
    it_begins_with_its_description,
    records_come_back_as_they_were_appended,
    what_was_appended_stays_as_it_was,
    positions_follow_the_order_of_calls,
    readers_see_nothing_before_its_append_has_returned,
    a_reader_waits_for_records,
    a_reader_can_give_up_waiting,
    a_reader_may_begin_anywhere,
    a_reader_may_be_far_behind,
    reading_is_a_checkpoint,
    a_sealed_log_takes_no_more,
    batches_are_prepared_and_committed,
    what_is_not_committed_can_be_read,
    a_full_log_takes_more_once_it_has_room,
    a_reader_behind_what_is_gone_begins_at_the_first,
    a_cancelled_append_is_whole_or_nothing,
    it_syncs_what_it_has,
    it_tells_how_it_is,
    events_are_counted_not_records,
]
