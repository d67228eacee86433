from collections.abc import Sequence
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.keepers.redrive import POLL_SECONDS, Redrive
from actors.letters.letter_directory import LetterNotFoundError
from actors.log.log import LogError
from actors.log.memory_log import MemoryLog
from actors.pipeline.flush import Flush
from actors.pipeline.intake import Intake
from actors.pipeline.verdicts import VERDICT_SECONDS, Verdicts
from actors.pipeline.writer import Writer
from actors.supervision.supervisor import Supervisor
from ingest.letters.dead_letter import Content, LogPosition
from ingest.model.event import Event, Source
from ingest.model.verdict import LATE, NOT_KEPT, SET_ASIDE, DropReason, Verdict
from ingest.pipeline.ticketed_event import TicketedEvent
from ingest.records.drop_counter import DropCounter
from ingest.rows.batch import Insert
from ingest.telemetry.metrics import Metrics
from tests.actors.fakes import FakeStore, LettersAtOnce
from tests.actors.log.records import DESCRIPTION
from tests.actors.pipeline.running_pipeline import no_broadcast
from tests.examples import NOON, an_enriched_event, an_event

ROWS = Insert("events_v2", ((1,),), "token")
BOT = Verdict(DropReason.BOT)


class SyncedLog(MemoryLog):
    """Notes when it is synced, and can be made to fail."""

    def __init__(self) -> None:
        super().__init__(DESCRIPTION, limit_events=100, log_time=NOON)
        self.syncs = 0
        self.failures = 0

    async def sync(self) -> None:
        await trio.lowlevel.checkpoint()
        if self.failures:
            self.failures -= 1
            raise LogError("Input/output error")
        self.syncs += 1


class RunRedrive:
    """Letters, what redrives them, and where they are sent."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.letters = LettersAtOnce(directory)
        self.letters.load_at_once()
        self.log = SyncedLog()
        self.verdicts = Verdicts(DropCounter(), Metrics(lambda domain: True), no_broadcast())
        to_gate, self.gate = trio.open_memory_channel[Sequence[Event]](10)
        to_recorder, self.recorder = trio.open_memory_channel[Sequence[TicketedEvent]](10)
        to_writer, self.writer = trio.open_memory_channel[Flush](10)
        self.redrive = Redrive(
            self.letters,
            Intake(to_gate, self.verdicts),
            self.verdicts,
            self.log,
            to_recorder,
            to_writer,
        )

    def keep(self, content: Content, *, redrive: bool = True) -> str:
        self.letters.keep("gate", content, "x", redrive=redrive)
        (letter_id,) = self.letters.ids()
        return letter_id

    def mark(self, letter_id: str) -> None:
        """As the command line does."""
        self.letters.directory.mark(letter_id)
        self.letters.look()

    async def event(self) -> Event:
        (event,) = await self.gate.receive()
        return event

    async def enriched(self) -> TicketedEvent:
        (ticketed,) = await self.recorder.receive()
        return ticketed

    def append(self, event: Event) -> None:
        """As the gate, enrichment and the recorder do."""
        self.verdicts.appended(1, [TicketedEvent(event.ticket, 0, an_enriched_event())])

    async def settle(self) -> None:
        await trio.sleep(POLL_SECONDS / 2)


@pytest.fixture
def line(tmp_path: Path) -> RunRedrive:
    return RunRedrive(tmp_path)


async def test_only_marked_letters_are_redriven(
    autojump_clock: MockClock, line: RunRedrive, nursery: trio.Nursery
) -> None:
    letter_id = line.keep(ROWS, redrive=False)
    nursery.start_soon(line.redrive.run)
    await trio.sleep(10 * POLL_SECONDS)
    with pytest.raises(trio.WouldBlock):
        line.writer.receive_nowait()
    line.mark(letter_id)
    (insert,) = (await line.writer.receive()).inserts
    assert (insert.rows, insert.token) == (ROWS.rows, ROWS.token)
    # Where tables know no tokens, an earlier process may have stored them.
    assert insert.attempted


async def test_rows_go_to_the_writer_and_their_letter_when_they_are_stored(
    autojump_clock: MockClock, line: RunRedrive, nursery: trio.Nursery
) -> None:
    letter_id = line.keep(ROWS)
    nursery.start_soon(line.redrive.run)
    flush = await line.writer.receive()
    await trio.sleep(10 * POLL_SECONDS)
    assert list(line.letters.ids()) == [letter_id]
    with pytest.raises(trio.WouldBlock):
        line.writer.receive_nowait()
    # Its letter has them: the end of the process need not keep them once more.
    assert flush.kept
    flush.stored.set()
    await line.settle()
    assert len(line.letters) == 0


async def with_writer(line: RunRedrive, store: FakeStore) -> None:
    writer = Writer(line.writer, store, line.letters, Metrics(lambda domain: True))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(line.redrive.run)
        nursery.start_soon(writer.run)
        await trio.sleep(10 * POLL_SECONDS)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("rows", "bad", "stored", "kept"),
    [
        pytest.param((1, 2), (), [1, 2], [], id="all fit now"),
        pytest.param((1, 2), (2,), [1], [(2,)], id="one fits"),
        pytest.param((2,), (2,), [], [(2,)], id="its only row fits no better"),
    ],
)
async def test_rows_that_are_refused_again_stay_in_a_letter(
    autojump_clock: MockClock,
    line: RunRedrive,
    rows: tuple[int, ...],
    bad: tuple[int, ...],
    stored: list[int],
    kept: list[tuple[int, ...]],
) -> None:
    insert = Insert("events_v2", tuple((row,) for row in rows), "token")
    # As the writer names it.
    line.letters.keep("writer", insert, "does not fit", key=insert.token)
    (letter_id,) = line.letters.ids()
    line.mark(letter_id)
    store = FakeStore()
    store.bad_rows = set(bad)
    await with_writer(line, store)
    assert [row[0] for row in store.rows.get("events_v2", [])] == stored
    contents = [line.letters.directory.read(one).content for one in line.letters.ids()]
    assert [
        tuple(row[0] for row in content.rows) for content in contents if isinstance(content, Insert)
    ] == kept
    # They wait for the operator, and are not tried for ever.
    assert line.letters.to_redrive() == []
    assert len(store.attempts) <= 3
    if letter_id in line.letters.ids():
        assert line.letters.directory.read(letter_id).redriven == 1


async def test_rows_that_make_the_writer_fail_again_stay_in_their_letter(
    autojump_clock: MockClock, line: RunRedrive, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert = Insert("events_v2", ((1,), (2,)), "token")
    line.letters.keep("writer", insert, "ZeroDivisionError", key=insert.token)
    (letter_id,) = line.letters.ids()
    line.mark(letter_id)
    store = FakeStore()

    async def fail(*arguments: object) -> None:
        await trio.lowlevel.checkpoint()
        raise ZeroDivisionError

    monkeypatch.setattr(store, "insert", fail)
    await with_writer(line, store)
    letter = line.letters.directory.read(letter_id)
    assert isinstance(letter.content, Insert)
    assert (letter.content.rows, letter.content.token) == (insert.rows, insert.token)
    assert list(line.letters.ids()) == [letter_id]
    assert line.letters.to_redrive() == []


async def test_an_event_goes_to_the_gate_with_its_letter_as_source(
    autojump_clock: MockClock, line: RunRedrive, nursery: trio.Nursery
) -> None:
    letter_id = line.keep(an_event())
    nursery.start_soon(line.redrive.run)
    event = await line.event()
    assert event.source == Source(f"letter:{letter_id}", 1)
    assert event.request == an_event().request
    await wait_all_tasks_blocked()
    assert len(line.letters) == 1
    line.append(event)
    await line.settle()
    assert len(line.letters) == 0


async def test_an_enriched_event_goes_to_the_recorder(
    autojump_clock: MockClock, line: RunRedrive, nursery: trio.Nursery
) -> None:
    letter_id = line.keep(an_enriched_event(pathname="/a"))
    nursery.start_soon(line.redrive.run)
    ticketed = await line.enriched()
    assert ticketed.event == an_enriched_event(
        pathname="/a", source=Source(f"letter:{letter_id}", 1)
    )
    line.verdicts.appended(1, [ticketed])
    await line.settle()
    assert len(line.letters) == 0


async def test_the_letter_goes_once_the_log_has_the_event_for_good(
    autojump_clock: MockClock, line: RunRedrive, nursery: trio.Nursery
) -> None:
    line.log.failures = 1
    letter_id = line.keep(an_event())
    nursery.start_soon(line.redrive.run)
    first = await line.event()
    line.append(first)
    await line.settle()
    assert list(line.letters.ids()) == [letter_id]
    # Again, as of the same source: the fold takes it once.
    again = await line.event()
    assert again.source == first.source
    line.append(again)
    await line.settle()
    assert len(line.letters) == 0
    assert line.log.syncs == 1


async def test_after_a_crash_it_is_redriven_as_of_the_same_source(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    sources: list[Source | None] = []
    for _ in range(2):
        line = RunRedrive(tmp_path)
        if not sources:
            line.keep(an_event())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(line.redrive.run)
            sources.append((await line.event()).source)
            nursery.cancel_scope.cancel()
    assert sources[0] == sources[1]


async def test_a_dropped_event_needs_no_letter(
    autojump_clock: MockClock, line: RunRedrive, nursery: trio.Nursery
) -> None:
    line.keep(an_event())
    nursery.start_soon(line.redrive.run)
    line.verdicts.drop(await line.event(), BOT)
    await line.settle()
    assert len(line.letters) == 0
    assert line.log.syncs == 0


@pytest.mark.parametrize(
    "verdict",
    [
        pytest.param(None, id="none in time"),
        pytest.param(LATE, id="too late"),
        pytest.param(NOT_KEPT, id="the log was full"),
    ],
)
async def test_what_nobody_has_kept_is_tried_again(
    autojump_clock: MockClock, line: RunRedrive, nursery: trio.Nursery, verdict: Verdict | None
) -> None:
    line.keep(an_event())
    nursery.start_soon(line.redrive.run)
    event = await line.event()
    if verdict is None:
        await trio.sleep(VERDICT_SECONDS)
        line.verdicts.give_up_waiting(trio.current_time())
    else:
        line.verdicts.drop(event, verdict)
    with trio.fail_after(POLL_SECONDS + 1):
        again = await line.event()
    assert (again.request, again.source) == (event.request, event.source)
    assert len(line.letters) == 1
    line.verdicts.drop(again, BOT)
    await line.settle()
    assert len(line.letters) == 0


async def test_what_is_set_aside_again_stays_and_counts_as_redriven(
    autojump_clock: MockClock, line: RunRedrive, nursery: trio.Nursery
) -> None:
    letter_id = line.keep(an_event())
    nursery.start_soon(line.redrive.run)
    event = await line.event()
    line.letters.keep("gate", an_event(), "y", letter=letter_id)
    line.verdicts.drop(event, SET_ASIDE)
    await trio.sleep(5 * POLL_SECONDS)
    assert list(line.letters.ids()) == [letter_id]
    assert line.letters.to_redrive() == []
    assert line.letters.directory.read(letter_id).error == "y"
    # The next time it is a record that was not taken yet.
    line.mark(letter_id)
    again = await line.event()
    assert again.source == Source(f"letter:{letter_id}", 2)


async def test_a_letter_of_the_fold_leaves_a_mark(
    autojump_clock: MockClock, line: RunRedrive, nursery: trio.Nursery
) -> None:
    """Replay is to pass over its position."""
    at = LogPosition("log", 0, 7)
    line.letters.keep("sessions", an_enriched_event(), "x", position=at)
    line.mark(at.letter_id)
    nursery.start_soon(line.redrive.run)
    ticketed = await line.enriched()
    assert ticketed.event.source == Source(f"letter:{at.letter_id}", 1)
    line.verdicts.appended(1, [ticketed])
    await line.settle()
    assert len(line.letters) == 0
    assert line.letters.set_aside_positions("log", 0) == {7}


async def test_a_redriven_event_that_the_fold_sets_aside_is_one_letter(
    autojump_clock: MockClock, line: RunRedrive, nursery: trio.Nursery
) -> None:
    letter_id = line.keep(an_enriched_event())
    nursery.start_soon(line.redrive.run)
    line.verdicts.fold_reads()
    ticketed = await line.enriched()
    line.verdicts.appended(9, [ticketed])
    at = LogPosition("log", 0, 9)
    line.letters.keep("sessions", ticketed.event, "y", position=at)
    line.verdicts.folded(10, {9: (ticketed.event, SET_ASIDE)})
    await line.settle()
    # The first letter is redriven once more; the fold has taken it, as a letter.
    again = await line.enriched()
    assert again.event.source == Source(f"letter:{letter_id}", 1)
    line.verdicts.appended(10, [again])
    line.verdicts.folded(11, {})
    await line.settle()
    assert list(line.letters.ids()) == [at.letter_id]


async def test_a_letter_that_cannot_be_read_is_unmarked(
    autojump_clock: MockClock, line: RunRedrive, nursery: trio.Nursery
) -> None:
    (line.directory / "1-broken.replay").write_text("{")
    line.letters.look()
    nursery.start_soon(line.redrive.run)
    await trio.sleep(1)
    assert line.letters.to_redrive() == []
    assert list(line.letters.ids()) == ["1-broken"]


async def test_a_letter_that_was_dropped_meanwhile_is_passed_over(
    autojump_clock: MockClock, line: RunRedrive, nursery: trio.Nursery
) -> None:
    letter_id = line.keep(an_event())
    line.letters.directory.drop(letter_id)
    with pytest.raises(LetterNotFoundError):
        await line.letters.read(letter_id)
    nursery.start_soon(Supervisor().supervise, line.redrive)
    await trio.sleep(5 * POLL_SECONDS)
    with pytest.raises(trio.WouldBlock):
        line.gate.receive_nowait()


async def test_a_failure_of_its_own_keeps_the_letter(
    autojump_clock: MockClock,
    line: RunRedrive,
    nursery: trio.Nursery,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def fail(*arguments: object) -> None:
        raise ZeroDivisionError

    letter_id = line.keep(an_event())
    supervisor = Supervisor()
    with monkeypatch.context() as patch:
        patch.setattr(line.redrive, "_send", fail)
        nursery.start_soon(supervisor.supervise, line.redrive)
        await trio.sleep(0.5)
        assert supervisor.watches["redrive"].restarts > 0
    event = await line.event()
    assert event.source == Source(f"letter:{letter_id}", 1)
    line.append(event)
    await line.settle()
    assert len(line.letters) == 0


async def test_closing_closes_both_channels(line: RunRedrive) -> None:
    line.redrive.close()
    for channel in (line.recorder, line.writer):
        with pytest.raises(trio.EndOfChannel):
            await channel.receive()


async def test_one_letter_is_under_way_at_a_time(
    autojump_clock: MockClock, line: RunRedrive, nursery: trio.Nursery
) -> None:
    line.letters.keep("gate", an_event(), "x", redrive=True)
    line.letters.keep("recorder", an_enriched_event(), "x", redrive=True)
    nursery.start_soon(line.redrive.run)
    await trio.sleep(1)
    sent = line.gate.statistics().current_buffer_used
    sent += line.recorder.statistics().current_buffer_used
    assert sent == 1
