"""Where requests enter the pipeline and wait for their verdicts."""

from collections.abc import Callable, Sequence
from dataclasses import asdict

import trio
from msgspec.structs import replace

from actors.pipeline.verdicts import Ticket, Verdicts, tell_nobody
from actors.supervision.actor import Queue
from ingest.model.event import Event, EventRequest
from ingest.model.verdict import Verdict

RETRY_AFTER_SECONDS = 5


class OverloadedError(Exception):
    """The pipeline cannot take the request now; none of its events will be stored.

    Attributes:
        retry_after: Seconds after which the client may try again.
    """

    retry_after = RETRY_AFTER_SECONDS


class Intake:
    """The pipeline's entrance. Never waits for room: a full pipeline refuses requests at once."""

    def __init__(self, outlet: trio.MemorySendChannel[Sequence[Event]], verdicts: Verdicts) -> None:
        """Own the channel half until `close`."""
        self._outlet = outlet
        self._verdicts = verdicts
        self._open = True

    @property
    def is_open(self) -> bool:
        """Whether requests are accepted at all."""
        return self._open

    @property
    def room(self) -> int:
        """How many requests would be accepted now."""
        if not self._open:
            return 0
        queue = self._outlet.statistics()
        return int(queue.max_buffer_size) - queue.current_buffer_used

    def status(self) -> dict[str, object]:
        """What readiness says of the entrance."""
        queue = asdict(Queue.of(self._outlet))
        if self._open:
            return {"status": "ok", **queue}
        return {"status": "down", "reason": "the server stops", **queue}

    async def submit(self, *requests: EventRequest) -> list[Verdict]:
        """Send the events of a request, or of several that came together, through the pipeline.

        Returns:
            A verdict for each of the requests' domains, in order.

        Raises:
            OverloadedError: The pipeline is full or closed, gave no verdict in time, or could not
                keep the events.
        """
        ticket = self.send(*requests)
        await self._verdicts.settled(ticket)
        return self.outcome(ticket)

    def send(
        self,
        *requests: EventRequest,
        tell: Callable[[], object] = tell_nobody,
        now: float | None = None,
    ) -> Ticket:
        """As `submit`, for callers that do not wait in their own task.

        Args:
            requests: Requests that arrived together.
            tell: Called when `outcome` is available; see `Ticket`.
            now: On trio's clock, if it is known.

        Raises:
            OverloadedError: The pipeline is full or closed.
        """
        if not self._open:
            raise OverloadedError
        ticket = self._verdicts.open(0, tell, now)
        number = ticket.number
        events: list[Event] = []
        for request in requests:
            for domain in request.domains:
                events.append(Event(number, len(events), domain, request))
        ticket.expect(len(events))
        try:
            self._outlet.send_nowait(events)
        except (trio.WouldBlock, trio.BrokenResourceError):
            self._verdicts.withdraw(ticket)
            raise OverloadedError from None
        return ticket

    def outcome(self, ticket: Ticket) -> list[Verdict]:
        """The verdicts on a settled request, or an error, as for `submit`."""
        verdicts = ticket.outcome()
        refused = False
        for verdict in verdicts:
            if verdict.accepted:
                return verdicts
            refused = refused or verdict.passing
        if refused:
            raise OverloadedError
        return verdicts

    async def readmit(self, event: Event) -> Verdict:
        """Send a redriven event; waits for room."""
        return await self._verdicts.readmit(
            lambda ticket: replace(event, ticket=ticket, position=0), self._outlet
        )

    def close(self) -> None:
        """Refuse further requests; accepted ones still pass through the stages."""
        self._open = False
        self._outlet.close()
