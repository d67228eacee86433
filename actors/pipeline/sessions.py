"""Tracks visits, turns events into rows and has them kept."""

from collections import deque
from collections.abc import Sequence

import msgspec
import structlog
import trio
from msgspec.structs import replace

from actors.journal.journal import Journal, JournalError
from actors.letters.dead_letters import DeadLetters
from actors.pipeline.setting_aside import set_event_aside
from actors.pipeline.stage import Stage
from actors.pipeline.verdicts import Verdicts
from ingest.model.event import EnrichedEvent
from ingest.model.verdict import ACCEPTED, LATE, NO_SESSION, NOT_KEPT, Verdict
from ingest.rows.layout import LIVE, EventRows, Origin, Run, rows_of
from ingest.sessions.open_sessions import PAST_VISITS, OpenSessions, Transition

log = structlog.get_logger()


class _Kept(msgspec.Struct, frozen=True, gc=False):
    """A run that is in the journal, and the events whose senders wait to hear of it."""

    run: Run
    events: Sequence[EnrichedEvent]


class Sessions(Stage[EnrichedEvent, EventRows]):
    """The actor that owns the open visits.

    Receives runs of `EnrichedEvent`, writes each run of rows to the journal, tells the front that
    its events are accepted, and sends the rows on. One task handles all visitors, so the events of
    one never interleave and their order is kept. What the journal does not take changes no visit:
    its senders are told to try again.

    A durable journal makes room: when the batcher's inbox is full, the rows are not sent, and the
    batcher reads them from the journal. Without one, this actor waits for the batcher, and the
    verdict is given when its inbox has the rows. Visits of the past, which others send in after the
    fact, are kept apart from those of now. A restart finds the visits as they were.
    """

    name = "sessions"

    def __init__(
        self,
        inbox: trio.MemoryReceiveChannel[Sequence[EnrichedEvent]],
        outlet: trio.MemorySendChannel[Run],
        open_sessions: OpenSessions,
        journal: Journal,
        verdicts: Verdicts,
        letters: DeadLetters,
    ) -> None:
        """Own both channel halves and the visits until `close`."""
        super().__init__(inbox, outlet)
        self._runs = outlet
        self._open = open_sessions
        self._journal = journal
        self._verdicts = verdicts
        self._letters = letters
        self._transitions: list[tuple[EnrichedEvent, Transition]] = []
        self._kept: deque[_Kept] = deque()
        self._refused = 0

    def handle(self, message: EnrichedEvent) -> EventRows | None:
        """Apply the event to its visit and lay out the rows of both."""
        if self._verdicts.expired(message.ticket):
            self._verdicts.give(message, LATE)
            return None
        past = message.received is not None
        visits = self._open.past if past else self._open
        if not past:
            visits.expire(message.timestamp)
        transition = visits.transition(message)
        if transition is None:
            self._verdicts.give(message, NO_SESSION)
            return None
        letter = self._verdicts.letter(message.ticket)
        origin = Origin(past, letter) if past or letter is not None else LIVE
        rows = rows_of(message, transition, origin)
        visits.commit(transition)
        self._transitions.append((message, transition))
        return rows

    async def send_handled(self) -> None:
        """Have handled events kept, answered and sent on, in this order."""
        self._keep()
        while self._kept:
            if not self._journal.durable:
                await self.send(self._kept[0].run)
                self._answer(self._kept.popleft(), ACCEPTED)
                continue
            # Not known to outlast a loss of power, it is not acknowledged, but stored all the same.
            verdict = ACCEPTED if await self._secured() else NOT_KEPT
            kept = self._kept.popleft()
            self._answer(kept, verdict)
            self._offer(kept.run)

    def _keep(self) -> None:
        """Write the handled events to the journal, or take back what they did to their visits.

        Called before anything else runs that may look at the visits, so that at every checkpoint
        these are where the journal is.
        """
        if not self._handled:
            return
        rows, self._handled = self._handled, []
        transitions, self._transitions = self._transitions, []
        events = [event for event, _ in transitions]
        try:
            first = self._journal.append(rows)
        except Exception as error:
            for event, transition in reversed(transitions):
                (self._open if event.received is None else self._open.past).undo(transition)
            self._refuse(events, error)
            return
        self._open.past.forget_beyond(PAST_VISITS)
        for row in rows:
            if row.origin.letter is not None:
                self._letters.settle(row.origin.letter)
        if self._refused:
            log.info("the journal takes events again", events_refused=self._refused)
            self._refused = 0
        for event in events:
            self._verdicts.hold(event.ticket)
        self._kept.append(_Kept(Run(first, rows), events))

    def _refuse(self, events: Sequence[EnrichedEvent], error: Exception) -> None:
        """Answer for events that are not in the journal, and have changed no visit."""
        if not isinstance(error, JournalError):
            if len(events) == 1:
                self.fail(events[0], error)
                return
            for event in events:  # one of them is at fault
                self._keep_alone(event)
            return
        if not self._refused:
            log.error("events are refused, the journal does not take them", error=str(error))
        self._refused += len(events)
        for event in events:
            self._verdicts.give(event, NOT_KEPT)

    def _keep_alone(self, event: EnrichedEvent) -> None:
        try:
            rows = self.handle(event)
        except Exception as error:
            self.fail(event, error)
            return
        if rows is not None:
            self._handled.append(rows)
            self._keep()

    async def _secured(self) -> bool:
        if not self._journal.secures_runs:
            return True
        try:
            await self._journal.secure()
        except JournalError as error:
            log.error("journal cannot be synced", error=str(error))
            return False
        return True

    def _answer(self, kept: _Kept, verdict: Verdict) -> None:
        for event in kept.events:
            self._verdicts.give(event, verdict)

    def _offer(self, run: Run) -> None:
        try:
            self._runs.send_nowait(run)
        except trio.WouldBlock:
            log.debug("batcher is busy, it will read the journal", position=run.first)

    @property
    def backlog(self) -> int:
        """Messages taken that have not been sent on."""
        return super().backlog + sum(len(kept.events) for kept in self._kept)

    def failed(self, error: Exception) -> None:
        """Keep what was handled, so that visits and journal agree whenever somebody looks."""
        self._keep()

    def set_aside(self, message: EnrichedEvent, error: Exception | None) -> None:
        """Keep the event."""
        content = replace(message, ticket=0, position=0)
        set_event_aside(self._verdicts, self._letters, self.name, message, content, error)
