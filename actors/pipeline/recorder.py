"""Appends events that passed all steps, and counts of dropped ones, to the log."""

from collections.abc import Callable, Sequence

import structlog
import trio

from actors.clock.wall_clock import Clock
from actors.letters.dead_letters import DeadLetters
from actors.log.log import LogError, WritableLog
from actors.pipeline.setting_aside import set_event_aside
from actors.pipeline.stage import Stage
from actors.pipeline.verdicts import Verdicts
from ingest.model.verdict import LATE, NOT_KEPT
from ingest.pipeline.ticketed_event import TicketedEvent
from ingest.records.drop_counter import DropCounter

log = structlog.get_logger()


class Recorder(Stage[TicketedEvent, TicketedEvent]):
    """The only actor that appends to the log.

    Receives runs of `TicketedEvent` and appends each run at once. Appended events are accepted.
    Events that the log refuses are answered with 503, as are events whose request has timed out.
    When its inbox ends, it appends the last counts of drops and seals the log.
    """

    name = "recorder"

    def __init__(
        self,
        inbox: trio.MemoryReceiveChannel[Sequence[TicketedEvent]],
        log: WritableLog,
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
            verdicts: Notified of appended events.
            letters: Keep events that cannot be encoded.
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
        """Drop an event whose request no longer waits; any other is appended next."""
        if self._verdicts.hold(message.ticket):
            return message
        self._verdicts.refuse(message, LATE)
        return None

    async def run(self) -> None:
        """Append until the channel that feeds this stage ends, then the last counts."""
        await super().run()
        await self.append_drops()

    async def send_handled(self) -> None:
        """Append the handled events."""
        if not self._handled:
            return
        events, self._handled = self._handled, []
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
        """Append events one by one, to find the one that cannot be encoded."""
        if len(events) == 1:
            self.set_aside(events[0], error)
            return
        for ticketed in events:
            self._handled = [ticketed]
            await self.send_handled()

    async def append_drops(self) -> None:
        """Append the counts of dropped events; counts that the log refuses stay in memory.

        If this is cancelled, the log may or may not have the counts. They are not appended again:
        counts may be lost, but never doubled.
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
        """Close the channel half, and seal the log."""
        super().close()
        self._log.seal()
