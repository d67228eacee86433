from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.letters import dead_letters
from actors.letters.dead_letters import DeadLetters
from actors.letters.letter_writer import LetterWriter
from actors.pipeline.flush import Flush
from actors.pipeline.writer import BREAKS_AFTER, INSERT_SECONDS, LETTERS_PER_INSERT, Retry, Writer
from actors.supervision.supervisor import Supervisor
from actors.supervision.traces import Tracing
from ingest.rows.batch import Insert, Trigger
from ingest.rows.schema import TABLES, Table
from ingest.telemetry.metrics import Metrics
from tests.actors.fakes import FakeStore, LettersAtOnce, Told, an_outage

SESSIONS, EVENTS, COUNTERS = "sessions_v2", "events_v2", "ingest_counters"


def an_insert(
    *numbers: int, token: str = "t", table: str = EVENTS, attempted: bool = False
) -> Insert:
    return Insert(table, tuple((number,) for number in numbers), token, attempted)


def a_flush(*inserts: Insert, **fields: Any) -> Flush:
    return Flush(inserts, **fields)


def a_batch(*, attempted: bool = False) -> Flush:
    return a_flush(
        an_insert(1, token="b-s", table=SESSIONS, attempted=attempted),
        an_insert(2, 3, token="b-e", attempted=attempted),
        an_insert(4, token="b-c", table=COUNTERS, attempted=attempted),
    )


class RunWriter:
    """A writer with its store and its dead letters."""

    def __init__(
        self,
        directory: Path,
        *,
        opened: bool = True,
        store: FakeStore | None = None,
        letters: DeadLetters | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self.store = store or FakeStore()
        self.letters = letters or LettersAtOnce(directory / "letters", lambda: 1_790_000_000.0)
        self.letters.load_at_once()
        self.metrics = Metrics(lambda domain: True)
        self.send, inbox = trio.open_memory_channel[Flush](10)
        self.writer = Writer(
            inbox,
            self.store,
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
        directory = self.letters.directory
        contents = [directory.read(letter_id).content for letter_id in directory.scan().letters]
        return [content for content in contents if isinstance(content, Insert)]

    def attempts(self) -> list[str]:
        return [token for _, _, token in self.store.attempts]


@pytest.fixture
def line(tmp_path: Path) -> RunWriter:
    return RunWriter(tmp_path)


async def test_inserts_in_order_and_ends_with_its_inbox(
    autojump_clock: MockClock, line: RunWriter
) -> None:
    await line.write(a_batch(), a_flush(an_insert(5, token="z")))
    assert line.store.tokens == ["b-s", "b-e", "b-c", "z"]
    assert line.store.rows == {SESSIONS: [(1,)], EVENTS: [(2,), (3,), (5,)], COUNTERS: [(4,)]}
    assert line.writer.pending == 0
    assert line.writer.progress == 4


async def test_a_flush_is_stored_once_all_of_it_is(
    autojump_clock: MockClock, line: RunWriter, nursery: trio.Nursery
) -> None:
    """In the store, or in letters."""
    line.store.seconds = 1
    line.store.bad_rows = {3}
    batch, empty = a_batch(), a_flush()
    nursery.start_soon(line.write, batch, empty)
    await trio.sleep(4.5)
    assert line.writer.has_work
    assert not batch.stored.is_set()
    await trio.sleep(1)
    assert batch.stored.is_set()
    assert empty.stored.is_set()
    assert line.attempts() == ["b-s", "b-e", "b-e.0", "b-e.1", "b-c"]
    assert [insert.rows for insert in line.kept()] == [((3,),)]
    assert not line.writer.has_work


async def test_tries_again_with_growing_delays_and_the_same_token(
    autojump_clock: MockClock, line: RunWriter
) -> None:
    line.store.outages = [an_outage() for _ in range(6)]
    await line.write(a_flush(an_insert(1)))
    times = [time for time, _, _ in line.store.attempts]
    delays = [later - earlier for earlier, later in pairwise(times)]
    assert delays == [1, 2, 4, 8, 8, 8]
    assert set(line.attempts()) == {"t"}
    assert line.store.rows[EVENTS] == [(1,)]
    assert (line.writer.failures, line.writer.last_error) == (0, "")


async def test_a_hanging_insert_is_tried_again(
    autojump_clock: MockClock, line: RunWriter, nursery: trio.Nursery
) -> None:
    line.store.hangs = True
    nursery.start_soon(line.write, a_flush(an_insert(1)))
    await trio.sleep(INSERT_SECONDS + 0.5)
    assert line.writer.failures == 1
    line.store.hangs = False
    await trio.sleep(10)
    assert line.store.rows[EVENTS] == [(1,)]


async def test_opens_a_store_that_could_not_be_reached(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    line = RunWriter(tmp_path, opened=False)
    line.store.outages = [an_outage(), an_outage()]
    await line.write(a_flush(an_insert(1)))
    assert line.store.opened == 1
    assert line.store.rows[EVENTS] == [(1,)]


LOST, LANDED = False, True

TOKENS = pytest.mark.parametrize(
    "forgetful",
    [(), (SESSIONS, EVENTS, COUNTERS), (COUNTERS,), (SESSIONS, EVENTS)],
    ids=["tokens", "no tokens", "no tokens of counters", "tokens of counters only"],
)


@TOKENS
@pytest.mark.parametrize("landed", [LOST, LANDED], ids=["lost", "landed unheard"])
@pytest.mark.parametrize("failing", range(3))
async def test_an_insert_of_unknown_outcome_is_doubled_nowhere(
    autojump_clock: MockClock,
    line: RunWriter,
    forgetful: tuple[str, ...],
    landed: bool,
    failing: int,
) -> None:
    """Counters alone may be lost, where tables know no tokens."""
    line.store.forgetful = set(forgetful)
    line.store.lands_before_failing = landed
    batch = a_batch()
    insert = line.store.insert

    async def fail_at(table: Table, rows: Sequence[tuple[Any, ...]], token: str) -> None:
        if len(line.store.attempts) == failing:
            line.store.outages = [an_outage()]
        await insert(table, rows, token)

    line.store.insert = fail_at  # type: ignore[method-assign]
    await line.write(batch)
    lost = COUNTERS in forgetful and failing == 2 and not landed
    assert line.store.rows[SESSIONS] == [(1,)]
    assert line.store.rows[EVENTS] == [(2,), (3,)]
    assert line.store.rows.get(COUNTERS, []) == ([] if lost else [(4,)])


@TOKENS
@pytest.mark.parametrize(
    "stored",
    [
        pytest.param("", id="nothing"),
        pytest.param("s", id="sessions"),
        pytest.param("se", id="sessions and events"),
        pytest.param("sec", id="everything"),
    ],
)
async def test_what_an_earlier_process_may_have_stored_is_stored_once(
    autojump_clock: MockClock, tmp_path: Path, forgetful: tuple[str, ...], stored: str
) -> None:
    """Tables without tokens tell whether they have rows; of counters they cannot tell.

    Where events were looked for and are missing, so are the counters. Otherwise they are left out.
    """
    store = FakeStore()
    store.forgetful = set(forgetful)
    for insert in a_batch().inserts[: len(stored)]:
        await store.insert(TABLES[insert.table], insert.rows, insert.token)
    line = RunWriter(tmp_path, store=store)
    await line.write(a_batch(attempted=True))
    assert store.rows[SESSIONS] == [(1,)]
    assert store.rows[EVENTS] == [(2,), (3,)]
    found_missing = EVENTS in forgetful and "e" not in stored
    left_out = COUNTERS in forgetful and not found_missing and stored != "sec"
    assert store.rows.get(COUNTERS, []) == ([] if left_out else [(4,)])


async def test_a_bad_row_costs_no_other(autojump_clock: MockClock, line: RunWriter) -> None:
    line.store.bad_rows = {5}
    await line.write(a_flush(an_insert(*range(10)), an_insert(10, token="next")))
    assert line.store.rows[EVENTS] == [(n,) for n in range(11) if n != 5]
    (bad,) = line.kept()
    assert bad.rows == ((5,),)
    (letter_id,) = line.letters.ids()
    letter = await line.letters.read(letter_id)
    assert (letter.actor, letter.error) == ("writer", "row 5 does not fit")


async def test_the_rest_is_kept_whole_when_too_many_are_bad(
    autojump_clock: MockClock, line: RunWriter
) -> None:
    line.store.bad_rows = set(range(1000))
    await line.write(a_flush(an_insert(*range(1000))))
    kept = line.kept()
    assert sorted(row for insert in kept for row in insert.rows) == [(n,) for n in range(1000)]
    assert LETTERS_PER_INSERT < len(kept) < 2 * LETTERS_PER_INSERT
    assert EVENTS not in line.store.rows


async def test_a_bug_costs_one_insert(
    autojump_clock: MockClock, line: RunWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trying again would go on for ever."""
    insert = line.store.insert

    async def fail_on_two(table: Table, rows: Sequence[tuple[Any, ...]], token: str) -> None:
        if rows == ((2,), (3,)):
            raise ZeroDivisionError
        await insert(table, rows, token)

    monkeypatch.setattr(line.store, "insert", fail_on_two)
    batch = a_batch()
    await line.write(batch, a_flush(an_insert(9, token="c")))
    assert line.store.rows == {SESSIONS: [(1,)], COUNTERS: [(4,)], EVENTS: [(9,)]}
    assert [letter.rows for letter in line.kept()] == [((2,), (3,))]
    assert batch.stored.is_set()


async def test_a_row_refused_again_after_a_crash_is_one_letter(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    for _ in range(2):
        line = RunWriter(tmp_path)
        line.store.bad_rows = {2}
        await line.write(a_flush(an_insert(1, 2, 3)))
    assert [insert.rows for insert in line.kept()] == [((2,),)]


def fill_letters(line: RunWriter, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(dead_letters, "LETTERS_LIMIT", 0)


def break_disk(line: RunWriter, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        line.letters.directory, "write", lambda batch: [OSError(28, "no space")] * len(batch)
    )


@pytest.mark.parametrize("trouble", [fill_letters, break_disk])
@pytest.mark.parametrize("bug", [False, True], ids=["refused", "a mistake"])
async def test_a_row_whose_letter_cannot_be_kept_waits(
    autojump_clock: MockClock,
    tmp_path: Path,
    nursery: trio.Nursery,
    monkeypatch: pytest.MonkeyPatch,
    trouble: Any,
    bug: bool,
) -> None:
    letters = DeadLetters(tmp_path / "letters")
    line = RunWriter(tmp_path, letters=letters)
    nursery.start_soon(LetterWriter(letters).run)
    if bug:

        async def fail(table: Table, rows: Sequence[tuple[Any, ...]], token: str) -> None:
            await trio.lowlevel.checkpoint()
            raise ZeroDivisionError

        monkeypatch.setattr(line.store, "insert", fail)
    line.store.bad_rows = {2}
    flush = a_flush(an_insert(2))
    with monkeypatch.context() as patch:
        trouble(line, patch)
        nursery.start_soon(line.write, flush)
        await trio.sleep(60)
        assert line.writer.pending == 1
        assert line.writer.status()["status"] == "degraded"
        assert not flush.stored.is_set()
    await trio.sleep(60)
    assert flush.stored.is_set()
    assert [insert.rows for insert in line.kept()] == [((2,),)]
    nursery.cancel_scope.cancel()


async def test_spills_what_is_not_stored_for_the_next_start(
    autojump_clock: MockClock, line: RunWriter
) -> None:
    line.store.seconds = 2
    line.send.send_nowait(
        a_flush(
            an_insert(1, token="a"), an_insert(2, token="b"), an_insert(3, token="c"), kept=False
        )
    )
    with trio.move_on_after(3):
        await line.writer.run()
    assert line.writer.pending == 2
    others = [a_flush(an_insert(4, token="d"), kept=False), a_flush(an_insert(9, token="k"))]
    assert line.writer.spill(others) == 3
    assert line.writer.pending == 0
    assert len(line.letters.to_redrive()) == 3
    assert sorted((letter.token, letter.rows) for letter in line.kept()) == [
        ("b", ((2,),)),
        ("c", ((3,),)),
        ("d", ((4,),)),
    ]


async def test_what_its_sender_keeps_is_not_spilled(
    autojump_clock: MockClock, line: RunWriter
) -> None:
    line.store.hangs = True
    line.send.send_nowait(a_batch())
    with trio.move_on_after(1):
        await line.writer.run()
    assert line.writer.spill() == 0
    assert line.kept() == []


async def test_giving_up_keeps_on_disk_what_its_sender_does_not(
    autojump_clock: MockClock, line: RunWriter
) -> None:
    kept, lost = a_flush(an_insert(1, token="a")), a_flush(an_insert(2, token="b"), kept=False)
    line.send.send_nowait(kept)
    line.send.send_nowait(lost)
    line.send.close()
    await line.writer.give_up()
    assert [insert.token for insert in line.kept()] == ["b"]
    assert len(line.letters.to_redrive()) == 1
    assert line.store.attempts == []
    assert not kept.stored.is_set()


@pytest.mark.parametrize(
    ("failures", "jitter", "seconds"),
    [(1, 1.0, 1), (1, 0.0, 0.5), (3, 1.0, 4), (4, 1.0, 8), (99, 1.0, 8), (99, 0.5, 6)],
)
def test_delays(failures: int, jitter: float, seconds: float) -> None:
    assert Retry(first=1, longest=8).delay(failures, jitter) == seconds


async def test_the_circuit_opens_and_closes(
    autojump_clock: MockClock,
    line: RunWriter,
    monkeypatch: pytest.MonkeyPatch,
    nursery: trio.Nursery,
) -> None:
    """While it is open the rows stay here, and only a sign of life is asked for."""
    pings: list[float] = []
    alive = False

    async def ping() -> None:
        pings.append(trio.current_time())
        await trio.sleep(0.1)
        if not alive:
            raise an_outage()

    monkeypatch.setattr(line.store, "ping", ping)
    line.store.outages = [an_outage() for _ in range(BREAKS_AFTER)]
    nursery.start_soon(line.write, a_flush(an_insert(1)))
    await trio.sleep(60)
    assert len(line.store.attempts) == BREAKS_AFTER
    assert line.writer.circuit == "open"
    assert line.writer.status()["failures_in_a_row"] == line.writer.failures > BREAKS_AFTER
    assert len(pings) > 3
    alive = True
    await trio.sleep(20)
    assert line.writer.circuit == "closed"
    assert line.store.rows[EVENTS] == [(1,)]
    assert line.writer.status()["status"] == "ok"


@pytest.mark.parametrize("seconds", [0.5, 1.5, 2.5, 3.5, 4.5])
async def test_a_restart_goes_on_with_the_insert_that_was_under_way(
    autojump_clock: MockClock, line: RunWriter, seconds: float
) -> None:
    line.store.seconds = 1
    batch, following = a_batch(), a_flush(an_insert(9, token="z"))
    line.send.send_nowait(batch)
    line.send.send_nowait(following)
    line.send.close()
    with trio.move_on_after(seconds):
        await line.writer.run()
    await line.writer.run()
    assert line.store.rows == {SESSIONS: [(1,)], EVENTS: [(2,), (3,), (9,)], COUNTERS: [(4,)]}
    assert batch.stored.is_set()
    assert following.stored.is_set()


async def test_each_attempt_is_told(autojump_clock: MockClock, tmp_path: Path) -> None:
    told = Told()
    line = RunWriter(tmp_path, tracing=told)
    line.store.outages = [an_outage()]
    line.store.bad_rows = {2}
    await line.write(
        a_flush(an_insert(1, token="a"), trigger=Trigger.SIZE), a_flush(an_insert(2, token="b"))
    )
    assert told.inserts == [
        ("a", Trigger.SIZE, "unavailable", 0),
        ("a", Trigger.SIZE, "stored", 0),
        ("b", None, "refused", 0),
    ]


async def test_closed_it_takes_nothing(line: RunWriter) -> None:
    line.writer.close()
    with pytest.raises(trio.BrokenResourceError):
        await line.send.send(a_batch())
    await wait_all_tasks_blocked()


class FakeLease:
    """Answers as a list says; at its end, the right has ended."""

    def __init__(self, *answers: bool) -> None:
        self.answers = list(answers)

    async def hold(self) -> bool:
        await trio.lowlevel.checkpoint()
        return self.answers.pop(0) if self.answers else False


async def test_a_flush_is_stored_while_its_partition_is_held(
    autojump_clock: MockClock, line: RunWriter
) -> None:
    line.store.outages = [an_outage()]
    lost = a_flush(
        an_insert(1, token="a-s", table=SESSIONS),
        an_insert(2, token="a-e"),
        lease=FakeLease(True, True),
    )
    held = a_flush(an_insert(3, token="b-e"), lease=FakeLease(True))
    await line.write(lost, held)
    assert line.store.rows == {SESSIONS: [(1,)], EVENTS: [(3,)]}
    assert not lost.stored.is_set()
    assert held.stored.is_set()
    assert line.writer.pending == 0
