from collections import Counter
from collections.abc import Sequence
from itertools import count
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.dead_letters import DeadLetters
from actors.sessions import Sessions
from actors.supervisor import Supervisor
from actors.verdicts import Verdicts
from ingest.counters import Counters
from ingest.event import EnrichedEvent, Visitor
from ingest.metrics import Metrics
from ingest.rows.layout import EventRows
from ingest.sessions.open_sessions import OpenSessions
from tests.examples import NOON, an_enriched_event


class Desk:
    def __init__(self, directory: Path, room: int = 100) -> None:
        self.counters = Counters()
        self.verdicts = Verdicts(self.counters, Metrics(lambda domain: True))
        self.letters = DeadLetters(directory)
        self.open_sessions = OpenSessions(1800, count(1).__next__)
        self.send, inbox = trio.open_memory_channel[Sequence[EnrichedEvent]](100)
        outlet, self.receive = trio.open_memory_channel[Sequence[EventRows]](room)
        self.sessions = Sessions(inbox, outlet, self.open_sessions, self.verdicts, self.letters)

    async def track(self, *events: EnrichedEvent) -> list[EventRows]:
        self.send.send_nowait(events)
        self.send.close()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(Supervisor().supervise, self.sessions)
            return [rows async for run in self.receive for rows in run]

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
    letter = desk.letters.read(letter_id)
    assert (letter.actor, letter.kind) == ("sessions", "enriched_event")
    assert desk.metrics() == {"buffered": 2, "dropped_persist_error": 1}
