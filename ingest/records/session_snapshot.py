"""Open sessions as JSON lines, which earlier versions wrote beside a journal of rows."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import msgspec
from msgspec.structs import replace

from ingest.model.named_fields import from_names
from ingest.sessions.session import Session

_DECODER: Final = msgspec.json.Decoder(Session)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The sessions open at one moment.

    Attributes:
        journal: The id of the journal that the position belongs to; empty for none.
        position: The journal's position up to which events have been applied to the sessions.
        sessions: Least recently active first.
        past: Past sessions, in the same order.
    """

    journal: str
    position: int
    sessions: tuple[Session, ...]
    past: tuple[Session, ...] = ()


EMPTY: Final = Snapshot("", 0, ())


def read_snapshot(lines: Iterable[bytes]) -> Snapshot:
    """Decode a snapshot.

    Raises:
        ValueError: The text is not a snapshot of a known version.
    """
    iterator = iter(lines)
    try:
        header = json.loads(next(iterator, b"{}"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"broken session snapshot: {type(error).__name__}") from None
    visits = read_sessions(iterator)
    match header:
        case {"version": 1}:
            return Snapshot("", 0, visits)
        case {"version": 2, "journal": str(journal), "position": int(position)}:
            return Snapshot(journal, position, visits)
        case {
            "version": 3,
            "journal": str(journal),
            "position": int(position),
            "visits": int(live),
            "past_visits": int(past),
        } if live >= 0 and live + past == len(visits):
            return Snapshot(journal, position, visits[:live], visits[live:])
    raise ValueError("not a session snapshot of this version")


def read_sessions(lines: Iterable[bytes]) -> tuple[Session, ...]:
    """Decode sessions, one per line.

    Raises:
        ValueError: A line is not a session.
    """
    try:
        return tuple(_read(iter(lines)))
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"broken session snapshot: {type(error).__name__}") from None


def _read(lines: Iterator[bytes]) -> Iterator[Session]:
    for line in lines:
        if line.startswith(b"{"):
            yield _touched(from_names(Session, json.loads(line)))
            continue
        try:
            yield _DECODER.decode(line)
        except msgspec.DecodeError:
            yield msgspec.convert(json.loads(line), Session)


def _touched(session: Session) -> Session:
    """Fill in the log's time of a session from an old version with its last event's timestamp."""
    return replace(session, touched=session.timestamp)
