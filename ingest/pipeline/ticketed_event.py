"""An event on its way to the log, with the place where its verdict is waited for."""

import msgspec

from ingest.model.event import EnrichedEvent


class TicketedEvent(msgspec.Struct, frozen=True, gc=False):
    """An event that passed every step.

    Attributes:
        ticket: Number under which a request waits for its verdicts; 0 when nobody waits.
        position: Which of the request's domains this is, from 0.
        event: What the log is to keep.
    """

    ticket: int
    position: int
    event: EnrichedEvent
