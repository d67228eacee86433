from collections.abc import Sequence

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.pipeline import verdicts as verdicts_module
from actors.pipeline.verdicts import HELD_SECONDS, VERDICT_SECONDS, Ticket, Verdicts
from ingest.model.event import EnrichedEvent
from ingest.model.verdict import (
    ACCEPTED,
    LATE,
    NO_SESSION,
    NOT_FORWARDED,
    NOT_KEPT,
    SET_ASIDE,
    DropReason,
    Verdict,
)
from ingest.pipeline.ticketed_event import TicketedEvent
from ingest.records.drop_counter import DropCounter
from ingest.telemetry.metrics import Metrics
from tests.actors.pipeline.running_pipeline import no_broadcast
from tests.examples import a_ticketed_event, an_enriched_event, an_event

BOT = Verdict(DropReason.BOT)


class Front:
    """Requests that wait, and what is counted of them."""

    def __init__(self, *, disk_suffices: bool = True) -> None:
        self.drops = DropCounter()
        self.metrics = Metrics(lambda domain: domain == "example.com")
        self.verdicts = Verdicts(
            self.drops, self.metrics, no_broadcast(), disk_suffices=disk_suffices
        )
        self.position = 1

    def append(self, events: int = 1) -> list[Ticket]:
        """A request for each event; the log has them as one run."""
        tickets = [self.verdicts.open(1) for _ in range(events)]
        run = [a_ticketed_event(ticket=ticket.number) for ticket in tickets]
        for ticket in tickets:
            self.verdicts.hold(ticket.number)
        self.verdicts.appended(self.position, run)
        self.position += events
        return tickets

    def fold(self, end: int | None = None, **drops: Verdict) -> None:
        """Up to a position; drops are named `at_<position>`."""
        self.verdicts.folded(
            self.position if end is None else end,
            {
                int(name.removeprefix("at_")): (an_enriched_event(), verdict)
                for name, verdict in drops.items()
            },
        )

    def shown(self) -> dict[str, float]:
        """What `/metrics` says: accepted, and dropped by reason."""
        samples = [
            sample
            for family in self.metrics.registry.collect()
            for sample in family.samples
            if sample.value
        ]
        return {
            sample.labels.get("reason", "accepted"): sample.value
            for sample in samples
            if sample.name in ("sluice_events_accepted_total", "sluice_events_dropped_total")
        }


@pytest.fixture
def front() -> Front:
    return Front()


def outcomes(*tickets: Ticket) -> list[Verdict | None]:
    return [verdict for ticket in tickets for verdict in ticket.verdicts]


async def test_verdicts_come_in_the_order_of_the_domains(front: Front) -> None:
    ticket = front.verdicts.open(2)
    domains = ("example.com", "other.com")
    front.verdicts.drop(an_event(ticket=ticket.number, position=1, domains=domains), BOT)
    assert ticket.missing == 1
    front.verdicts.appended(1, [a_ticketed_event(ticket=ticket.number)])
    assert await front.verdicts.settled(ticket) == [ACCEPTED, BOT]
    assert len(front.verdicts) == 0


async def test_whoever_waits_is_told_once(front: Front) -> None:
    told: list[bool] = []
    ticket = front.verdicts.open(2, lambda: told.append(True))
    event = an_event(ticket=ticket.number)
    front.verdicts.drop(event, BOT)
    front.verdicts.drop(event, LATE)
    assert told == []
    front.verdicts.refuse(a_ticketed_event(ticket=ticket.number, position=1), NOT_KEPT)
    front.verdicts.refuse(a_ticketed_event(ticket=ticket.number, position=1), LATE)
    front.verdicts.give_up_waiting(1e9)
    assert told == [True]
    assert ticket.outcome() == [BOT, NOT_KEPT]


async def test_what_is_dropped_in_front_of_the_log_is_counted_for_it(front: Front) -> None:
    front.verdicts.drop(an_event(domains=("unknown.example",), tracker_version=36), BOT)
    front.verdicts.refuse(a_ticketed_event(), NOT_KEPT)
    front.append()
    assert front.shown() == {"accepted": 1, "bot": 1, "persist_timeout": 1}
    assert len(front.drops) == 2


async def test_nobody_waits_for_ticket_zero(front: Front) -> None:
    assert not front.verdicts.expired(0)
    assert front.verdicts.hold(0)
    front.verdicts.drop(an_event(), BOT)
    front.verdicts.appended(1, [a_ticketed_event()])
    assert front.shown() == {"bot": 1, "accepted": 1}


async def test_while_the_fold_reads_it_gives_the_verdict(front: Front) -> None:
    front.verdicts.fold_reads()
    first, second, third, *later = front.append(3) + front.append(2)
    assert outcomes(first, second, third, *later) == [None] * 5
    front.fold(4, at_2=NO_SESSION)
    assert outcomes(first, second, third) == [ACCEPTED, NO_SESSION, ACCEPTED]
    assert outcomes(*later) == [None, None]
    front.fold()
    assert outcomes(*later) == [ACCEPTED, ACCEPTED]
    assert front.shown() == {"accepted": 4, "no_session_for_engagement": 1}
    # The fold counts its drops for the store itself.
    assert len(front.drops) == 0
    assert len(front.verdicts) == 0


@pytest.mark.parametrize("reason", ["never read", "waits", "passed it already"])
async def test_without_the_fold_an_event_is_accepted_when_it_is_appended(
    front: Front, reason: str
) -> None:
    if reason != "never read":
        front.verdicts.fold_reads()
    if reason == "waits":
        front.verdicts.fold_waits()
    if reason == "passed it already":
        front.fold(9)
    (ticket,) = front.append()
    assert outcomes(ticket) == [ACCEPTED]
    assert front.shown() == {"accepted": 1}


async def test_a_fold_that_waits_has_all_answered(front: Front) -> None:
    front.verdicts.fold_reads()
    tickets = front.append(2) + front.append(3)
    front.fold(3)
    front.verdicts.fold_waits()
    assert outcomes(*tickets) == [ACCEPTED] * 5
    later = front.append()
    assert outcomes(*later) == [ACCEPTED]
    front.verdicts.fold_reads()
    again = front.append()
    assert outcomes(*again) == [None]


async def test_a_late_drop_is_shown_once_and_changes_no_answer(front: Front) -> None:
    front.verdicts.fold_reads()
    early = front.append(2)
    front.verdicts.fold_waits()
    front.verdicts.fold_reads()
    waiting = front.append(2)
    front.fold(5, at_2=NO_SESSION, at_3=SET_ASIDE)
    assert outcomes(*early, *waiting) == [ACCEPTED, ACCEPTED, SET_ASIDE, ACCEPTED]
    assert front.shown() == {"accepted": 3, "no_session_for_engagement": 1, "persist_error": 1}
    assert len(front.drops) == 0


async def test_drops_of_a_backlog_are_shown(front: Front) -> None:
    """An earlier process has answered for them."""
    front.fold(50, at_7=NO_SESSION)
    assert front.shown() == {"no_session_for_engagement": 1}


async def test_beyond_a_limit_the_oldest_are_answered(
    front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verdicts_module, "WAITING_EVENTS", 10)
    front.verdicts.fold_reads()
    runs = [front.append(4) for _ in range(4)]
    assert [outcomes(*run) for run in runs] == [[ACCEPTED] * 4] * 2 + [[None] * 4] * 2
    front.fold(17, at_1=NO_SESSION, at_9=NO_SESSION)
    assert outcomes(*runs[2], *runs[3]) == [NO_SESSION, *[ACCEPTED] * 7]
    assert front.shown() == {"accepted": 15, "no_session_for_engagement": 2}
    # What was answered does not count toward the limit.
    runs = [front.append(5) for _ in range(2)]
    assert outcomes(*runs[0]) == [None] * 5


async def test_a_client_that_has_gone_does_not_withdraw(front: Front) -> None:
    ticket = front.verdicts.open(1)
    with trio.CancelScope() as scope:
        scope.cancel()
        await front.verdicts.settled(ticket)
    assert not front.verdicts.expired(ticket.number)
    front.verdicts.refuse(a_ticketed_event(ticket=ticket.number), BOT)
    assert len(front.verdicts) == 0


def at(seconds: float) -> float:
    return trio.current_time() + seconds


async def test_what_is_not_appended_in_time_is_late_and_withdrawn(
    autojump_clock: MockClock, front: Front
) -> None:
    ticket = front.verdicts.open(2)
    front.verdicts.drop(an_event(ticket=ticket.number), BOT)
    front.verdicts.give_up_waiting(at(VERDICT_SECONDS - 0.1))
    assert not front.verdicts.expired(ticket.number)
    front.verdicts.give_up_waiting(at(VERDICT_SECONDS))
    assert await front.verdicts.settled(ticket) == [BOT, LATE]
    assert front.verdicts.expired(ticket.number)
    assert not front.verdicts.hold(ticket.number)
    assert len(front.verdicts) == 0
    front.verdicts.refuse(a_ticketed_event(ticket=ticket.number, position=1), LATE)
    assert ticket.outcome() == [BOT, LATE]


async def test_what_is_in_the_log_in_time_is_accepted_without_the_fold(
    autojump_clock: MockClock, front: Front
) -> None:
    front.verdicts.fold_reads()
    (ticket,) = front.append()
    front.verdicts.give_up_waiting(at(VERDICT_SECONDS - 0.1))
    assert outcomes(ticket) == [None]
    front.verdicts.give_up_waiting(at(VERDICT_SECONDS))
    assert await front.verdicts.settled(ticket) == [ACCEPTED]
    front.fold(at_1=NO_SESSION)
    assert ticket.outcome() == [ACCEPTED]
    assert front.shown() == {"accepted": 1, "no_session_for_engagement": 1}


async def test_what_is_being_appended_is_waited_for_longer(
    autojump_clock: MockClock, front: Front
) -> None:
    ticket = front.verdicts.open(1)
    assert front.verdicts.hold(ticket.number)
    front.verdicts.give_up_waiting(at(VERDICT_SECONDS + HELD_SECONDS - 0.1))
    assert not front.verdicts.expired(ticket.number)
    front.verdicts.give_up_waiting(at(VERDICT_SECONDS + HELD_SECONDS))
    assert await front.verdicts.settled(ticket) == [LATE]


@pytest.mark.parametrize("way", ["paused", "late", "crowded"])
async def test_where_the_disk_does_not_suffice_senders_try_again(
    monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """Their events count as accepted, because they may be stored."""
    monkeypatch.setattr(verdicts_module, "WAITING_EVENTS", 1)
    front = Front(disk_suffices=False)
    front.verdicts.fold_reads()
    tickets = front.append(1)
    match way:
        case "paused":
            front.verdicts.fold_waits()
            tickets += front.append(1)
        case "late":
            front.verdicts.give_up_waiting(at(VERDICT_SECONDS))
        case "crowded":
            front.append(1)
    front.fold()
    assert {verdict for ticket in tickets for verdict in ticket.outcome()} == {NOT_FORWARDED}
    assert NOT_FORWARDED.passing
    assert set(front.shown()) == {"accepted"}
    assert front.drops.take(lambda domain: 1) is None


async def test_what_was_forwarded_before_it_waited_is_accepted() -> None:
    front = Front(disk_suffices=False)
    front.fold(end=2)
    (ticket,) = front.append(1)
    assert ticket.outcome() == [ACCEPTED]


async def test_the_young_wait_on(autojump_clock: MockClock, front: Front) -> None:
    old = front.verdicts.open(1)
    await trio.sleep(3)
    young = front.verdicts.open(1)
    front.verdicts.give_up_waiting(at(2))
    assert front.verdicts.expired(old.number)
    assert not front.verdicts.expired(young.number)


Messages = Sequence[TicketedEvent]


@pytest.mark.parametrize("verdict", [ACCEPTED, BOT])
async def test_readmitting_waits_for_room_and_for_the_verdict(
    autojump_clock: MockClock, front: Front, nursery: trio.Nursery, verdict: Verdict
) -> None:
    send, receive = trio.open_memory_channel[Messages](0)
    event: EnrichedEvent = an_enriched_event()
    given: list[Verdict] = []

    async def readmit() -> None:
        given.append(
            await front.verdicts.readmit(lambda ticket: TicketedEvent(ticket, 0, event), send)
        )

    nursery.start_soon(readmit)
    await trio.sleep(1)
    (ticketed,) = await receive.receive()
    assert ticketed.event is event
    await wait_all_tasks_blocked()
    assert given == []
    if verdict is ACCEPTED:
        front.verdicts.appended(1, [ticketed])
    else:
        front.verdicts.refuse(ticketed, verdict)
    await wait_all_tasks_blocked()
    assert given == [verdict]
    assert len(front.verdicts) == 0


@pytest.mark.parametrize("room_after", [0, 20])
async def test_readmitting_gives_up_in_time(
    autojump_clock: MockClock, front: Front, nursery: trio.Nursery, room_after: float
) -> None:
    """Also when there was no room for so long that its time was over before it was sent."""
    send, receive = trio.open_memory_channel[Messages](0)

    async def give_up_for_ever() -> None:
        while True:
            await trio.sleep(0.25)
            front.verdicts.give_up_waiting(trio.current_time())

    async def make_room() -> None:
        await trio.sleep(room_after)
        (ticketed,) = await receive.receive()
        if front.verdicts.expired(ticketed.ticket):
            front.verdicts.refuse(ticketed, LATE)

    nursery.start_soon(give_up_for_ever)
    nursery.start_soon(make_room)
    with trio.fail_after(60):
        verdict = await front.verdicts.readmit(
            lambda ticket: TicketedEvent(ticket, 0, an_enriched_event()), send
        )
    assert verdict == LATE
    assert trio.current_time() == max(VERDICT_SECONDS, room_after)
    assert len(front.verdicts) == 0
    nursery.cancel_scope.cancel()
