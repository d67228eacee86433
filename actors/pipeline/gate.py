"""Finds each event's site and applies the site's rules."""

from collections.abc import Sequence

import trio

from actors.letters.dead_letters import DeadLetters
from actors.pipeline.setting_aside import set_event_aside
from actors.pipeline.stage import Stage
from actors.pipeline.verdicts import Verdicts
from ingest.letters.dead_letter import redact
from ingest.model.event import Event
from ingest.model.verdict import Verdict
from ingest.pipeline.context import EventContext
from ingest.pipeline.enrichment import visitor_of
from ingest.pipeline.reference import Reference
from ingest.pipeline.steps import run_gate


class Gate(Stage[Event, EventContext]):
    """The actor that owns the rate limits, and reads the registry and the geo database.

    Receives runs of `Event` from the intake. Sends on the events that pass, in their contexts, and
    gives the verdicts on the others. A restart keeps the rate limits.
    """

    name = "gate"

    def __init__(
        self,
        inbox: trio.MemoryReceiveChannel[Sequence[Event]],
        outlet: trio.MemorySendChannel[Sequence[EventContext]],
        reference: Reference,
        verdicts: Verdicts,
        letters: DeadLetters,
    ) -> None:
        """Own both channel halves until `close`; the rest is shared."""
        super().__init__(inbox, outlet)
        self._reference = reference
        self._verdicts = verdicts
        self._letters = letters

    def handle(self, message: Event) -> EventContext | None:
        """Run the gate's steps."""
        context = EventContext(message)
        drop = run_gate(context, self._reference)
        if drop is not None:
            self._verdicts.drop(message, Verdict.of(drop))
            return None
        return context

    def set_aside(self, message: Event, error: Exception | None) -> None:
        """Keep the event without its address."""
        event = redact(message, lambda: visitor_of(message, self._reference))
        set_event_aside(self._verdicts, self._letters, self.name, message, event, error)
