"""Appends decided events, and counts of dropped ones, to the log."""

from collections.abc import Callable, Sequence

import structlog
import trio

from actors.clock.wall_clock import Clock
from actors.letters.dead_letters import DeadLetters
from actors.log.log import Log, LogError
from actors.pipeline.setting_aside import set_event_aside
from actors.pipeline.stage import Stage
from actors.pipeline.verdicts import Verdicts
from ingest.model.verdict import LATE, NOT_KEPT
from ingest.pipeline.ticketed_event import TicketedEvent
from ingest.records.drop_counter import DropCounter

log = structlog.get_logger()


class Recorder(Stage[TicketedEvent, TicketedEvent]):
    """The actor that owns the way into the log.

    Receives runs of `TicketedEvent` and appends each run at once. What the log takes is accepted
    from then on. What it does not take is answered with 503; so is what a request no longer waits
    for. When its inbox ends, it appends the last counts of drops, and seals the log.
    """

    name = "recorder"

    def __init__(
        self,
        inbox: trio.MemoryReceiveChannel[Sequence[TicketedEvent]],
        log: Log,
        clock: Clock,
        verdicts: Verdicts,
        letters: DeadLetters,
        drops: DropCounter,
        site_id: Callable[[str], int | None],
    ) -> None:
        """Own the channel half until `close`; the rest is shared.

        Args:
            inbox: Runs of events.
            log: Where they are appended.
            clock: Gives the log's time.
            verdicts: Told what was appended.
            letters: Take events that cannot be encoded.
            drops: Counts of dropped events.
            site_id: Finds a domain's site id; None when it is not registered.
        """
        super().__init__(inbox, None)
        self._log = log
        self._clock = clock
        self._verdicts = verdicts
        self._letters = letters
        self._drops = drops
        self._site_id = site_id
        self._refused = 0

    def handle(self, message: TicketedEvent) -> TicketedEvent | None:
        """Pass over an event that nobody waits for any more."""
        if self._verdicts.expired(message.ticket):
            self._verdicts.refuse(message, LATE)
            return None
        return message

    async def run(self) -> None:
        """Append until the channel that feeds this stage ends, then the last counts."""
        await super().run()
        await self.append_drops()

    async def send_handled(self) -> None:
        """Append what is handled."""
        if not self._handled:
            return
        events, self._handled = self._handled, []
        for ticketed in events:
            self._verdicts.hold(ticketed.ticket)
        try:
            first = await self._log.append([one.event for one in events], self._clock.seconds())
        except LogError as error:
            self._refuse(events, error)
        except Exception as error:
            await self._append_each(events, error)
        else:
            self._verdicts.appended(first, events)
            if self._refused:
                log.info("the log takes events again", events_refused=self._refused)
                self._refused = 0

    def _refuse(self, events: Sequence[TicketedEvent], error: LogError) -> None:
        if not self._refused:
            log.error("events are refused, the log does not take them", error=str(error))
        self._refused += len(events)
        for ticketed in events:
            self._verdicts.refuse(ticketed, NOT_KEPT)

    async def _append_each(self, events: Sequence[TicketedEvent], error: Exception) -> None:
        """Find the event that cannot be encoded: one of them is at fault."""
        if len(events) == 1:
            self.set_aside(events[0], error)
            return
        for ticketed in events:
            self._handled = [ticketed]
            await self.send_handled()

    async def append_drops(self) -> None:
        """Append what was counted of dropped events; what the log does not take waits on.

        If this is cancelled, the log may have the counts or not. They are not put back then: a
        count may be lost, and is never doubled.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        while (record := self._drops.take(self._site_id)) is not None:
            try:
                await self._log.append([record], self._clock.seconds())
            except LogError:
                self._drops.put_back(record)
                return
            except Exception:
                self._drops.put_back(record)
                raise

    def set_aside(self, message: TicketedEvent, error: Exception | None) -> None:
        """Keep the event."""
        set_event_aside(self._verdicts, self._letters, self.name, message, message.event, error)

    def close(self) -> None:
        """Close the channel half, and let the log's readers see its end."""
        super().close()
        self._log.seal()
