import contextlib
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.journal.file_journal import FileJournal
from actors.journal.journal import JournalError, MemoryJournal
from actors.pipeline.batcher import ROOM, Batcher
from actors.supervision.supervisor import Supervisor
from ingest.rows.batch import Batch, Flush, Insert
from ingest.rows.layout import EventRows, Run, event_row
from ingest.sessions.session import begin
from ingest.telemetry.metrics import Metrics
from tests.actors.fakes import LettersAtOnce
from tests.examples import an_enriched_event

FLUSH_ROWS = 10
FLUSH_SECONDS = 5.0


def events(*numbers: int) -> tuple[EventRows, ...]:
    return tuple(EventRows((number,), ()) for number in numbers)


class Desk:
    def __init__(self, directory: Path) -> None:
        self.metrics = Metrics(lambda domain: True)
        self.journal = MemoryJournal()
        self.letters = LettersAtOnce(directory)
        self.send, inbox = trio.open_memory_channel[Run](0)
        outlet, self.flushes = trio.open_memory_channel[Flush](0)
        self.batcher = Batcher(
            inbox,
            outlet,
            self.journal,
            self.metrics,
            self.letters,
            flush_rows=FLUSH_ROWS,
            flush_seconds=FLUSH_SECONDS,
        )

    def run(self, *numbers: int) -> Run:
        """The next run of events."""
        rows = events(*numbers)
        return Run(self.journal.append(rows), rows)

    async def put(self, *numbers: int) -> None:
        await self.send.send(self.run(*numbers))

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
    await desk.put(*range(9))
    await desk.put(9)
    assert await desk.flush() == list(range(10))
    assert trio.current_time() == 0
    assert desk.flushed("size") == 1
    nursery.cancel_scope.cancel()


async def test_flushes_by_time_since_the_first_event(
    autojump_clock: MockClock, desk: Desk, nursery: trio.Nursery
) -> None:
    nursery.start_soon(desk.batcher.run)
    await trio.sleep(3)
    await desk.put(1)
    await trio.sleep(4)
    await desk.put(2)
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
    await desk.put(*range(10))
    await wait_all_tasks_blocked()
    sent = 10
    with trio.move_on_after(60):
        while True:
            await desk.put(*range(sent, sent + 5))
            sent += 5
    assert desk.batcher.gathered == ROOM * FLUSH_ROWS
    assert await desk.flush() == list(range(10))
    assert await desk.flush() == list(range(10, 10 + ROOM * FLUSH_ROWS))
    await desk.put(99)
    assert await desk.flush() == [99]
    nursery.cancel_scope.cancel()


async def test_drains_when_its_inbox_ends(
    autojump_clock: MockClock, desk: Desk, nursery: trio.Nursery
) -> None:
    nursery.start_soon(Supervisor().supervise, desk.batcher)
    await desk.put(1, 2)
    desk.send.close()
    assert [numbers(flush) async for flush in desk.flushes] == [[1, 2]]
    assert desk.flushed("drain") == 1
    assert trio.current_time() == 0


async def test_batches_have_ids_of_their_own(
    autojump_clock: MockClock, desk: Desk, nursery: trio.Nursery
) -> None:
    nursery.start_soon(Supervisor().supervise, desk.batcher)
    for _ in range(2):
        await desk.put(*range(10))
        await wait_all_tasks_blocked()
    desk.send.close()
    tokens = [insert.token async for flush in desk.flushes for insert in flush]
    assert tokens == [f"{desk.journal.id}-0-10-events", f"{desk.journal.id}-10-20-events"]


async def test_cancelled_it_loses_nothing(
    autojump_clock: MockClock, desk: Desk, nursery: trio.Nursery
) -> None:
    async with trio.open_nursery() as first:
        first.start_soon(desk.batcher.run)
        await desk.put(*range(10))
        await wait_all_tasks_blocked()
        await desk.put(10, 11)
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
    await desk.put(1, 2, 3)
    desk.send.close()
    assert [numbers(flush) async for flush in desk.flushes] == [[1, 3]]
    (letter,) = [desk.letters.directory.read(letter_id).content for letter_id in desk.letters.ids()]
    assert isinstance(letter, Insert)
    assert (letter.table, letter.rows) == ("events_v2", ((2,),))


class OnDisk:
    """A batcher over a journal on disk, and the tokens of what it hands over."""

    def __init__(self, journal: FileJournal, directory: Path, room: int = 1) -> None:
        self.journal = journal
        self.send, inbox = trio.open_memory_channel[Run](room)
        outlet, self.flushes = trio.open_memory_channel[Flush](0)
        self.batcher = Batcher(
            inbox,
            outlet,
            journal,
            Metrics(lambda domain: True),
            LettersAtOnce(directory / "letters"),
            flush_rows=FLUSH_ROWS,
            flush_seconds=FLUSH_SECONDS,
        )

    def accept(self, count: int = 1) -> None:
        """As the sessions actor does: what the inbox has no room for is in the journal."""
        rows = some_rows(self.journal.end, count)
        first = self.journal.append(rows)
        with contextlib.suppress(trio.WouldBlock):
            self.send.send_nowait(Run(first, rows))

    async def flush(self) -> tuple[str, list[int]]:
        (insert,) = await self.flushes.receive()
        return insert.token, [int(row[6][1:]) for row in insert.rows]


def some_rows(first: int, count: int) -> tuple[EventRows, ...]:
    """Rows whose page tells the position."""
    rows = []
    for position in range(first, first + count):
        event = an_enriched_event(pathname=f"/{position}")
        rows.append(EventRows(event_row(event, begin(event, position)), ()))
    return tuple(rows)


async def test_what_its_inbox_has_no_room_for_is_read_from_the_journal(
    autojump_clock: MockClock, tmp_path: Path, nursery: trio.Nursery
) -> None:
    """Hundreds of runs while the writer is busy: memory holds a few, the disk the rest."""
    journal = FileJournal.open(tmp_path, limit=10_000_000)
    desk = OnDisk(journal, tmp_path)
    nursery.start_soon(Supervisor().supervise, desk.batcher)
    for _ in range(300):
        desk.accept()
    await wait_all_tasks_blocked()
    assert desk.batcher.gathered <= ROOM * FLUSH_ROWS
    desk.send.close()
    numbers: list[int] = []
    sizes: list[int] = []
    while len(numbers) < 300:
        _, flushed = await desk.flush()
        numbers += flushed
        journal.acknowledge(len(numbers))
        sizes.append(len(flushed))
    assert numbers == list(range(300))
    assert max(sizes) <= ROOM * FLUSH_ROWS
    assert (journal.stored, journal.planned) == (300, ())


async def test_an_idle_inbox_does_not_hide_what_is_in_the_journal(
    autojump_clock: MockClock, tmp_path: Path, nursery: trio.Nursery
) -> None:
    desk = OnDisk(FileJournal.open(tmp_path, limit=10_000_000), tmp_path)
    desk.accept(3)
    desk.accept(4)  # no room
    nursery.start_soon(desk.batcher.run)
    _, flushed = await desk.flush()
    assert flushed == list(range(7))
    nursery.cancel_scope.cancel()


async def test_batches_are_cut_again_where_an_earlier_process_had_cut_them(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    journal = FileJournal.open(tmp_path, limit=10_000_000)
    tokens: list[tuple[str, list[int]]] = []
    async with trio.open_nursery() as nursery:
        desk = OnDisk(journal, tmp_path)
        nursery.start_soon(desk.batcher.run)
        for count in (3, 4):
            desk.accept(count)
            tokens.append(await desk.flush())
        desk.accept(2)
        nursery.cancel_scope.cancel()
    journal.close()

    journal = FileJournal.open(tmp_path, limit=10_000_000)
    assert (journal.stored, journal.planned, journal.end) == (0, (3, 7), 9)
    async with trio.open_nursery() as nursery:
        desk = OnDisk(journal, tmp_path)
        nursery.start_soon(desk.batcher.run)
        desk.accept(1)
        assert [await desk.flush(), await desk.flush()] == tokens
        assert await desk.flush() == (f"{journal.id}-7-10-events", [7, 8, 9])
        nursery.cancel_scope.cancel()


async def test_a_batch_waits_until_its_end_is_noted(
    autojump_clock: MockClock,
    tmp_path: Path,
    nursery: trio.Nursery,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk = OnDisk(FileJournal.open(tmp_path, limit=10_000_000), tmp_path)
    desk.accept(FLUSH_ROWS)

    def fail(end: int) -> None:
        raise JournalError("the disk is gone")

    with monkeypatch.context() as patch:
        patch.setattr(desk.journal, "plan", fail)
        nursery.start_soon(desk.batcher.run)
        with trio.move_on_after(60) as waiting:
            await desk.flush()
        assert waiting.cancelled_caught
    assert (await desk.flush())[1] == list(range(FLUSH_ROWS))
    nursery.cancel_scope.cancel()


async def test_take_hands_out_everything_left(desk: Desk) -> None:
    send, inbox = trio.open_memory_channel[Run](5)
    desk.batcher._inbox = inbox
    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk.batcher.run)
        await send.send(desk.run(*range(10)))
        await wait_all_tasks_blocked()
        await send.send(desk.run(10))
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    send.send_nowait(desk.run(11))
    assert [numbers(flush) for flush in desk.batcher.take()] == [list(range(10)), [10, 11]]
    assert desk.batcher.take() == []
