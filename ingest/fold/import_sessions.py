"""The open sessions of imports of past events, apart from all others."""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator
from typing import Final, NamedTuple

from ingest.model.event import EnrichedEvent
from ingest.rows.layout import EventRows, rows_of
from ingest.sessions.open_sessions import SLICE
from ingest.sessions.past_sessions import PastSessions
from ingest.sessions.salts import LIFETIME
from ingest.sessions.session import Session

SESSIONS: Final = 100_000
"""Maximum number of open sessions of an import. With more, the least recently active one ends."""

AHEAD_SECONDS: Final = 3600
"""How much later than a line an earlier line may be. Sessions whose last event is further ahead
also end: they come from another server's log or from lines in reverse order, and would otherwise
stay open until the end of the import."""

TOGETHER: Final = 16
"""Ended sessions that are forgotten with one event, so that many of them do not hold the event loop
after a pause in a log. Each event begins one at most."""

_IMPORT: Final = "import:"


def is_import(source: str) -> bool:
    """Whether the name of a source is an import's."""
    return source.startswith(_IMPORT)


def import_source(import_id: str) -> str:
    """The name of an import as the source of its records."""
    return f"{_IMPORT}{import_id}"


class ImportFigures(NamedTuple):
    """What only the fold knows of an import's events.

    Attributes:
        visits: Sessions begun.
        without_session: Engagement events without a session, which are dropped.
    """

    visits: int = 0
    without_session: int = 0

    def advanced(self, seen: "ImportFigures", now: "ImportFigures") -> "ImportFigures":
        """These totals after the fold's figures have changed from `seen` to `now`.

        The fold's figures begin anew at zero when it forgets the import.
        """
        return ImportFigures(
            *(
                total + (after - before if after >= before else after)
                for total, before, after in zip(self, seen, now, strict=True)
            )
        )


NO_FIGURES: Final = ImportFigures()


class SavedImport(NamedTuple):
    """The state of one import in a checkpoint.

    Attributes:
        source: Its name as a source.
        touched: When its last event entered the log, by the log's time in Unix seconds.
        figures: See `ImportFigures`.
        sessions: Its open sessions, in order.
    """

    source: str
    touched: int
    figures: ImportFigures
    sessions: Collection[Session]


class ImportSessions:
    """The sessions of one import. They begin, go on and end by the time of the import's events."""

    __slots__ = ("figures", "open", "touched")

    def __init__(self, timeout: int) -> None:
        """Start without sessions; `timeout` is as for `PastSessions`."""
        self.open = PastSessions(timeout)
        self.figures = NO_FIGURES
        self.touched = 0

    def take(self, event: EnrichedEvent) -> EventRows | None:
        """Assign an event to its session. If this raises, no session has changed.

        Returns:
            Its rows; None for an engagement event without a session.
        """
        visits, without_session = self.figures
        forgotten = self.forget(event.timestamp)
        try:
            transition = self.open.transition(event, event.timestamp)
            if transition is None:
                self.figures = ImportFigures(visits, without_session + 1)
                return None
            rows = rows_of(event, transition)
        except Exception:
            # A replay passes over the event at once, and must have the same sessions then.
            self.open.put_back(forgotten)
            raise
        self.open.put(transition.after)
        self.open.forget_beyond(SESSIONS)
        self.figures = ImportFigures(visits + (transition.before is None), without_session)
        return rows

    def forget(self, now: int) -> list[Session]:
        """Forget sessions that have ended before an event at `now` (Unix seconds), if not all.

        Returns:
            The forgotten sessions, least recently touched first.
        """
        sessions = self.open
        forgotten: list[Session] = []
        while len(forgotten) < TOGETHER:
            oldest = next(iter(sessions), None)
            if oldest is None or now - sessions.timeout <= oldest.touched <= now + AHEAD_SECONDS:
                break
            sessions.forget_beyond(len(sessions) - 1)
            forgotten.append(oldest)
        return forgotten


class Imports:
    """The sessions of all imports that have not ended.

    An import whose last event entered the log more than 48 hours ago has lost its salt, so no
    session of it can go on.
    """

    def __init__(self) -> None:
        """Start without imports."""
        self._imports: OrderedDict[str, ImportSessions] = OrderedDict()
        self._dropped: list[PastSessions] = []

    def __iter__(self) -> Iterator[tuple[str, ImportSessions]]:
        """Names and sessions, least recently touched first."""
        return iter(self._imports.items())

    def figures(self, source: str) -> ImportFigures:
        """What is known of an import; zeros for one that was forgotten."""
        found = self._imports.get(source)
        return NO_FIGURES if found is None else found.figures

    def touch(self, source: str, timeout: int, log_time: int) -> ImportSessions:
        """The sessions of an import of which a record is taken now."""
        sessions = self._imports.get(source)
        if sessions is None:
            sessions = self._imports[source] = ImportSessions(timeout)
        self._imports.move_to_end(source)
        sessions.touched = log_time
        return sessions

    def end(self, source: str) -> None:
        """Forget an import. Its sessions are freed by `expire`, since they may be many."""
        ended = self._imports.pop(source, None)
        if ended is not None:
            self._dropped.append(ended.open)

    def expire(self, log_time: int) -> Iterator[None]:
        """Forget the imports without recent records, in slices of a millisecond or two."""
        while self._imports:
            source, oldest = next(iter(self._imports.items()))
            if oldest.touched >= log_time - LIFETIME:
                break
            self.end(source)
        while self._dropped:
            sessions = self._dropped[-1]
            sessions.forget_beyond(max(len(sessions) - SLICE, 0))
            if not len(sessions):
                self._dropped.pop()
            else:
                yield

    def set_timeout(self, timeout: int) -> None:
        """Apply another session timeout."""
        for sessions in self._imports.values():
            sessions.open.timeout = timeout

    def clear_sessions(self) -> None:
        """Forget all sessions, but no figures."""
        for sessions in self._imports.values():
            sessions.open.clear()

    def restore(self, saved: Iterable[SavedImport], timeout: int) -> None:
        """Restore saved imports, in the order of `__iter__`."""
        for source, touched, figures, sessions in saved:
            restored = self.touch(source, timeout, touched)
            restored.figures = ImportFigures(*figures)
            restored.open.restore(sessions)
