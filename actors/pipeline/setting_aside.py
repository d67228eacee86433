"""What becomes of an event that a stage cannot handle, and of its sender."""

from actors.letters.dead_letters import DeadLetters
from actors.pipeline.verdicts import Verdicts
from ingest.model.event import EnrichedEvent, Event, Source
from ingest.model.verdict import LATE, NOT_KEPT, SET_ASIDE, Verdict
from ingest.pipeline.ticketed_event import TicketedEvent

LETTER = "letter:"
"""Begins the names of letters as sources."""


def set_event_aside(
    verdicts: Verdicts,
    letters: DeadLetters,
    actor: str,
    message: Event | TicketedEvent,
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
        message: The event as it came.
        content: It again, fit to be kept.
        error: Why it could not be handled; None when the actor had stopped.
    """

    def give(verdict: Verdict) -> None:
        if isinstance(message, Event):
            verdicts.drop(message, verdict)
        else:
            verdicts.refuse(message, verdict)

    if verdicts.expired(message.ticket):
        give(LATE)
        return
    # From now on it is too late to tell the sender to try again: the letter may be kept.
    verdicts.hold(message.ticket)
    kept = letters.keep(
        actor,
        content,
        error,
        letter=letter_of(content.source),
        told=lambda kept: give(SET_ASIDE if kept else NOT_KEPT),
    )
    if not kept:
        give(NOT_KEPT)


def letter_of(source: Source | None) -> str | None:
    """Id of the letter that an event was redriven from; None when it was not."""
    if source is None or not source.name.startswith(LETTER):
        return None
    return source.name.removeprefix(LETTER)
