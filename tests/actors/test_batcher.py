from collections.abc import Sequence
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.batcher import ROOM, Batcher
from actors.dead_letters import DeadLetters
from actors.supervisor import Supervisor
from ingest.metrics import Metrics
from ingest.rows.batch import Batch, Flush, Insert
from ingest.rows.layout import EventRows

FLUSH_ROWS = 10
FLUSH_SECONDS = 5.0


def events(*numbers: int) -> tuple[EventRows, ...]:
    return tuple(EventRows((number,), ()) for number in numbers)


class Desk:
    def __init__(self, directory: Path) -> None:
        self.metrics = Metrics(lambda domain: True)
        self.letters = DeadLetters(directory)
        self.send, inbox = trio.open_memory_channel[Sequence[EventRows]](0)
        outlet, self.flushes = trio.open_memory_channel[Flush](0)
        self.batcher = Batcher(
            inbox,
            outlet,
            self.metrics,
            self.letters,
            flush_rows=FLUSH_ROWS,
            flush_seconds=FLUSH_SECONDS,
            batch_prefix="b",
        )

    async def flush(self) -> list[int]:
        return numbers(await self.flushes.receive())

    def flushed(self, trigger: str) -> float:
        value = self.metrics.registry.get_sample_value("sluice_batches_total", {"trigger": trigger})
        return value or 0


def numbers(flush: Flush) -> list[int]:
    return [row[0] for insert in flush for row in insert.rows if insert.table == "events_v2"]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


async def test_flushes_by_size_at_once(
    autojump_clock: MockClock, desk: Desk, nursery: trio.Nursery
) -> None:
    nursery.start_soon(desk.batcher.run)
    await desk.send.send(events(*range(9)))
    await desk.send.send(events(9))
    assert await desk.flush() == list(range(10))
    assert trio.current_time() == 0
    assert desk.flushed("size") == 1
    nursery.cancel_scope.cancel()


async def test_flushes_by_time_since_the_first_event(
    autojump_clock: MockClock, desk: Desk, nursery: trio.Nursery
) -> None:
    nursery.start_soon(desk.batcher.run)
    await trio.sleep(3)
    await desk.send.send(events(1))
    await trio.sleep(4)
    await desk.send.send(events(2))
    assert await desk.flush() == [1, 2]
    assert trio.current_time() == 3 + FLUSH_SECONDS
    assert desk.flushed("time") == 1
    nursery.cancel_scope.cancel()


async def test_flushes_nothing_when_there_is_nothing(
    autojump_clock: MockClock, desk: Desk, nursery: trio.Nursery
) -> None:
    nursery.start_soon(desk.batcher.run)
    with trio.move_on_after(10 * FLUSH_SECONDS) as waiting:
        await desk.flush()
    assert waiting.cancelled_caught
    nursery.cancel_scope.cancel()


async def test_gathers_while_a_flush_is_being_taken_then_waits(
    autojump_clock: MockClock, desk: Desk, nursery: trio.Nursery
) -> None:
    """The writer is busy: the batch grows beyond its size, up to a limit, then senders wait."""
    nursery.start_soon(desk.batcher.run)
    await desk.send.send(events(*range(10)))
    await wait_all_tasks_blocked()
    sent = 10
    with trio.move_on_after(60):
        while True:
            await desk.send.send(events(*range(sent, sent + 5)))
            sent += 5
    assert desk.batcher.gathered == ROOM * FLUSH_ROWS
    assert await desk.flush() == list(range(10))
    assert await desk.flush() == list(range(10, 10 + ROOM * FLUSH_ROWS))
    await desk.send.send(events(99))
    assert await desk.flush() == [99]
    nursery.cancel_scope.cancel()


async def test_drains_when_its_inbox_ends(
    autojump_clock: MockClock, desk: Desk, nursery: trio.Nursery
) -> None:
    nursery.start_soon(Supervisor().supervise, desk.batcher)
    await desk.send.send(events(1, 2))
    desk.send.close()
    assert [numbers(flush) async for flush in desk.flushes] == [[1, 2]]
    assert desk.flushed("drain") == 1
    assert trio.current_time() == 0


async def test_batches_have_ids_of_their_own(
    autojump_clock: MockClock, desk: Desk, nursery: trio.Nursery
) -> None:
    nursery.start_soon(Supervisor().supervise, desk.batcher)
    for _ in range(2):
        await desk.send.send(events(*range(10)))
        await wait_all_tasks_blocked()
    desk.send.close()
    tokens = [insert.token async for flush in desk.flushes for insert in flush]
    assert tokens == ["b-1-events", "b-2-events"]


async def test_cancelled_it_loses_nothing(
    autojump_clock: MockClock, desk: Desk, nursery: trio.Nursery
) -> None:
    async with trio.open_nursery() as first:
        first.start_soon(desk.batcher.run)
        await desk.send.send(events(*range(10)))
        await wait_all_tasks_blocked()
        await desk.send.send(events(10, 11))
        await wait_all_tasks_blocked()
        first.cancel_scope.cancel()
    nursery.start_soon(Supervisor().supervise, desk.batcher)
    desk.send.close()
    assert [numbers(flush) async for flush in desk.flushes] == [list(range(10)), [10, 11]]


async def test_rows_that_cannot_be_gathered_cost_no_other(
    autojump_clock: MockClock,
    desk: Desk,
    nursery: trio.Nursery,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add = Batch.add

    def fail_on_two(batch: Batch, rows: EventRows) -> None:
        if rows.event == (2,):
            raise ZeroDivisionError
        add(batch, rows)

    monkeypatch.setattr(Batch, "add", fail_on_two)
    nursery.start_soon(Supervisor().supervise, desk.batcher)
    await desk.send.send(events(1, 2, 3))
    desk.send.close()
    assert [numbers(flush) async for flush in desk.flushes] == [[1, 3]]
    (letter,) = [desk.letters.read(letter_id).content for letter_id in desk.letters.ids()]
    assert isinstance(letter, Insert)
    assert (letter.table, letter.rows) == ("events_v2", ((2,),))


async def test_take_hands_out_everything_left(desk: Desk) -> None:
    send, inbox = trio.open_memory_channel[Sequence[EventRows]](5)
    desk.batcher._inbox = inbox
    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk.batcher.run)
        await send.send(events(*range(10)))
        await wait_all_tasks_blocked()
        await send.send(events(10))
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    send.send_nowait(events(11))
    assert [numbers(flush) for flush in desk.batcher.take()] == [list(range(10)), [10, 11]]
    assert desk.batcher.take() == []
