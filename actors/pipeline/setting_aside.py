"""Turns an event that a stage cannot handle into a letter, and answers its sender."""

from actors.letters.dead_letters import DeadLetters
from actors.pipeline.verdicts import Verdicts
from ingest.letters.dead_letter import DeadLetter
from ingest.model.event import EnrichedEvent, Event, Source
from ingest.model.verdict import LATE, NOT_KEPT, SET_ASIDE, Verdict
from ingest.pipeline.ticketed_event import TicketedEvent

_LETTER = "letter:"
"""Prefix of the names of letters as sources."""


def source_of(letter: DeadLetter) -> Source:
    """The source of a letter's event when it is redriven: another one each time."""
    return Source(f"{_LETTER}{letter.id}", letter.redriven + 1)


def set_event_aside(
    verdicts: Verdicts,
    letters: DeadLetters,
    actor: str,
    message: Event | TicketedEvent,
    content: Event | EnrichedEvent,
    error: Exception | None,
) -> None:
    """Keep an event as a letter; its verdict follows when the letter is on the disk. Never raises.

    A redriven event updates its own letter. An event whose sender was already told to try again is
    not kept. If the event cannot be kept, its sender is told to try again.

    Args:
        verdicts: Hold the request that waits for the event.
        letters: Keep the event.
        actor: Name of the actor that could not handle it.
        message: The event as received.
        content: The event in the form to keep.
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
    # From now on the letter may be kept, so the sender must not be told to try again.
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
    """Id of the letter that an event was redriven from; None if it was not redriven."""
    if source is None or not source.name.startswith(_LETTER):
        return None
    return source.name.removeprefix(_LETTER)
