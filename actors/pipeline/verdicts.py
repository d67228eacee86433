"""Brings verdicts back to the requests that wait for them."""

from collections.abc import Callable, Sequence
from itertools import count
from typing import TypeVar

import msgspec
import trio
from msgspec.structs import replace

from actors.observation.broadcast import Broadcast
from ingest.fold.counts import Counters
from ingest.model.event import EnrichedEvent, Event
from ingest.model.verdict import LATE, Verdict
from ingest.telemetry.metrics import Metrics

VERDICT_SECONDS = 5.0
"""How long a request waits for its verdicts: far longer than a healthy pipeline takes (a few
milliseconds), shorter than any client's patience."""

HELD_SECONDS = 30.0
"""How much longer it waits once its events are being kept, and it is too late to forget them."""

Message = TypeVar("Message", Event, EnrichedEvent)


class Ticket(msgspec.Struct):
    """A request that waits for its verdicts.

    Attributes:
        number: Goes with the request's events through the pipeline; positive.
        verdicts: Those given so far, in the order of the request's domains.
        missing: How many are still to come.
        tell: Called once, when none is, or when no more will be waited for. It must not raise, and
            do no more than wake whoever waits: the task that it runs in is an actor's.
        held: Whether one of its events is being kept.
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
    """The requests in the pipeline, by ticket.

    A verdict is counted once, where it is given. Requests whose client has gone are kept until
    their last verdict is in: the event is still stored. A request whose deadline has passed is
    withdrawn instead, and `expired` tells the pipeline not to store what it has not yet stored: its
    sender was told to try again.
    """

    def __init__(self, counters: Counters, metrics: Metrics, broadcast: Broadcast) -> None:
        """Start with no request.

        Args:
            counters: Where verdicts are counted for the store.
            metrics: Where they are counted for `/metrics`.
            broadcast: Shows them to those who look.
        """
        self._counters = counters
        self._metrics = metrics
        self._broadcast = broadcast
        self._tickets: dict[int, Ticket] = {}
        self._letters: dict[int, str] = {}
        self._numbers = count(1)

    def __len__(self) -> int:
        return len(self._tickets)

    def open(self, events: int, tell: Callable[[], object] | None = None) -> Ticket:
        """Begin to wait for that many verdicts; `tell` is as in `Ticket`."""
        ticket = Ticket(next(self._numbers), [None] * events, events, tell)
        self._tickets[ticket.number] = ticket
        return ticket

    def withdraw(self, ticket: Ticket) -> None:
        """Forget a request; what is still in the pipeline for it is not to be stored."""
        self._tickets.pop(ticket.number, None)

    def letter(self, number: int) -> str | None:
        """Id of the dead letter that a ticket's event came from; None for clients' events."""
        return self._letters.get(number) if self._letters else None

    def expired(self, number: int) -> bool:
        """Whether the request was withdrawn; never for events that nobody waits for (number 0)."""
        return number != 0 and number not in self._tickets

    def hold(self, number: int) -> None:
        """Have a request wait on: its event is being kept, and will be stored."""
        ticket = self._tickets.get(number)
        if ticket is not None:
            ticket.held = True

    def give(self, event: Event | EnrichedEvent, verdict: Verdict) -> None:
        """Count an event's verdict and hand it to the request, if that still waits."""
        self._counters.count(event.counted_at, verdict.metric, event.domain, event.tracker_version)
        self._metrics.count_verdict(event.domain, verdict)
        if verdict.reason is not None:
            self._broadcast.dropped(event, verdict.reason, verdict.rule)
        elif isinstance(event, EnrichedEvent):
            self._broadcast.accepted(event)
        ticket = self._tickets.get(event.ticket)
        if ticket is None or ticket.verdicts[event.position] is not None:
            return
        ticket.verdicts[event.position] = verdict
        ticket.missing -= 1
        if ticket.missing == 0:
            del self._tickets[event.ticket]
            ticket.settle()

    async def settled(self, ticket: Ticket) -> list[Verdict]:
        """As `wait`, for as long as `give_up_waiting` lets it; a deadline of its own costs more."""
        await self._complete(ticket).wait()
        return ticket.outcome()

    def _complete(self, ticket: Ticket) -> trio.Event:
        """Set when the ticket's last verdict is in, or waiting has ended."""
        complete = trio.Event()
        if ticket.missing:
            ticket.tell = complete.set
        else:
            complete.set()
        return complete

    def give_up_waiting(self, now: float) -> None:
        """End the waits that have lasted `VERDICT_SECONDS`, or longer for events being kept."""
        late: list[Ticket] = []
        for ticket in self._tickets.values():
            if ticket.opened > now - VERDICT_SECONDS:
                break  # the others are younger
            if not ticket.held or ticket.opened <= now - VERDICT_SECONDS - HELD_SECONDS:
                late.append(ticket)
        for ticket in late:
            self.withdraw(ticket)
            ticket.settle()

    async def wait(self, ticket: Ticket, seconds: float) -> list[Verdict]:
        """Wait until every event of a request has its verdict.

        Args:
            ticket: The request's.
            seconds: How long to wait. Events without a verdict by then are given `lock_timeout`
                (spec/sessions.md §7), and the request is withdrawn; while one is being kept, the
                wait is longer.

        Returns:
            The verdicts in the order of the request's domains.
        """
        complete = self._complete(ticket)
        with trio.move_on_after(seconds):
            await complete.wait()
        if ticket.missing and ticket.held:
            with trio.move_on_after(HELD_SECONDS):
                await complete.wait()
        if ticket.missing:
            self.withdraw(ticket)
        return ticket.outcome()

    async def readmit(
        self, event: Message, outlet: trio.MemorySendChannel[Sequence[Message]], letter: str
    ) -> Verdict:
        """Send an event that was set aside into a stage again; wait for room and for its verdict.

        Args:
            event: The event.
            outlet: Leads to the stage.
            letter: Id of the letter that the event was kept in.

        Returns:
            The verdict; `lock_timeout` when there was none in time.
        """
        ticket = self.open(1)
        self._letters[ticket.number] = letter
        try:
            await outlet.send((replace(event, ticket=ticket.number, position=0),))
            return (await self.wait(ticket, VERDICT_SECONDS))[0]
        finally:
            self.withdraw(ticket)
            del self._letters[ticket.number]
