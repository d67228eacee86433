"""Open visits as text, so that they outlast the process."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

from ingest.sessions.session import Session

VERSION: Final = 2
"""Version of the text form; changed whenever `Session` is. Version 1 knew of no journal."""

_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(Session)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The visits open at one moment.

    Attributes:
        journal: The id of the journal that the position belongs to; empty for none.
        position: The journal's, up to which events have been applied to the visits.
        sessions: Least recently active first.
    """

    journal: str
    position: int
    sessions: tuple[Session, ...]


EMPTY: Final = Snapshot("", 0, ())


def write_header(journal: str, position: int) -> bytes:
    """The first line of a snapshot; the arguments are those of `Snapshot`."""
    header = {"version": VERSION, "journal": journal, "position": position}
    return json.dumps(header).encode() + b"\n"


def write_sessions(sessions: Iterable[Session]) -> bytes:
    """Visits as JSON lines, which follow the header in any number of parts."""
    return b"".join(map(_write, sessions))


def read_snapshot(lines: Iterable[bytes]) -> Snapshot:
    """Read visits back.

    Raises:
        ValueError: The text is not a snapshot of a known version.
    """
    iterator = iter(lines)
    try:
        header = json.loads(next(iterator, b"{}"))
        match header:
            case {"version": 1}:
                journal, position = "", 0
            case {"version": 2, "journal": str(journal), "position": int(position)}:
                pass
            case _:
                raise ValueError("not a session snapshot of this version")
        return Snapshot(journal, position, tuple(_read(iterator)))
    except (msgspec.MsgspecError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"broken session snapshot: {type(error).__name__}") from None


def _write(session: Session) -> bytes:
    try:
        return _ENCODER.encode(session) + b"\n"
    except UnicodeEncodeError:
        # Bytes of a URL that are no UTF-8, kept as surrogates (see `ingest.event`).
        return json.dumps(msgspec.to_builtins(session)).encode() + b"\n"


def _read(lines: Iterator[bytes]) -> Iterator[Session]:
    for line in lines:
        try:
            yield _DECODER.decode(line)
        except msgspec.DecodeError:
            yield msgspec.convert(json.loads(line), Session)
