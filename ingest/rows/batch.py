"""Rows gathered for one insert, without the session rows that cancel each other."""

import enum

import msgspec
from msgspec.structs import replace

from ingest.rows.layout import SESSION_EVENTS, SESSION_ID, SESSION_SIGN, EventRows, Row


class Trigger(enum.StrEnum):
    """Why a batch was flushed."""

    SIZE = "size"
    TIME = "time"
    DRAIN = "drain"
    REPLAY = "replay"
    """Cut where an earlier process had cut it."""


class Insert(msgspec.Struct, frozen=True):
    """Rows for one table that are stored together, exactly once.

    Attributes:
        table: The table's name.
        rows: In the table's column order.
        token: The same for every attempt, so that the store recognises a repeated one.
        letter: The dead letter that these rows came from; None for fresh ones.
        end: The journal's position after the events that these rows are of; None when they are of
            no events in the journal.
        attempted: Whether the store may have the rows already.
        trigger: Why the batch that they are of was flushed; None when they are of none.
        receipt: Under what the sender waits to hear that the rows are stored, and keeps them until
            then; None when nobody does.
    """

    table: str
    rows: tuple[Row, ...]
    token: str
    letter: str | None = None
    end: int | None = None
    attempted: bool = False
    trigger: Trigger | None = None
    receipt: str | None = None

    def halves(self) -> tuple["Insert", "Insert"]:
        """Split in two, each with a token derived from this one's."""
        middle = len(self.rows) // 2
        return (
            replace(self, rows=self.rows[:middle], token=f"{self.token}.0"),
            replace(self, rows=self.rows[middle:], token=f"{self.token}.1"),
        )


Flush = tuple[Insert, ...]
"""What the batcher hands over at once; inserted in this order."""


class Batch:
    """Rows that wait for the next flush.

    Attributes:
        first: The journal's position of the first event.
        end: The position after the last event.

    When a visit has several events in one batch, the state that an event wrote and the row by which
    the next one cancels it are both left out: they would only cancel each other in the table
    (spec/sessions.md §6; the pair is matched by session and version, as the engine does).
    """

    def __init__(self, first: int) -> None:
        """Start empty.

        Args:
            first: The journal's position of the first event to come.
        """
        self.first = self.end = first
        self._events: list[Row] = []
        self._cancellations: list[Row] = []
        self._states: dict[tuple[object, object], Row] = {}

    def __len__(self) -> int:
        """The number of event rows: what the size limit of a flush counts."""
        return len(self._events)

    def add(self, rows: EventRows) -> None:
        """Take in what the event at `end` wrote."""
        self.end += 1
        self._events.append(rows.event)
        for row in rows.sessions:
            version = (row[SESSION_ID], row[SESSION_EVENTS])
            if row[SESSION_SIGN] == 1:
                self._states[version] = row
            elif self._states.pop(version, None) is None:
                self._cancellations.append(row)

    def skip_to(self, position: int) -> None:
        """Go on with the event at a position: those before it are lost."""
        self.end = position

    def flush(
        self, journal: str, *, attempted: bool = False, trigger: Trigger | None = None
    ) -> Flush:
        """Everything gathered, session rows first (spec/sessions.md §6).

        The tokens follow from the events' positions: the same events give the same tokens.

        Args:
            journal: The journal's id.
            attempted: Whether an earlier process may have stored some of it.
            trigger: Why it is flushed.
        """
        batch_id = f"{journal}-{self.first}-{self.end}"
        sessions = (*self._cancellations, *self._states.values())
        inserts = (
            Insert("sessions_v2", sessions, f"{batch_id}-sessions"),
            Insert("events_v2", tuple(self._events), f"{batch_id}-events"),
        )
        return tuple(
            replace(insert, end=self.end, attempted=attempted, trigger=trigger)
            for insert in inserts
            if insert.rows
        )
