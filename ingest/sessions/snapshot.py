"""Open visits as text, so that they outlast the process."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

from ingest.sessions.session import Session

VERSION: Final = 3
"""Version of the text form; changed whenever `Session` is. Version 1 knew of no journal, version 2
of no visits of the past."""

_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(Session)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The visits open at one moment.

    Attributes:
        journal: The id of the journal that the position belongs to; empty for none.
        position: The journal's, up to which events have been applied to the visits.
        sessions: Least recently active first.
        past: Visits of the past, in the same order.
    """

    journal: str
    position: int
    sessions: tuple[Session, ...]
    past: tuple[Session, ...] = ()


EMPTY: Final = Snapshot("", 0, ())


def write_header(snapshot: Snapshot) -> bytes:
    """The first line of a snapshot."""
    header = {
        "version": VERSION,
        "journal": snapshot.journal,
        "position": snapshot.position,
        "visits": len(snapshot.sessions),
        "past_visits": len(snapshot.past),
    }
    return json.dumps(header).encode() + b"\n"


def write_sessions(sessions: Iterable[Session]) -> bytes:
    """Visits as JSON lines: they follow the header in any number of parts, the past ones last."""
    return b"".join(map(_write, sessions))


def read_snapshot(lines: Iterable[bytes]) -> Snapshot:
    """Read visits back.

    Raises:
        ValueError: The text is not a snapshot of a known version.
    """
    iterator = iter(lines)
    try:
        header = json.loads(next(iterator, b"{}"))
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
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"broken session snapshot: {type(error).__name__}") from None


def read_sessions(lines: Iterable[bytes]) -> tuple[Session, ...]:
    """Read visits back that `write_sessions` wrote.

    Raises:
        ValueError: A line is no visit.
    """
    try:
        return tuple(_read(iter(lines)))
    except (msgspec.MsgspecError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"broken session snapshot: {type(error).__name__}") from None


def _write(session: Session) -> bytes:
    try:
        return _ENCODER.encode(session) + b"\n"
    except UnicodeEncodeError:
        # Bytes of a URL that are no UTF-8, kept as surrogates (see `ingest.model.event`).
        return json.dumps(msgspec.to_builtins(session)).encode() + b"\n"


def _read(lines: Iterator[bytes]) -> Iterator[Session]:
    for line in lines:
        try:
            yield _DECODER.decode(line)
        except msgspec.DecodeError:
            yield msgspec.convert(json.loads(line), Session)
