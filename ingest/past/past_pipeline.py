"""Turns lines into rows, with the same steps in the same order as for live events."""

import secrets
from dataclasses import replace
from itertools import islice

from ingest.enrichment.geo import NoGeoDatabase
from ingest.model.event import EnrichedEvent, Event, Place
from ingest.model.verdict import DropReason
from ingest.past.import_counts import ImportCounts
from ingest.past.import_request import ImportSelection
from ingest.past.past_event import BrokenLineError, PastEvent, Reader, SkipReason, read_record
from ingest.pipeline.context import EventContext
from ingest.pipeline.reference import Reference
from ingest.pipeline.steps import ENRICHMENT, GATE, run_steps
from ingest.rows.layout import EventRows, rows_of
from ingest.sessions.open_sessions import OpenSessions

VISITS = 100_000
"""Maximum number of open sessions. With more, the least recently active session ends."""

AHEAD_SECONDS = 3600
"""How much later than a line an earlier line may be. Sessions whose last event is further ahead
also end: they come from another server's log or from lines in reverse order, and would otherwise
stay open until the end of the import."""


class FixedPlace(NoGeoDatabase):
    """Replaces the database when the source has the location, so that shields can check it."""

    def __init__(self, place: Place) -> None:
        """Use one place for all addresses."""
        self._place = place

    def lookup(self, address: str) -> Place:
        """Return the place."""
        return self._place


class PastPipeline:
    """Turns the lines of one import into rows, and counts the outcomes."""

    def __init__(
        self, reader: Reader, selection: ImportSelection, visits: OpenSessions, counts: ImportCounts
    ) -> None:
        """Create the pipeline, with the state of an earlier run if there is one.

        Args:
            reader: Reader of the file's format.
            selection: The events to import.
            visits: The open sessions.
            counts: Counts so far, to be updated.
        """
        self._reader = reader
        self._selection = selection
        self.visits = visits
        self.counts = counts

    def take(self, record: bytes, lines: int, reference: Reference) -> list[EventRows]:
        """Process one record.

        Args:
            record: One or more lines, with or without the last line's end.
            lines: The number of lines.
            reference: The reference data for the steps, with the salts of this import.

        Returns:
            The rows of its event, one element for each of its sites; empty for most lines.
        """
        counts = self.counts
        number = counts.lines + 1
        counts.lines += lines
        try:
            past = read_record(self._reader, record)
        except BrokenLineError as error:
            counts.break_at(number, str(error))
            return []
        if isinstance(past, SkipReason):
            counts.skip(past)
            return []
        unwanted = self._unwanted(past, reference)
        if unwanted is not None:
            counts.skip(unwanted)
            return []
        rows: list[EventRows] = []
        for position, domain in enumerate(past.request.domains):
            outcome = self._decide(past, Event(0, position, domain, past.request), reference)
            if isinstance(outcome, DropReason):
                counts.drop(outcome)
            else:
                counts.accepted += 1
                rows.append(outcome)
        return rows

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
    ) -> EventRows | DropReason:
        if past.place is not None:
            reference = replace(reference, geo=FixedPlace(past.place))
        context = EventContext(event)
        drop = run_steps(GATE, context, reference)
        if drop is not None:
            return drop.reason
        if past.is_bot:
            return DropReason.BOT
        drop = run_steps(ENRICHMENT, context, reference)
        if drop is not None:
            return drop.reason
        if past.device is not None:
            context.device = past.device
        return self._visit(context.enriched(secrets.randbits(64)))

    def _visit(self, event: EnrichedEvent) -> EventRows | DropReason:
        visits = self.visits
        self._forget(event.timestamp)
        transition = visits.transition(event, event.timestamp)
        if transition is None:
            return DropReason.NO_SESSION_FOR_ENGAGEMENT
        rows = rows_of(event, transition)
        visits.commit(transition)
        visits.forget_beyond(VISITS)
        if transition.before is None:
            self.counts.visits += 1
        return rows

    def _forget(self, now: int) -> None:
        """Forget the sessions that have ended before an event at `now`, Unix seconds."""
        visits = self.visits
        visits.expire(now)
        while any(visit.touched > now + AHEAD_SECONDS for visit in islice(visits, 1)):
            visits.forget_beyond(len(visits) - 1)
            visits.expire(now)
