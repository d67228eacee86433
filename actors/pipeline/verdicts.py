"""Brings verdicts back to the requests that wait for them, and counts outcomes."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import TypeVar

import msgspec
import trio

from actors.observation.broadcast import Broadcast
from ingest.model.event import EnrichedEvent, Event
from ingest.model.verdict import ACCEPTED, LATE, Verdict
from ingest.pipeline.ticketed_event import TicketedEvent
from ingest.records.drop_counter import DropCounter
from ingest.telemetry.metrics import Metrics

VERDICT_SECONDS = 5.0
"""How long a request waits for its verdicts: far longer than a healthy pipeline takes (a few
milliseconds), shorter than any client waits."""

HELD_SECONDS = 30.0
"""How much longer it waits while its events are being appended, and it is too late to forget
them."""

WAITING_EVENTS = 16_384
"""Events that may wait for the fold's verdict; beyond that, the oldest are answered without it."""


Message = TypeVar("Message", Event, TicketedEvent)


class Ticket(msgspec.Struct):
    """A request that waits for its verdicts.

    Attributes:
        number: Goes with the request's events through the pipeline; positive.
        verdicts: Those given so far, in the order of the request's domains.
        missing: How many are still to come.
        tell: Called once, when none is, or when no more will be waited for. It must not raise, and
            do no more than wake whoever waits: the task that it runs in is an actor's.
        held: Whether one of its events is being appended.
        opened: When, on trio's clock.
    """

    number: int
    verdicts: list[Verdict | None]
    missing: int
    tell: Callable[[], object] | None = None
    held: bool = False
    opened: float = msgspec.field(default_factory=trio.current_time)

    def settle(self) -> None:
        """Tell whoever waits."""
        if self.tell is not None:
            self.tell()

    def outcome(self) -> list[Verdict]:
        """The verdicts in the order of the request's domains; those that are missing are late."""
        return [verdict or LATE for verdict in self.verdicts]


class Verdicts:
    """The requests in the pipeline, by ticket, and the events that wait for the fold.

    Requests whose client has gone are kept until their last verdict is in. A request whose deadline
    has passed is withdrawn instead, and `expired` tells the pipeline not to append what it has not
    yet appended: its sender was told to try again.

    An appended event waits until the fold has reached it, which alone knows whether an engagement
    event has a session. While the fold does not read on, appended events are accepted at once.
    """

    def __init__(self, drops: DropCounter, metrics: Metrics, broadcast: Broadcast) -> None:
        """Start with no request.

        Args:
            drops: Where drops are counted for the store.
            metrics: Where verdicts are counted for `/metrics`.
            broadcast: Shows them to those who look.
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

    def __len__(self) -> int:
        return len(self._tickets)

    def figures(self) -> dict[str, float]:
        """Its gauges, by the names that `/metrics` gives them."""
        return {"sluice_requests_waiting": len(self)}

    def open(self, events: int, tell: Callable[[], object] | None = None) -> Ticket:
        """Begin to wait for that many verdicts; `tell` is as in `Ticket`."""
        ticket = Ticket(next(self._numbers), [None] * events, events, tell)
        self._tickets[ticket.number] = ticket
        return ticket

    def withdraw(self, ticket: Ticket) -> None:
        """Forget a request; what is not appended yet for it is not to be appended."""
        self._tickets.pop(ticket.number, None)

    def expired(self, number: int) -> bool:
        """Whether the request was withdrawn; never for events that nobody waits for (number 0)."""
        return number != 0 and number not in self._tickets

    def hold(self, number: int) -> None:
        """Have a request wait on: its event is being appended."""
        ticket = self._tickets.get(number)
        if ticket is not None:
            ticket.held = True

    def drop(self, event: Event, verdict: Verdict) -> None:
        """Count a drop in front of the log, and answer for it."""
        self._count_drop(event, verdict)
        self._answer(event.ticket, event.position, verdict)

    def refuse(self, ticketed: TicketedEvent, verdict: Verdict) -> None:
        """Count an event that did not get into the log, and answer for it."""
        self._count_drop(ticketed.event, verdict)
        self._answer(ticketed.ticket, ticketed.position, verdict)

    def _count_drop(self, event: Event | EnrichedEvent, verdict: Verdict) -> None:
        self._drops.count(event.received, verdict.metric, event.domain, event.tracker_version)
        self._show_drop(event, verdict)

    def _show_drop(self, event: Event | EnrichedEvent, verdict: Verdict) -> None:
        assert verdict.reason is not None, "a drop has a reason"  # noqa: S101
        self._metrics.count_verdict(event.domain, verdict)
        self._broadcast.dropped(event, verdict.reason, verdict.rule)

    def appended(self, first: int, events: Sequence[TicketedEvent]) -> None:
        """Have events wait for the fold that are in the log now, at positions from `first` on."""
        if not self._fold_reads or first < self._folded:
            self._accept(events)
            return
        self._appended.append((first, events))
        self._waiting += len(events)
        while self._waiting > WAITING_EVENTS:
            self._accept_oldest()

    def folded(self, end: int, drops: Mapping[int, tuple[EnrichedEvent, Verdict]]) -> None:
        """Answer for the events that the fold has reached.

        Args:
            end: The position before which all records are folded.
            drops: By position: what the fold has dropped, which it counts for the store itself.
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
        """The fold reads on: events that are appended from now on wait for it."""
        self._fold_reads = True

    def fold_waits(self) -> None:
        """The fold does not read on: what is in the log is accepted without its verdict."""
        self._fold_reads = False
        while self._appended:
            self._accept_oldest()

    def _accept_oldest(self) -> None:
        _, events = self._appended.popleft()
        self._waiting -= len(events)
        self._accept(events)

    def _accept(self, events: Sequence[TicketedEvent]) -> None:
        for ticketed in events:
            event = ticketed.event
            self._metrics.count_verdict(event.domain, ACCEPTED)
            self._broadcast.accepted(event)
            self._answer(ticketed.ticket, ticketed.position, ACCEPTED)

    def _answer(self, number: int, position: int, verdict: Verdict) -> None:
        ticket = self._tickets.get(number)
        if ticket is None or ticket.verdicts[position] is not None:
            return
        ticket.verdicts[position] = verdict
        ticket.missing -= 1
        if ticket.missing == 0:
            del self._tickets[number]
            ticket.settle()

    async def settled(self, ticket: Ticket) -> list[Verdict]:
        """As `wait`, for as long as `give_up_waiting` lets it; a deadline of its own costs more."""
        await self._complete(ticket).wait()
        return ticket.outcome()

    def _complete(self, ticket: Ticket) -> trio.Event:
        """Set when the ticket's last verdict is in, or waiting has ended."""
        complete = trio.Event()
        if ticket.number in self._tickets:
            ticket.tell = complete.set
        else:
            complete.set()
        return complete

    async def readmit(
        self, ticketed: Callable[[int], Message], outlet: trio.MemorySendChannel[Sequence[Message]]
    ) -> Verdict:
        """Send an event that was set aside into a stage again; wait for room and for its verdict.

        Args:
            ticketed: Gives the stage's message with a ticket's number.
            outlet: Leads to the stage.

        Returns:
            The verdict; `lock_timeout` when there was none in time.
        """
        ticket = self.open(1)
        try:
            await outlet.send((ticketed(ticket.number),))
            return (await self.settled(ticket))[0]
        finally:
            self.withdraw(ticket)

    def give_up_waiting(self, now: float) -> None:
        """End the waits that have lasted `VERDICT_SECONDS`.

        What is in the log by then is accepted. What is being appended is waited for longer.
        """
        late = self._late(now)
        if any(ticket.held for ticket in late) and self._appended:
            while self._appended:
                self._accept_oldest()
            late = self._late(now)
        for ticket in late:
            if not ticket.held or ticket.opened <= now - VERDICT_SECONDS - HELD_SECONDS:
                self.withdraw(ticket)
                ticket.settle()

    def _late(self, now: float) -> list[Ticket]:
        late: list[Ticket] = []
        for ticket in self._tickets.values():
            if ticket.opened > now - VERDICT_SECONDS:
                break  # the others are younger
            late.append(ticket)
        return late
