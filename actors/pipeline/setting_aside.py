"""What becomes of an event that a stage cannot handle, and of its sender."""

from actors.letters.dead_letters import DeadLetters
from actors.pipeline.verdicts import Verdicts
from ingest.model.event import EnrichedEvent, Event
from ingest.model.verdict import LATE, NOT_KEPT, SET_ASIDE


def set_event_aside(
    verdicts: Verdicts,
    letters: DeadLetters,
    actor: str,
    event: Event | EnrichedEvent,
    content: Event | EnrichedEvent,
    error: Exception | None,
) -> None:
    """Keep an event as a letter; its verdict follows when the letter is on the disk. Never raises.

    An event that was redriven goes into its own letter again. An event whose sender was told to
    try again is not kept; if it cannot be kept, its sender is told so.

    Args:
        verdicts: Know who waits for the event.
        letters: Where it is kept.
        actor: Who could not handle it.
        event: The event.
        content: It again, fit to be kept.
        error: Why it could not be handled; None when the actor had stopped.
    """
    if verdicts.expired(event.ticket):
        verdicts.give(event, LATE)
        return

    def tell(kept: bool) -> None:
        verdicts.give(event, SET_ASIDE if kept else NOT_KEPT)

    # From now on it is too late to tell the sender to try again: the letter may be kept.
    verdicts.hold(event.ticket)
    letter = verdicts.letter(event.ticket)
    if not letters.keep(actor, content, error, letter=letter, told=tell):
        tell(False)
