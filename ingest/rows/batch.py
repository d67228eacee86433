"""Rows collected for one insert, without session rows that cancel each other."""

import enum
from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from ingest.rows.layout import SESSION_EVENTS, SESSION_ID, SESSION_SIGN, EventRows, Row


class Trigger(enum.StrEnum):
    """Why a batch was flushed."""

    SIZE = "size"
    TIME = "time"
    DRAIN = "drain"
    CHECKPOINT = "checkpoint"
    """The batch ends where a checkpoint is taken."""
    REPLAY = "replay"
    """The batch ends where an earlier process had ended it."""


class Insert(msgspec.Struct, frozen=True):
    """Rows for one table that are stored together, exactly once.

    Attributes:
        table: The table's name.
        rows: In the table's column order.
        token: The same for every attempt, so that the store recognises a repeated one.
        attempted: Whether the store may have the rows already.
    """

    table: str
    rows: tuple[Row, ...]
    token: str
    attempted: bool = False

    def halves(self) -> tuple["Insert", "Insert"]:
        """Split into two inserts, each with a token derived from this one's."""
        middle = len(self.rows) // 2
        return (
            replace(self, rows=self.rows[:middle], token=f"{self.token}.0"),
            replace(self, rows=self.rows[middle:], token=f"{self.token}.1"),
        )


CounterKey = tuple[int, str, int | None, str, int]
"""Minute (Unix seconds), domain, site id, metric and tracker version of a counter."""


class Batch:
    """Rows that wait for the next flush.

    If a session has several events in one batch, the state that one event writes and the row with
    which the next one cancels it are both left out. They would only cancel each other in the table
    (spec/sessions.md §6; pairs are matched by session and version, as in the engine).
    """

    def __init__(self) -> None:
        """Start empty."""
        self._events: list[Row] = []
        self._cancellations: list[Row] = []
        self._states: dict[tuple[object, object], Row] = {}
        self._counters: dict[CounterKey, int] = {}

    def __len__(self) -> int:
        """The number of event rows, which the size limit of a flush counts."""
        return len(self._events)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to store."""
        return not (self._events or self._counters)

    def add(self, rows: EventRows) -> None:
        """Add an event's rows."""
        self._events.append(rows.event)
        for row in rows.sessions:
            version = (row[SESSION_ID], row[SESSION_EVENTS])
            if row[SESSION_SIGN] == 1:
                self._states[version] = row
            elif self._states.pop(version, None) is None:
                self._cancellations.append(row)

    def count(self, counters: Iterable[tuple[CounterKey, int]]) -> None:
        """Add to counters."""
        for key, events in counters:
            self._counters[key] = self._counters.get(key, 0) + events

    def inserts(self, token: str, *, attempted: bool = False) -> tuple[Insert, ...]:
        """All collected rows, in the order in which they must be stored (spec/sessions.md §6).

        Args:
            token: Prefix of the inserts' tokens; the same rows must have the same token.
            attempted: Whether an earlier process may have stored some of the rows.
        """
        sessions = (*self._cancellations, *self._states.values())
        counters = tuple(
            [
                (minute, domain, site_id, metric, events, version)
                for (minute, domain, site_id, metric, version), events in self._counters.items()
            ]
        )
        return tuple(
            Insert(table, rows, f"{token}-{name}", attempted)
            for table, rows, name in (
                ("sessions_v2", sessions, "sessions"),
                ("events_v2", tuple(self._events), "events"),
                ("ingest_counters", counters, "counters"),
            )
            if rows
        )
