"""The fold over the log: each event's session, and the rows of both.

The fold is deterministic: the same records give the same rows, on any machine and at every replay.
So it reads no clock, draws no random numbers and does no I/O. It uses the log's time: when a record
entered the log. `ingest.fold.checkpoint` saves its state.
"""

from collections.abc import Iterator
from typing import Final

from ingest.fold.import_sessions import Imports, ImportSessions, is_import
from ingest.fold.sources import TakenSources
from ingest.model.event import EnrichedEvent, Source
from ingest.model.verdict import ACCEPTED, NO_SESSION, SET_ASIDE, Verdict
from ingest.records.record import Description, DropCounts, EndOfSource, Record
from ingest.rows.batch import CounterKey
from ingest.rows.layout import EventRows, rows_of
from ingest.sessions.live_sessions import LiveSessions
from ingest.sessions.open_sessions import SLICE, OpenSessions
from ingest.sessions.past_sessions import PastSessions
from ingest.sessions.shared_values import share

PAST_SECONDS: Final = 1800
"""How far an event's timestamp may be behind the log's time. An event further behind is a past
event, and its session is kept separately."""

PAST_SESSIONS: Final = 100_000
"""Maximum number of open past sessions. If past events are sent in order of time, this many
sessions can be open at the same time."""


_ACCEPTED: Final = ACCEPTED.metric


class Fold:
    """Open sessions and taken sources after a prefix of the log.

    Attributes:
        sessions: Live sessions.
        past: Past sessions, which do not affect live ones. Their events come in any order, so they
            are limited by number.
        imports: Sessions of imports of past events, each import's apart.
        sources: The highest number taken of each source.
        log_time: The log's time of the current run, Unix seconds.
    """

    def __init__(self, description: Description) -> None:
        """Start before the log's first record.

        Args:
            description: Applies until the log has another one.
        """
        self.sessions = LiveSessions(description.session_seconds, description.margin_seconds)
        self.past = PastSessions(description.session_seconds)
        self.imports = Imports()
        self.sources = TakenSources()
        self.log_time = 0
        self.description = description
        self._counters: dict[CounterKey, int] = {}

    def begin_run(self, log_time: int) -> None:
        """Advance to the next records' log time, and forget expired sessions and sources."""
        for _ in self.begin_in_slices(log_time):
            pass

    def begin_in_slices(self, log_time: int) -> Iterator[None]:
        """As `begin_run`, in slices of a millisecond or two, for callers on an event loop.

        Do not use the fold between the slices.
        """
        if log_time < self.log_time:
            yield from self.sessions.step_back(log_time)
        self.log_time = share(log_time)
        yield from self._expire()

    def _expire(self) -> Iterator[None]:
        self.sources.expire(self.log_time)
        yield from self.imports.expire(self.log_time)
        while self.sessions.expire(self.log_time, SLICE) == SLICE:
            yield

    def take(self, record: Record) -> EventRows | Verdict | None:
        """Apply one record completely or, if this raises, not at all.

        Returns:
            The rows of an event, or the verdict that drops it. None for other records, for records
            that were taken before, and for events of an import that have no session.
        """
        if type(record) is EnrichedEvent or type(record) is DropCounts:
            source = record.source
            if source is not None and self.sources.has_taken(source):
                return None
            outcome: EventRows | Verdict | None = None
            if isinstance(record, EnrichedEvent):
                outcome = self._visit(record)
            else:
                self._add(record)
            if source is not None:
                self.sources.take(source, self.log_time)
            return outcome
        match record:
            case EndOfSource(name=name, number=number):
                went_on = number and self.sources.has_taken(Source(name, number + 1))
                if not went_on:
                    self.imports.end(name)
            case Description():
                self.describe(record)
        return None

    def _add(self, record: DropCounts) -> None:
        for count in record.counts:
            key = count.minute, count.domain, count.site_id, count.metric, count.tracker_version
            self._counters[key] = self._counters.get(key, 0) + count.events

    def pass_over(self, record: Record) -> None:
        """Count a record that has become a dead letter as taken."""
        if type(record) is EnrichedEvent:
            source = record.source
            if source is not None:
                self.sources.take(source, self.log_time)
                if is_import(source.name):
                    self._import(source.name).forget(record.timestamp)
                    return
            self._count(record, SET_ASIDE.metric)

    def describe(self, description: Description) -> None:
        """Apply a description from here on."""
        self.description = description
        self.sessions.timeout = self.past.timeout = description.session_seconds
        self.imports.set_timeout(description.session_seconds)
        self.sessions.margin = description.margin_seconds
        # At once, because the result must not depend on where runs end.
        self.sessions.expire(self.log_time)

    def take_counters(self) -> list[tuple[CounterKey, int]]:
        """The counts since the last call, in order of first appearance."""
        counters, self._counters = self._counters, {}
        return list(counters.items())

    def begin_anew(self) -> None:
        """Forget all sessions, because some of their later records are missing.

        A session that continued from an outdated state would cancel rows that were never stored.
        """
        self.sessions.clear()
        self.past.clear()
        self.imports.clear_sessions()

    def _import(self, source: str) -> ImportSessions:
        return self.imports.touch(source, self.description.session_seconds, self.log_time)

    def _visit(self, event: EnrichedEvent) -> EventRows | Verdict | None:
        source = event.source
        if source is not None and is_import(source.name):
            # Counters tell of live events only.
            return self._import(source.name).take(event)
        is_past = self.log_time - event.timestamp > PAST_SECONDS
        sessions: OpenSessions = self.past if is_past else self.sessions
        transition = sessions.transition(event, self.log_time)
        if transition is None:
            self._count(event, NO_SESSION.metric)
            return NO_SESSION
        rows = rows_of(event, transition)
        sessions.put(transition.after)
        if is_past:
            self.past.forget_beyond(PAST_SESSIONS)
        self._count(event, _ACCEPTED)
        return rows

    def _count(self, event: EnrichedEvent, metric: str) -> None:
        counters, received = self._counters, event.received
        minute = received - received % 60
        key = minute, event.domain, event.site_id, metric, event.tracker_version
        counters[key] = counters.get(key, 0) + 1
