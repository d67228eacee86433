"""What was sent, and what is stored."""

from dataclasses import dataclass
from enum import Enum


class Outcome(Enum):
    """The outcome of an event, as known to the client."""

    ACKNOWLEDGED = "acknowledged"
    DROPPED = "dropped"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Sent:
    """An event that was sent once.

    Attributes:
        uid: Its unique id.
        visitor: Number of the visitor.
        sequence: Its number among the visitor's events.
        name: The event's name.
        pathname: The page's path.
        outcome: The outcome known to the client.
        status: Status code of the response; 0 if there was none.
        port: Port of the server that it was sent to.
    """

    uid: str
    visitor: int
    sequence: int
    name: str
    pathname: str
    outcome: Outcome
    status: int
    port: int = 0


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """A row of `events_v2`."""

    uid: str
    name: str
    pathname: str
    session_id: int
    timestamp: int


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures in a session's row: `start` in Unix seconds, `duration` in seconds."""

    events: int
    pageviews: int
    start: int
    duration: int
    is_bounce: int
    entry_page: str
    exit_page: str


@dataclass(frozen=True, slots=True)
class StoredSession:
    """A session in `sessions_v2`, without rows that cancel each other.

    Attributes:
        session_id: Its id.
        signs: Sum of `sign` over all its rows.
        rows: Number of remaining rows.
        sums: Sums of `events`, `pageviews`, `duration` and `is_bounce`, multiplied by `sign`.
        figures: The figures of the remaining row.
    """

    session_id: int
    signs: int
    rows: int
    sums: tuple[int, int, int, int]
    figures: Figures
