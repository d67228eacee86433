"""Delivers verdicts to the waiting requests, and counts them."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import TypeVar

import msgspec
import trio

from actors.observation.broadcast import Broadcast
from ingest.model.event import EnrichedEvent, Event
from ingest.model.verdict import ACCEPTED, LATE, NOT_FORWARDED, Verdict
from ingest.pipeline.ticketed_event import TicketedEvent
from ingest.records.drop_counter import DropCounter
from ingest.telemetry.metrics import Metrics

VERDICT_SECONDS = 5.0
"""How long a request waits for its verdicts: far longer than a healthy pipeline takes (a few
milliseconds), but shorter than clients wait."""

HELD_SECONDS = 30.0
"""How much longer it waits while its events are being appended and can no longer be withdrawn."""

WAITING_EVENTS = 16_384
"""Maximum number of events that wait for the fold's verdict; beyond it the oldest do not wait."""


Message = TypeVar("Message", Event, TicketedEvent)


def tell_nobody() -> None:
    """Do nothing: nobody waits, or not yet."""


class Ticket(msgspec.Struct):
    """A request that waits for its verdicts.

    Attributes:
        number: Identifies the request's events in the pipeline; positive.
        verdicts: The verdicts so far, in the order of the request's domains.
        missing: Number of verdicts still to come.
        tell: Called once, when no verdict is missing or the wait has ended. It runs in an actor's
            task, so it must not raise, and must only wake the waiting task.
        opened: When the wait started, on trio's clock.
        held: Whether one of its events is being appended.
    """

    number: int
    verdicts: list[Verdict | None]
    missing: int
    tell: Callable[[], object]
    opened: float
    held: bool = False

    def expect(self, events: int) -> None:
        """Wait for that many verdicts; there is none so far."""
        self.verdicts = [None] * events
        self.missing = events

    def outcome(self) -> list[Verdict]:
        """The verdicts in the order of the request's domains; missing ones are timeouts."""
        return [verdict or LATE for verdict in self.verdicts]


class Verdicts:
    """The requests in the pipeline, by ticket, and the events that wait for the fold.

    Requests whose client has disconnected are kept until their last verdict. A request whose
    deadline has passed is withdrawn, because its sender was told to try again; `expired` then tells
    the pipeline not to append its remaining events.

    An appended event waits until the fold has reached it, because only the fold knows whether an
    engagement event has a session. While the fold is paused, appended events are accepted at once.
    Where the log's disk does not suffice, their senders are told to try again instead; the events
    count as accepted, because they may be stored.
    """

    def __init__(
        self,
        drops: DropCounter,
        metrics: Metrics,
        broadcast: Broadcast,
        *,
        disk_suffices: bool = True,
    ) -> None:
        """Start without requests.

        Args:
            drops: Where drops are counted for the store.
            metrics: Where verdicts are counted for `/metrics`.
            broadcast: Sends them to followers.
            disk_suffices: Whether an event is safe once the log has it, so that its sender may be
                told so although it was not folded, or forwarded.
        """
        self._drops = drops
        self._metrics = metrics
        self._broadcast = broadcast
        self._tickets: dict[int, Ticket] = {}
        self._numbers = count(1)
        self._appended: deque[tuple[int, Sequence[TicketedEvent]]] = deque()
        self._waiting = 0
        self._folded = 0
        self._fold_reads = False
        self._unfolded = ACCEPTED if disk_suffices else NOT_FORWARDED

    def __len__(self) -> int:
        return len(self._tickets)

    def figures(self) -> dict[str, float]:
        """Gauges by their names in `/metrics`."""
        return {"sluice_requests_waiting": len(self)}

    def open(
        self, events: int, tell: Callable[[], object] = tell_nobody, now: float | None = None
    ) -> Ticket:
        """Start to wait for verdicts.

        Args:
            events: How many.
            tell: As in `Ticket`.
            now: On trio's clock, if it is known.
        """
        number = next(self._numbers)
        opened = trio.current_time() if now is None else now
        self._tickets[number] = ticket = Ticket(number, [None] * events, events, tell, opened)
        return ticket

    def withdraw(self, ticket: Ticket) -> None:
        """Forget a request; its events that are not appended yet must not be appended."""
        self._tickets.pop(ticket.number, None)

    def expired(self, number: int) -> bool:
        """Whether the request was withdrawn; False for events without a request (number 0)."""
        return number != 0 and number not in self._tickets

    def hold(self, number: int) -> bool:
        """Extend the wait of a request whose event is being appended.

        Returns:
            False if the request was withdrawn, see `expired`.
        """
        ticket = self._tickets.get(number)
        if ticket is None:
            return number == 0
        ticket.held = True
        return True

    def drop(self, event: Event, verdict: Verdict) -> None:
        """Count an event dropped before the log, and give its verdict."""
        self._count_drop(event, verdict)
        self._answer(event.ticket, event.position, verdict)

    def refuse(self, ticketed: TicketedEvent, verdict: Verdict) -> None:
        """Count an event that was not appended, and give its verdict."""
        self._count_drop(ticketed.event, verdict)
        self._answer(ticketed.ticket, ticketed.position, verdict)

    def _count_drop(self, event: Event | EnrichedEvent, verdict: Verdict) -> None:
        self._drops.count(event.received, verdict.metric, event.domain, event.tracker_version)
        self._show_drop(event, verdict)

    def _show_drop(self, event: Event | EnrichedEvent, verdict: Verdict) -> None:
        assert verdict.reason is not None, "a drop has a reason"  # noqa: S101
        self._metrics.count_drop(event.domain, verdict.reason)
        self._broadcast.dropped(event, verdict.reason, verdict.rule)

    def appended(self, first: int, events: Sequence[TicketedEvent]) -> None:
        """Let appended events wait for the fold; their positions start at `first`."""
        if first < self._folded:
            self._accept(events)
            return
        if not self._fold_reads:
            self._accept(events, self._unfolded)
            return
        self._appended.append((first, events))
        self._waiting += len(events)
        while self._waiting > WAITING_EVENTS:
            self._release_oldest()

    def folded(self, end: int, drops: Mapping[int, tuple[EnrichedEvent, Verdict]]) -> None:
        """Give the verdicts on the events that the fold has reached.

        Args:
            end: The position before which all records are folded.
            drops: Events that the fold has dropped, by position; the fold counts them for the
                store.
        """
        self._folded = end
        answered_before = self._appended[0][0] if self._appended else end
        for position, (event, verdict) in drops.items():
            if position < answered_before:
                self._show_drop(event, verdict)
        while self._appended and self._appended[0][0] < end:
            first, events = self._appended.popleft()
            self._waiting -= len(events)
            if not drops:
                self._accept(events)
                continue
            for position, ticketed in enumerate(events, first):
                dropped = drops.get(position)
                if dropped is None:
                    self._accept((ticketed,))
                else:
                    self._show_drop(*dropped)
                    self._answer(ticketed.ticket, ticketed.position, dropped[1])

    def fold_reads(self) -> None:
        """The fold continues: events appended from now on wait for it."""
        self._fold_reads = True

    def fold_waits(self) -> None:
        """The fold has paused: appended events do not wait for its verdict."""
        self._fold_reads = False
        while self._appended:
            self._release_oldest()

    def _release_oldest(self) -> None:
        _, events = self._appended.popleft()
        self._waiting -= len(events)
        self._accept(events, self._unfolded)

    def _accept(self, events: Sequence[TicketedEvent], answer: Verdict = ACCEPTED) -> None:
        """Count events as accepted, and answer them."""
        accepted = [ticketed.event for ticketed in events]
        self._metrics.count_accepted([event.domain for event in accepted])
        self._broadcast.accepted(accepted)
        for ticketed in events:
            self._answer(ticketed.ticket, ticketed.position, answer)

    def _answer(self, number: int, position: int, verdict: Verdict) -> None:
        ticket = self._tickets.get(number)
        if ticket is None or ticket.verdicts[position] is not None:
            return
        ticket.verdicts[position] = verdict
        ticket.missing -= 1
        if ticket.missing == 0:
            del self._tickets[number]
            ticket.tell()

    async def settled(self, ticket: Ticket) -> list[Verdict]:
        """Wait for the verdicts until `give_up_waiting`; a separate deadline costs more."""
        await self._complete(ticket).wait()
        return ticket.outcome()

    def _complete(self, ticket: Ticket) -> trio.Event:
        """An event that is set when the ticket's last verdict is in, or the wait has ended."""
        complete = trio.Event()
        if ticket.number in self._tickets:
            ticket.tell = complete.set
        else:
            complete.set()
        return complete

    async def readmit(
        self, ticketed: Callable[[int], Message], outlet: trio.MemorySendChannel[Sequence[Message]]
    ) -> Verdict:
        """Send a redriven event into a stage; wait for room and for its verdict.

        Args:
            ticketed: Creates the stage's message from a ticket's number.
            outlet: Channel to the stage.

        Returns:
            The verdict; `lock_timeout` if there was none in time.
        """
        ticket = self.open(1)
        try:
            await outlet.send((ticketed(ticket.number),))
            return (await self.settled(ticket))[0]
        finally:
            self.withdraw(ticket)

    def give_up_waiting(self, now: float) -> None:
        """End the waits that have lasted `VERDICT_SECONDS`.

        Events in the log by then are answered without the fold. Events being appended are given
        more time.
        """
        late = self._late(now)
        if any(ticket.held for ticket in late) and self._appended:
            while self._appended:
                self._release_oldest()
            late = self._late(now)
        for ticket in late:
            if not ticket.held or ticket.opened <= now - VERDICT_SECONDS - HELD_SECONDS:
                self.withdraw(ticket)
                ticket.tell()

    def _late(self, now: float) -> list[Ticket]:
        late: list[Ticket] = []
        for ticket in self._tickets.values():
            if ticket.opened > now - VERDICT_SECONDS:
                break  # the others are younger
            late.append(ticket)
        return late
