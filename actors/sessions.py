"""Tracks visits and turns events into rows."""

from collections.abc import Sequence
from dataclasses import replace

import trio

from actors.dead_letters import DeadLetters
from actors.stage import Stage
from actors.verdicts import Verdicts
from ingest.event import ENGAGEMENT, EnrichedEvent
from ingest.rows.layout import EventRows, Row, event_row, session_row
from ingest.sessions.open_sessions import OpenSessions
from ingest.verdict import ACCEPTED, DropReason, Verdict

LATE = Verdict(DropReason.LOCK_TIMEOUT)
NO_SESSION = Verdict(DropReason.NO_SESSION_FOR_ENGAGEMENT)
SET_ASIDE = Verdict(DropReason.PERSIST_ERROR)


class Sessions(Stage[EnrichedEvent, EventRows]):
    """The actor that owns the open visits.

    Receives runs of `EnrichedEvent`; sends runs of `EventRows`, and tells the front that an event
    is accepted once the batcher's inbox has its rows. One task handles all visitors, so the events
    of one never interleave and their order is kept. A restart finds the visits as they were.
    """

    name = "sessions"

    def __init__(
        self,
        inbox: trio.MemoryReceiveChannel[Sequence[EnrichedEvent]],
        outlet: trio.MemorySendChannel[Sequence[EventRows]],
        open_sessions: OpenSessions,
        verdicts: Verdicts,
        letters: DeadLetters,
    ) -> None:
        """Own both channel halves and the visits until `close`."""
        super().__init__(inbox, outlet)
        self._open = open_sessions
        self._verdicts = verdicts
        self._letters = letters
        self._accepted: list[EnrichedEvent] = []

    def handle(self, message: EnrichedEvent) -> EventRows | None:
        """Apply the event to its visit and lay out the rows of both."""
        if self._verdicts.expired(message.ticket):
            self._verdicts.give(message, LATE)
            return None
        self._open.expire(message.timestamp)
        transition = self._open.transition(message)
        if transition is None:
            self._verdicts.give(message, NO_SESSION)
            return None
        before, after = transition.before, transition.after
        states: tuple[Row, ...] = ()
        if before is None:
            states = (session_row(after, 1),)
        elif message.name != ENGAGEMENT:
            states = (session_row(before, -1), session_row(after, 1))
        rows = EventRows(event_row(message, after), states)
        self._open.commit(transition)
        self._accepted.append(message)
        return rows

    def delivered(self, messages: Sequence[EventRows]) -> None:
        """Tell the front: these events will be stored."""
        accepted, self._accepted = self._accepted, []
        for event in accepted:
            self._verdicts.give(event, ACCEPTED)

    def set_aside(self, message: EnrichedEvent, error: Exception | None) -> None:
        """Keep the event."""
        self._letters.keep(self.name, replace(message, ticket=0, position=0), error)
        self._verdicts.give(message, SET_ASIDE)
