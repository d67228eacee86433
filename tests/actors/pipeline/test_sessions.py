from collections import Counter
from collections.abc import Sequence
from itertools import count
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.journal.file_journal import FileJournal
from actors.journal.journal import Journal, JournalError, MemoryJournal
from actors.pipeline.sessions import Sessions
from actors.pipeline.verdicts import Verdicts
from actors.supervision.supervisor import Supervisor
from ingest.fold.counts import Counters
from ingest.model.event import EnrichedEvent, Visitor
from ingest.model.verdict import ACCEPTED, Verdict
from ingest.rows.layout import EventRows, Origin, Run
from ingest.sessions.open_sessions import OpenSessions
from ingest.telemetry.metrics import Metrics
from tests.actors.fakes import LettersAtOnce
from tests.actors.pipeline.running_pipeline import no_broadcast
from tests.examples import NOON, an_enriched_event


class Desk:
    def __init__(self, directory: Path, room: int = 100, journal: Journal | None = None) -> None:
        self.counters = Counters()
        self.verdicts = Verdicts(self.counters, Metrics(lambda domain: True), no_broadcast())
        self.letters = LettersAtOnce(directory)
        self.open_sessions = OpenSessions(1800, count(1).__next__)
        self.send, inbox = trio.open_memory_channel[Sequence[EnrichedEvent]](100)
        outlet, self.receive = trio.open_memory_channel[Run](room)
        self.journal = journal or MemoryJournal()
        self.sessions = Sessions(
            inbox, outlet, self.open_sessions, self.journal, self.verdicts, self.letters
        )

    async def track(self, *events: EnrichedEvent) -> list[EventRows]:
        self.send.send_nowait(events)
        self.send.close()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(Supervisor().supervise, self.sessions)
            return [rows async for run in self.receive for rows in run.rows]

    def metrics(self) -> Counter[str]:
        counted: Counter[str] = Counter()
        for row in self.counters.take(None, lambda domain: None):
            counted[row[3]] += row[4]
        return counted


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


async def test_a_visit_becomes_rows(desk: Desk) -> None:
    first, second, engagement = await desk.track(
        an_enriched_event(),
        an_enriched_event(name="Signup", timestamp=NOON + 9),
        an_enriched_event(name="engagement", timestamp=NOON + 20),
    )
    signs = [[row[1] for row in rows.sessions] for rows in (first, second, engagement)]
    assert signs == [[1], [-1, 1], []]
    assert second.sessions[0] == (first.sessions[0][0], -1, *first.sessions[0][2:])
    assert {rows.event[4] for rows in (first, second, engagement)} == {1}
    assert desk.metrics() == {"buffered": 3}


async def test_engagement_without_a_visit_is_dropped(desk: Desk) -> None:
    assert await desk.track(an_enriched_event(name="engagement")) == []
    assert desk.metrics() == {"dropped_no_session_for_engagement": 1}


async def test_accepted_only_once_the_batcher_has_the_rows(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    desk = Desk(tmp_path, room=0)
    ticket = desk.verdicts.open(1)
    desk.send.send_nowait([an_enriched_event(ticket=ticket.number)])
    nursery.start_soon(desk.sessions.run)
    await wait_all_tasks_blocked()
    assert ticket.missing == 1
    await desk.receive.receive()
    await wait_all_tasks_blocked()
    assert ticket.missing == 0
    nursery.cancel_scope.cancel()


async def test_a_withdrawn_event_is_not_stored(desk: Desk) -> None:
    ticket = desk.verdicts.open(1)
    desk.verdicts.withdraw(ticket)
    assert await desk.track(an_enriched_event(ticket=ticket.number)) == []
    assert desk.metrics() == {"dropped_lock_timeout": 1}
    assert len(desk.open_sessions) == 0


async def test_visits_that_are_over_are_forgotten(desk: Desk) -> None:
    visitors = [Visitor(user, None) for user in range(5)]
    await desk.track(
        *(an_enriched_event(visitor=visitor) for visitor in visitors),
        an_enriched_event(visitor=Visitor(9, None), timestamp=NOON + 1801),
    )
    assert len(desk.open_sessions) == 1


async def test_a_failing_event_is_set_aside_and_changes_no_visit(
    autojump_clock: MockClock, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = desk.open_sessions.commit

    def fail_on_signup(transition: object) -> None:
        if transition.after.events == 2:  # type: ignore[attr-defined]
            monkeypatch.undo()
            raise ZeroDivisionError
        commit(transition)  # type: ignore[arg-type]

    monkeypatch.setattr(desk.open_sessions, "commit", fail_on_signup)
    rows = await desk.track(
        an_enriched_event(), an_enriched_event(name="Signup"), an_enriched_event(name="Later")
    )
    assert [row.event[1] for row in rows] == ["pageview", "Later"]
    assert rows[1].sessions[1][11] == 2
    (letter_id,) = desk.letters.ids()
    letter = desk.letters.directory.read(letter_id)
    assert (letter.actor, letter.kind) == ("sessions", "enriched_event")
    assert desk.metrics() == {"buffered": 2, "dropped_persist_error": 1}


@pytest.fixture
def on_disk(tmp_path: Path) -> FileJournal:
    return FileJournal.open(tmp_path / "journal", limit=1_000_000)


async def test_accepted_once_the_journal_has_the_rows_however_busy_the_batcher(
    tmp_path: Path, nursery: trio.Nursery, on_disk: FileJournal
) -> None:
    desk = Desk(tmp_path, room=0, journal=on_disk)
    tickets = [desk.verdicts.open(1) for _ in range(3)]
    for ticket in tickets:
        desk.send.send_nowait([an_enriched_event(ticket=ticket.number)])
        nursery.start_soon(desk.verdicts.wait, ticket, 1)
    nursery.start_soon(desk.sessions.run)
    await wait_all_tasks_blocked()
    assert [ticket.missing for ticket in tickets] == [0, 0, 0]
    assert on_disk.read(0).rows[2].sessions[1][11] == 3
    nursery.cancel_scope.cancel()


async def test_what_the_journal_does_not_take_has_never_been(
    autojump_clock: MockClock, tmp_path: Path, on_disk: FileJournal
) -> None:
    """The visit goes on as if the refused events had not been sent."""
    desk = Desk(tmp_path, journal=on_disk)
    append = on_disk.append
    refusals = iter([False, True, False])

    def refuse(run: Sequence[EventRows]) -> int:
        if next(refusals):
            raise JournalError("No space left on device")
        return append(run)

    on_disk.append = refuse  # type: ignore[method-assign]
    other = Visitor(2, None)
    rows: list[EventRows] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Supervisor().supervise, desk.sessions)
        for run in (
            [an_enriched_event(), an_enriched_event(pathname="/b")],
            [
                an_enriched_event(pathname="/refused"),
                an_enriched_event(visitor=other),
                an_enriched_event(name="engagement", timestamp=NOON + 5),
                an_enriched_event(pathname="/refused", timestamp=NOON + 9),
            ],
            [an_enriched_event(pathname="/c"), an_enriched_event(name="Late", visitor=other)],
        ):
            desk.send.send_nowait(run)
            await wait_all_tasks_blocked()
        desk.send.close()
        rows = [rows async for run in desk.receive for rows in run.rows]
        nursery.cancel_scope.cancel()
    assert [row.event[6] for row in rows] == ["/", "/b", "/c", "/"]
    assert [state[1:2] + state[9:12] for state in rows[2].sessions] == [
        (-1, "/b", 2, 2),
        (1, "/c", 3, 3),
    ]
    assert [state[1:2] + state[11:12] for state in rows[3].sessions] == [(1, 1)]
    assert desk.metrics() == {"buffered": 4, "dropped_persist_timeout": 4}


async def test_with_always_the_answer_waits_for_the_sync(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = FileJournal.open(tmp_path / "journal", limit=1_000_000, fsync="always")
    desk = Desk(tmp_path, journal=journal)
    synced = trio.Event()
    monkeypatch.setattr(journal, "secure", synced.wait)
    ticket = desk.verdicts.open(1)
    verdicts: list[Verdict] = []

    async def wait() -> None:
        verdicts.extend(await desk.verdicts.wait(ticket, 5))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk.sessions.run)
        nursery.start_soon(wait)
        desk.send.send_nowait([an_enriched_event(ticket=ticket.number)])
        await trio.sleep(10)
        # Too late to say no: it is on its way to the disk.
        assert verdicts == []
        synced.set()
        await wait_all_tasks_blocked()
        assert verdicts == [ACCEPTED]
        nursery.cancel_scope.cancel()


async def test_with_always_a_sync_that_fails_is_no_acceptance(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = FileJournal.open(tmp_path / "journal", limit=1_000_000, fsync="always")
    desk = Desk(tmp_path, journal=journal)

    async def fail() -> None:
        await trio.lowlevel.checkpoint()
        raise JournalError("Input/output error")

    monkeypatch.setattr(journal, "secure", fail)
    assert len(await desk.track(an_enriched_event())) == 1
    assert desk.metrics() == {"dropped_persist_timeout": 1}


async def test_what_was_handled_before_a_failure_is_kept_at_once(
    autojump_clock: MockClock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    on_disk: FileJournal,
) -> None:
    """So that visits and journal agree whenever somebody looks."""
    desk = Desk(tmp_path, journal=on_disk)
    fails = iter([False, True])
    monkeypatch.setattr(desk.verdicts, "expired", lambda number: next(fails) and _divide_by_zero())
    monkeypatch.setattr(desk.sessions, "set_aside", lambda message, error: _divide_by_zero())
    desk.send.send_nowait([an_enriched_event(), an_enriched_event()])
    with pytest.raises(ZeroDivisionError):
        await desk.sessions.run()
    assert on_disk.end == 0
    desk.sessions.failed(ZeroDivisionError())
    assert on_disk.end == 1


def _divide_by_zero() -> bool:
    raise ZeroDivisionError


async def test_an_event_that_cannot_be_written_costs_no_other(
    autojump_clock: MockClock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    on_disk: FileJournal,
) -> None:
    """It opens a visit which the others, had it been kept, would have gone on with."""
    desk = Desk(tmp_path, journal=on_disk)
    append = on_disk.append

    def fail(run: Sequence[EventRows]) -> int:
        if any(rows.event[6] == "/a" for rows in run):
            raise ZeroDivisionError
        return append(run)

    monkeypatch.setattr(on_disk, "append", fail)
    rows: list[EventRows] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Supervisor().supervise, desk.sessions)
        for pages in (("/a", "/b", "/c"), ("/a",), ("/d",)):
            desk.send.send_nowait([an_enriched_event(pathname=page) for page in pages])
            await wait_all_tasks_blocked()
        desk.send.close()
        rows = [rows async for run in desk.receive for rows in run.rows]
    assert [(row.event[6], len(row.sessions), row.sessions[-1][11]) for row in rows] == [
        ("/b", 1, 1),
        ("/c", 2, 2),
        ("/d", 2, 3),
    ]
    assert len(list(desk.letters.ids())) == 2
    assert desk.metrics() == {"buffered": 3, "dropped_persist_error": 2}


async def test_the_letter_of_an_event_goes_when_the_journal_has_it(
    autojump_clock: MockClock, tmp_path: Path, on_disk: FileJournal
) -> None:
    desk = Desk(tmp_path, journal=on_disk)
    desk.letters.keep("sessions", an_enriched_event(), "x", redrive=True)
    (letter_id,) = desk.letters.ids()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Supervisor().supervise, desk.sessions)
        verdict = await desk.verdicts.readmit(an_enriched_event(), desk.send, letter_id)
        desk.send.close()
    assert verdict == ACCEPTED
    assert len(desk.letters) == 0
    (rows,) = on_disk.read(0).rows
    assert rows.origin == Origin(letter=letter_id)


async def test_what_cannot_be_set_aside_is_to_be_sent_again(
    autojump_clock: MockClock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    on_disk: FileJournal,
) -> None:
    desk = Desk(tmp_path, journal=on_disk)

    def fail(transition: object) -> None:
        raise ZeroDivisionError

    full = OSError(28, "No space left on device")
    monkeypatch.setattr(desk.open_sessions, "commit", fail)
    monkeypatch.setattr(desk.letters.directory, "write", lambda batch: [full] * len(batch))
    await desk.track(an_enriched_event())
    assert desk.metrics() == {"dropped_persist_timeout": 1}


async def test_visits_of_the_past_are_kept_apart_and_go_on_in_any_order(
    autojump_clock: MockClock, tmp_path: Path, on_disk: FileJournal
) -> None:
    """Two senders bring two days in turn: neither ends the visits of the other."""
    desk = Desk(tmp_path, journal=on_disk)
    days = [NOON - 5 * 86_400, NOON - 86_400]
    past = [
        an_enriched_event(visitor=Visitor(day, None), timestamp=day + minute * 60, received=NOON)
        for minute in range(3)
        for day in days
    ]
    rows = await desk.track(*past, an_enriched_event())
    assert [row.sessions[-1][11] for row in rows] == [1, 1, 2, 2, 3, 3, 1]
    assert [row.origin.past for row in rows] == [True] * 6 + [False]
    assert [session.user_id for session in desk.open_sessions] == [1001]
    assert sorted(session.user_id for session in desk.open_sessions.past) == days
