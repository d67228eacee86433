from collections.abc import Sequence
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.keepers.redrive import POLL_SECONDS, Redrive
from actors.pipeline.intake import Intake
from actors.pipeline.verdicts import VERDICT_SECONDS, Verdicts
from actors.supervision.supervisor import Supervisor
from ingest.fold.counts import Counters
from ingest.model.event import EnrichedEvent, Event
from ingest.model.verdict import ACCEPTED, LATE, NOT_KEPT, SET_ASIDE, DropReason, Verdict
from ingest.rows.batch import Flush, Insert
from ingest.telemetry.metrics import Metrics
from tests.actors.fakes import LettersAtOnce
from tests.actors.pipeline.running_pipeline import no_broadcast
from tests.examples import an_enriched_event, an_event

ROWS = Insert("events_v2", ((1,),), "token")


class Desk:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.letters = LettersAtOnce(directory)
        self.verdicts = Verdicts(Counters(), Metrics(lambda domain: True), no_broadcast())
        to_gate, self.gate = trio.open_memory_channel[Sequence[Event]](10)
        to_sessions, self.sessions = trio.open_memory_channel[Sequence[EnrichedEvent]](10)
        to_writer, self.writer = trio.open_memory_channel[Flush](10)
        self.redrive = Redrive(
            self.letters, Intake(to_gate, self.verdicts), self.verdicts, to_sessions, to_writer
        )


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


async def test_only_marked_letters_are_put_back(
    autojump_clock: MockClock, desk: Desk, nursery: trio.Nursery
) -> None:
    desk.letters.keep("writer", ROWS, "x")
    nursery.start_soon(desk.redrive.run)
    await trio.sleep(10 * POLL_SECONDS)
    with pytest.raises(trio.WouldBlock):
        desk.writer.receive_nowait()
    (letter_id,) = desk.letters.ids()
    desk.letters.directory.mark(letter_id)
    desk.letters.look()
    (insert,) = await desk.writer.receive()
    assert (insert.rows, insert.token, insert.letter) == (ROWS.rows, ROWS.token, letter_id)
    # Where tables know no tokens, an earlier process may have stored them.
    assert insert.attempted
    nursery.cancel_scope.cancel()


async def test_rows_are_put_back_once_until_the_writer_is_done(
    autojump_clock: MockClock, desk: Desk, nursery: trio.Nursery
) -> None:
    desk.letters.keep("writer", ROWS, "x", redrive=True)
    nursery.start_soon(desk.redrive.run)
    await trio.sleep(10 * POLL_SECONDS)
    assert desk.writer.statistics().current_buffer_used == 1
    assert len(desk.letters) == 1
    nursery.cancel_scope.cancel()


async def test_an_event_goes_to_the_gate_and_its_letter_when_it_is_dropped(
    autojump_clock: MockClock, desk: Desk, nursery: trio.Nursery
) -> None:
    desk.letters.keep("gate", an_event(), "x", redrive=True)
    nursery.start_soon(desk.redrive.run)
    (event,) = await desk.gate.receive()
    await wait_all_tasks_blocked()
    assert len(desk.letters) == 1
    desk.verdicts.give(event, Verdict(DropReason.NOT_FOUND))
    await trio.sleep(POLL_SECONDS)
    assert len(desk.letters) == 0
    nursery.cancel_scope.cancel()


async def test_an_enriched_event_goes_to_sessions(
    autojump_clock: MockClock, desk: Desk, nursery: trio.Nursery
) -> None:
    desk.letters.keep("sessions", an_enriched_event(), "x", redrive=True)
    nursery.start_soon(desk.redrive.run)
    (event,) = await desk.sessions.receive()
    (letter_id,) = desk.letters.ids()
    # Sessions is told which letter it was, and does away with it once the event is kept.
    assert desk.verdicts.letter(event.ticket) == letter_id
    desk.verdicts.give(event, ACCEPTED)
    await trio.sleep(POLL_SECONDS / 2)
    assert desk.verdicts.letter(event.ticket) is None
    assert len(desk.letters) == 1
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    "verdict",
    [
        pytest.param(None, id="none in time"),
        pytest.param(LATE, id="too late"),
        pytest.param(NOT_KEPT, id="the journal was full"),
    ],
)
async def test_what_nobody_has_kept_is_tried_again(
    autojump_clock: MockClock, desk: Desk, nursery: trio.Nursery, verdict: Verdict | None
) -> None:
    desk.letters.keep("gate", an_event(), "x", redrive=True)
    nursery.start_soon(desk.redrive.run)
    (event,) = await desk.gate.receive()
    if verdict is not None:
        desk.verdicts.give(event, verdict)
    with trio.fail_after(VERDICT_SECONDS + POLL_SECONDS + 1):
        (again,) = await desk.gate.receive()
    assert (again.request, len(desk.letters)) == (event.request, 1)
    desk.verdicts.give(again, Verdict(DropReason.BOT))
    await trio.sleep(POLL_SECONDS)
    assert len(desk.letters) == 0
    nursery.cancel_scope.cancel()


async def test_what_is_set_aside_again_stays(
    autojump_clock: MockClock, desk: Desk, nursery: trio.Nursery
) -> None:
    desk.letters.keep("gate", an_event(), "x", redrive=True)
    (letter_id,) = desk.letters.ids()
    nursery.start_soon(desk.redrive.run)
    (event,) = await desk.gate.receive()
    desk.letters.keep("gate", an_event(), "y", letter=letter_id)
    desk.verdicts.give(event, SET_ASIDE)
    await trio.sleep(5 * POLL_SECONDS)
    assert list(desk.letters.ids()) == [letter_id]
    assert desk.letters.to_redrive() == []
    assert desk.letters.directory.read(letter_id).error == "y"
    nursery.cancel_scope.cancel()


async def test_a_letter_that_cannot_be_read_is_unmarked(
    autojump_clock: MockClock, desk: Desk, nursery: trio.Nursery
) -> None:
    (desk.directory / "1-broken.replay").write_text("{")
    desk.letters.look()
    nursery.start_soon(desk.redrive.run)
    await trio.sleep(1)
    assert desk.letters.to_redrive() == []
    assert list(desk.letters.ids()) == ["1-broken"]
    nursery.cancel_scope.cancel()


async def test_a_letter_that_makes_it_fail_is_unmarked(
    autojump_clock: MockClock,
    desk: Desk,
    nursery: trio.Nursery,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def fail(letter_id: str) -> None:
        await trio.lowlevel.checkpoint()
        raise ZeroDivisionError

    desk.letters.keep("gate", an_event(), "x", redrive=True)
    monkeypatch.setattr(desk.letters, "read", fail)
    nursery.start_soon(Supervisor().supervise, desk.redrive)
    await trio.sleep(10)
    assert desk.letters.to_redrive() == []
    assert len(desk.letters) == 1
    nursery.cancel_scope.cancel()
