"""An event for the log, with the ticket that waits for its verdict."""

import msgspec

from ingest.model.event import EnrichedEvent


class TicketedEvent(msgspec.Struct, frozen=True, gc=False):
    """An event that passed every step.

    Attributes:
        ticket: Number under which a request waits for its verdicts; 0 when nobody waits.
        position: Which of the request's domains this is, from 0.
        event: The event to append to the log.
    """

    ticket: int
    position: int
    event: EnrichedEvent
