"""Turns lines into events for the log, with the same steps in the same order as for live events."""

import secrets
from dataclasses import replace
from typing import Final

from ingest.enrichment.geo import NoGeoDatabase
from ingest.model.event import EnrichedEvent, Event, Place, Source
from ingest.model.verdict import DropReason
from ingest.past.import_counts import ImportCounts
from ingest.past.import_request import ImportSelection
from ingest.past.past_event import BrokenLineError, PastEvent, Reader, SkipReason, read_record
from ingest.pipeline.context import EventContext
from ingest.pipeline.reference import Reference
from ingest.pipeline.steps import ENRICHMENT, run_gate, run_steps
from ingest.request.field_values import DOMAINS_LIMIT

NUMBERS: Final = 1024
"""Numbers reserved for the events of a line, one for each of its domains."""

assert NUMBERS >= DOMAINS_LIMIT  # noqa: S101


def last_number(lines: int) -> int:
    """The highest number that an event of the first lines of an import may have."""
    return (lines + 1) * NUMBERS - 1


class FixedPlace(NoGeoDatabase):
    """Replaces the database when the source has the location, so that shields can check it."""

    def __init__(self, place: Place) -> None:
        """Use one place for all addresses."""
        self._place = place

    def lookup(self, address: str) -> Place:
        """Return the place."""
        return self._place


def read_line(
    reader: Reader, record: bytes, lines: int, counts: ImportCounts
) -> PastEvent | SkipReason | None:
    """Read a record and count its lines.

    Args:
        reader: Reader of the file's format.
        record: One or more lines, with or without the last line's end.
        lines: The number of lines.
        counts: Counts so far, to be updated.

    Returns:
        None for a broken record. The caller counts reasons to skip.
    """
    number = counts.lines + 1
    counts.lines += lines
    try:
        return read_record(reader, record)
    except BrokenLineError as error:
        counts.break_at(number, str(error))
        return None


class PastPipeline:
    """Turns the lines of one import into events, and counts the outcomes.

    An event's source is the import, with a number made of its line and domain. So an event that is
    made again is the same to the fold.
    """

    def __init__(
        self, reader: Reader, selection: ImportSelection, source: str, counts: ImportCounts
    ) -> None:
        """Create the pipeline.

        Args:
            reader: Reader of the file's format.
            selection: The events to import.
            source: The import's name as a source.
            counts: Counts so far, to be updated.
        """
        self._reader = reader
        self._selection = selection
        self._source = source
        self.counts = counts

    def take(self, record: bytes, lines: int, reference: Reference) -> list[EnrichedEvent]:
        """Process one record.

        Args:
            record: One or more lines, with or without the last line's end.
            lines: The number of lines.
            reference: The reference data for the steps, with the salts of this import.

        Returns:
            Its event for each of its sites; empty for most lines.
        """
        counts = self.counts
        first = (counts.lines + 1) * NUMBERS
        past = read_line(self._reader, record, lines, counts)
        if past is None:
            return []
        unwanted = past if isinstance(past, SkipReason) else self._unwanted(past, reference)
        if unwanted is not None:
            counts.skip(unwanted)
            return []
        assert isinstance(past, PastEvent)  # noqa: S101 - anything else is unwanted
        events: list[EnrichedEvent] = []
        for position, domain in enumerate(past.request.domains):
            event = Event(
                0, position, domain, past.request, source=Source(self._source, first + position)
            )
            outcome = self._decide(past, event, reference)
            if isinstance(outcome, DropReason):
                counts.drop(outcome)
            else:
                counts.accepted += 1
                events.append(outcome)
        return events

    def _unwanted(self, past: PastEvent, reference: Reference) -> SkipReason | None:
        wanted, request = self._selection, past.request
        if wanted.since is not None and request.timestamp < wanted.since:
            return SkipReason.EARLIER
        if wanted.until is not None and request.timestamp >= wanted.until:
            return SkipReason.LATER
        if wanted.site is None:
            return None
        if request.domains != (wanted.site,):
            return SkipReason.OTHER_SITE
        # A host that is a site in the sites file does not belong to this site.
        other = reference.registry.find(request.hostname)
        if other is not None and other is not reference.registry.find(wanted.site):
            return SkipReason.OTHER_SITE
        return None

    def _decide(
        self, past: PastEvent, event: Event, reference: Reference
    ) -> EnrichedEvent | DropReason:
        if past.place is not None:
            reference = replace(reference, geo=FixedPlace(past.place))
        context = EventContext(event)
        drop = run_gate(context, reference)
        if drop is not None:
            return drop.reason
        if past.is_bot:
            return DropReason.BOT
        drop = run_steps(ENRICHMENT, context, reference)
        if drop is not None:
            return drop.reason
        if past.device is not None:
            context.device = past.device
        return context.enriched(secrets.randbits(64))
