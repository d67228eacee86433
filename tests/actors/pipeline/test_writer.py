from itertools import pairwise
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from actors.journal.file_journal import FileJournal
from actors.journal.journal import MemoryJournal
from actors.letters.dead_letters import DeadLetters
from actors.pipeline.writer import BREAKS_AFTER, INSERT_SECONDS, LETTERS_PER_INSERT, Retry, Writer
from actors.supervision.supervisor import Supervisor
from actors.supervision.traces import Tracing
from ingest.rows.batch import Flush, Insert
from ingest.rows.schema import TABLES
from ingest.telemetry.metrics import Metrics
from tests.actors.fakes import FakeStore, LettersAtOnce, Told, an_outage


def an_insert(*numbers: int, token: str = "t", letter: str | None = None) -> Insert:
    return Insert("events_v2", tuple((number,) for number in numbers), token, letter)


class Desk:
    """A writer with its store and its dead letters."""

    def __init__(
        self, directory: Path, *, opened: bool = True, tracing: Tracing | None = None
    ) -> None:
        self.store = FakeStore()
        self.journal = MemoryJournal()
        self.letters = LettersAtOnce(directory, lambda: 1_790_000_000.0)
        self.metrics = Metrics(lambda domain: True)
        self.send, inbox = trio.open_memory_channel[Flush](10)
        self.writer = Writer(
            inbox,
            self.store,
            self.journal,
            self.letters,
            self.metrics,
            opened=opened,
            retry=Retry(first=1, longest=8),
            jitter=lambda: 1.0,
            tracing=tracing,
        )

    async def write(self, *flushes: Flush) -> None:
        for flush in flushes:
            await self.send.send(flush)
        self.send.close()
        await Supervisor().supervise(self.writer)

    def kept(self) -> list[Insert]:
        contents = [
            self.letters.directory.read(letter_id).content for letter_id in self.letters.ids()
        ]
        return [content for content in contents if isinstance(content, Insert)]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "letters")


async def test_inserts_in_order_and_ends_with_its_inbox(
    autojump_clock: MockClock, desk: Desk
) -> None:
    await desk.write((an_insert(1, 2, token="a"), an_insert(3, token="b")), (an_insert(4),))
    assert desk.store.rows["events_v2"] == [(1,), (2,), (3,), (4,)]
    assert desk.store.tokens == ["a", "b", "t"]
    assert desk.writer.pending == 0


async def test_tries_again_with_growing_delays_and_the_same_token(
    autojump_clock: MockClock, desk: Desk
) -> None:
    desk.store.outages = [an_outage() for _ in range(6)]
    await desk.write((an_insert(1),))
    times = [time for time, _, _ in desk.store.attempts]
    delays = [later - earlier for earlier, later in pairwise(times)]
    assert delays == [1, 2, 4, 8, 8, 8]
    assert {token for _, _, token in desk.store.attempts} == {"t"}
    assert desk.store.rows["events_v2"] == [(1,)]
    assert (desk.writer.failures, desk.writer.last_error) == (0, "")


async def test_what_landed_before_the_failure_is_not_doubled(
    autojump_clock: MockClock, desk: Desk
) -> None:
    desk.store.lands_before_failing = True
    desk.store.outages = [an_outage()]
    await desk.write((an_insert(1),))
    assert len(desk.store.attempts) == 2
    assert desk.store.rows["events_v2"] == [(1,)]


async def test_a_hanging_insert_is_tried_again(
    autojump_clock: MockClock, desk: Desk, nursery: trio.Nursery
) -> None:
    desk.store.hangs = True
    nursery.start_soon(desk.write, (an_insert(1),))
    await trio.sleep(INSERT_SECONDS + 0.5)
    assert desk.writer.failures == 1
    desk.store.hangs = False
    await trio.sleep(10)
    assert desk.store.rows["events_v2"] == [(1,)]


async def test_opens_a_store_that_could_not_be_reached(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    desk = Desk(tmp_path, opened=False)
    desk.store.outages = [an_outage(), an_outage()]
    await desk.write((an_insert(1),))
    assert desk.store.opened == 1
    assert desk.store.rows["events_v2"] == [(1,)]


async def test_a_bad_row_costs_no_other(autojump_clock: MockClock, desk: Desk) -> None:
    desk.store.bad_rows = {5}
    await desk.write((an_insert(*range(10)), an_insert(10, token="next")))
    assert sorted(desk.store.rows["events_v2"]) == [(n,) for n in range(11) if n != 5]
    (bad,) = desk.kept()
    assert bad.rows == ((5,),)
    (letter_id,) = desk.letters.ids()
    assert desk.letters.directory.read(letter_id).error == "row 5 does not fit"


async def test_the_rest_is_kept_whole_when_too_many_are_bad(
    autojump_clock: MockClock, desk: Desk
) -> None:
    desk.store.bad_rows = set(range(1000))
    await desk.write((an_insert(*range(1000)),))
    kept = desk.kept()
    assert sorted(row for insert in kept for row in insert.rows) == [(n,) for n in range(1000)]
    assert LETTERS_PER_INSERT < len(kept) < 2 * LETTERS_PER_INSERT
    assert "events_v2" not in desk.store.rows


async def test_a_bug_costs_one_insert(
    autojump_clock: MockClock, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert = desk.store.insert

    async def fail_on_two(table: object, rows: tuple[tuple[int], ...], token: str) -> None:
        if rows == ((2,),):
            raise ZeroDivisionError
        await insert(table, rows, token)  # type: ignore[arg-type]

    monkeypatch.setattr(desk.store, "insert", fail_on_two)
    await desk.write(
        (an_insert(1, token="a"),), (an_insert(2, token="b"),), (an_insert(3, token="c"),)
    )
    assert desk.store.rows["events_v2"] == [(1,), (3,)]
    assert [letter.rows for letter in desk.kept()] == [((2,),)]


async def test_a_stored_letter_is_deleted(autojump_clock: MockClock, desk: Desk) -> None:
    desk.letters.keep("writer", an_insert(1), "down", redrive=True)
    (letter_id,) = desk.letters.ids()
    await desk.write((an_insert(1, letter=letter_id),))
    assert len(desk.letters) == 0


async def test_a_letter_refused_again_is_kept_for_its_bad_rows_only(
    autojump_clock: MockClock, desk: Desk
) -> None:
    desk.letters.keep("writer", an_insert(1, 2), "refused", redrive=True)
    (letter_id,) = desk.letters.ids()
    desk.store.bad_rows = {2}
    await desk.write((an_insert(1, 2, letter=letter_id),))
    assert [letter.rows for letter in desk.kept()] == [((2,),)]
    assert desk.letters.to_redrive() == []


async def test_spills_what_is_not_stored_for_the_next_start(
    autojump_clock: MockClock, desk: Desk
) -> None:
    desk.store.hangs = True
    desk.send.send_nowait((an_insert(1, token="a"), an_insert(2, token="b")))
    with trio.move_on_after(1):
        await desk.writer.run()
    assert desk.writer.pending == 2
    assert desk.writer.spill([(an_insert(3, token="c"),)]) == 3
    assert len(desk.letters.to_redrive()) == 3
    assert sorted((letter.token, letter.rows) for letter in desk.kept()) == [
        ("a", ((1,),)),
        ("b", ((2,),)),
        ("c", ((3,),)),
    ]


async def test_giving_up_keeps_everything_on_disk(autojump_clock: MockClock, desk: Desk) -> None:
    desk.send.send_nowait((an_insert(1, token="a"),))
    desk.send.send_nowait((an_insert(2, token="b"),))
    desk.send.close()
    await desk.writer.give_up()
    assert len(desk.letters.to_redrive()) == 2
    assert desk.store.attempts == []


@pytest.mark.parametrize(
    ("failures", "jitter", "seconds"),
    [(1, 1.0, 1), (1, 0.0, 0.5), (3, 1.0, 4), (4, 1.0, 8), (99, 1.0, 8), (99, 0.5, 6)],
)
def test_delays(failures: int, jitter: float, seconds: float) -> None:
    assert Retry(first=1, longest=8).delay(failures, jitter) == seconds


def of_batch(end: int, *numbers: int, table: str = "events_v2", attempted: bool = False) -> Insert:
    rows = tuple((number,) for number in numbers)
    return Insert(table, rows, f"j-{end}-{table}", end=end, attempted=attempted)


async def test_the_journal_hears_of_a_batch_once_all_of_it_is_stored(
    autojump_clock: MockClock, desk: Desk
) -> None:
    heard: list[tuple[int, int]] = []
    acknowledge = desk.journal.acknowledge

    def note(end: int) -> None:
        heard.append((end, len(desk.store.tokens)))
        acknowledge(end)

    desk.journal.acknowledge = note  # type: ignore[method-assign]
    desk.store.outages = [an_outage()]
    desk.store.bad_rows = {5}
    await desk.write(
        (of_batch(3, 1, table="sessions_v2"), of_batch(3, 2, 3, 4)),
        (an_insert(99),),
        (of_batch(7, 5, 6, 7, 8),),
    )
    assert [end for end, _ in heard] == [3, 7]
    assert heard[0][1] == 2
    assert desk.journal.stored == 7
    assert len(desk.kept()) == 1


async def test_the_circuit_opens_and_closes(
    autojump_clock: MockClock, desk: Desk, monkeypatch: pytest.MonkeyPatch, nursery: trio.Nursery
) -> None:
    """While it is open the rows stay here, and only a sign of life is asked for."""
    pings: list[float] = []
    alive = False

    async def ping() -> None:
        pings.append(trio.current_time())
        await trio.sleep(0.1)
        if not alive:
            raise an_outage()

    monkeypatch.setattr(desk.store, "ping", ping)
    desk.store.outages = [an_outage() for _ in range(BREAKS_AFTER)]
    nursery.start_soon(desk.write, (an_insert(1),))
    await trio.sleep(60)
    assert len(desk.store.attempts) == BREAKS_AFTER
    assert desk.writer.circuit == "open"
    assert len(pings) > 3
    alive = True
    await trio.sleep(20)
    assert desk.writer.circuit == "closed"
    assert desk.store.rows["events_v2"] == [(1,)]


async def test_a_store_that_knows_no_tokens_is_asked_before_a_repetition(
    autojump_clock: MockClock, desk: Desk
) -> None:
    desk.store.looks_first = True
    desk.store.lands_before_failing = True
    desk.store.outages = [an_outage(), an_outage()]
    await desk.write((an_insert(1, 2),), (of_batch(5, 3), of_batch(5, 4)))
    assert desk.store.rows["events_v2"] == [(1,), (2,), (3,), (4,)]


async def test_a_batch_that_an_earlier_process_may_have_stored_is_asked_for_first(
    autojump_clock: MockClock, desk: Desk
) -> None:
    desk.store.looks_first = True
    desk.store._keep(TABLES["events_v2"], [(3,)], "of the process before")
    await desk.write((of_batch(5, 3, attempted=True),))
    assert desk.store.rows["events_v2"] == [(3,)]
    assert desk.journal.stored == 5


async def test_a_row_refused_again_after_a_crash_is_one_letter(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    for _ in range(2):
        desk = Desk(tmp_path)
        desk.store.bad_rows = {2}
        await desk.write((of_batch(5, 1, 2, 3),))
    assert [insert.rows for insert in desk.kept()] == [((2,),)]


async def test_a_row_whose_letter_cannot_be_written_waits(
    autojump_clock: MockClock,
    desk: Desk,
    nursery: trio.Nursery,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk.store.bad_rows = {2}
    with monkeypatch.context() as patch:
        patch.setattr(DeadLetters, "keep", lambda *arguments, **keywords: False)
        nursery.start_soon(desk.write, (of_batch(5, 2),))
        await trio.sleep(60)
        assert desk.writer.pending == 1
        assert desk.journal.stored == 0
    await trio.sleep(60)
    assert [insert.rows for insert in desk.kept()] == [((2,),)]
    assert desk.journal.stored == 5


async def test_what_the_journal_has_is_not_spilled(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "letters")
    desk.writer._journal = FileJournal.open(tmp_path / "journal", limit=1_000_000)
    assert desk.writer.spill([(of_batch(5, 1, 2), an_insert(9))]) == 1
    assert [insert.rows for insert in desk.kept()] == [((9,),)]


async def test_each_attempt_is_told(autojump_clock: MockClock, tmp_path: Path) -> None:
    told = Told()
    desk = Desk(tmp_path, tracing=told)
    desk.store.outages = [an_outage()]
    await desk.write((an_insert(1, token="a"), an_insert(2, token="b")))
    assert told.inserts == [("a", "unavailable", 0), ("a", "stored", 0), ("b", "stored", 0)]
