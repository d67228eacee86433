"""The state file of an import.

It has a line for the import itself, a line for each open session, and then the rows of the events
being stored. It is written before these rows are sent to the store, so a retry inserts the same
rows.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from typing import Any, Final

from ingest.past.formats import Format
from ingest.past.import_counts import ImportCounts
from ingest.past.import_request import ImportSelection, selection_from_json
from ingest.records.row_record import decode_rows, encode_rows
from ingest.records.session_snapshot import read_sessions, write_sessions
from ingest.rows.layout import EventRows
from ingest.sessions.salts import Salt
from ingest.sessions.session import Session

VERSION: Final = 1
"""Version of the file's format. Sessions and rows have versions of their own formats."""

HEAD_BYTES: Final = 4096
"""Files whose first bytes, up to this many, are equal count as versions of the same file."""

TOGETHER: Final = 500
"""Number of rows or sessions written between two checkpoints: about a millisecond of work."""


def fresh_digest() -> blake2b:
    """Create a digest that identifies the content read so far."""
    return blake2b(digest_size=32)


@dataclass(frozen=True, slots=True)
class ImportState:
    """The state of an import after a batch of events.

    Attributes:
        id: Id of the import, part of its tokens.
        form: The file's format.
        selection: The events to import.
        position: Number of bytes read from the file, after decompression.
        digest: Digest of these bytes, in hexadecimal.
        head: Digest of the first `HEAD_BYTES` of them, or of all if there are fewer.
        counts: Counts of its lines.
        events: Number of events so far, which is the number of the next batch's first event.
        batch_first: Number of the first event whose rows may not be stored yet. The state file has
            the rows of the events from here to `events`.
        salt: The salt for visitor ids; None once deleted.
        done: Whether the file was read to its end.
        updated_at: Time of this state, Unix seconds.
        seconds: Working time so far.
    """

    id: str
    form: Format
    selection: ImportSelection
    position: int
    digest: str
    head: str
    counts: ImportCounts
    events: int
    batch_first: int
    salt: Salt | None
    done: bool
    updated_at: int
    seconds: float

    def without_salt(self) -> "ImportState":
        """Return the state without its salt."""
        return replace(self, salt=None)

    def salt_is_due(self, now: float) -> bool:
        """Whether the salt must be deleted (spec/sessions.md §2)."""
        return self.salt is not None and not self.salt.is_fresh(now)


@dataclass(frozen=True, slots=True)
class SavedImport:
    """The whole content of a state file.

    Attributes:
        state: The state of the import.
        visits: Open sessions, least recently active first.
        rows: Rows of the events that may not be stored yet.
    """

    state: ImportState
    visits: tuple[Session, ...] = ()
    rows: tuple[EventRows, ...] = ()


def parts_of(saved: SavedImport) -> Iterable[bytes]:
    """Yield a state file's content in parts, some of them empty."""
    records: list[bytes] = []
    for start in range(0, len(saved.rows), TOGETHER):
        records.append(encode_rows(saved.rows[start : start + TOGETHER]))
        yield b""
    yield header_of(saved.state, len(saved.visits), list(map(len, records)))
    for start in range(0, len(saved.visits), TOGETHER):
        yield write_sessions(saved.visits[start : start + TOGETHER])
    yield from records


def header_of(state: ImportState, visits: int, records: Sequence[int]) -> bytes:
    """Return the first line of a state file.

    Args:
        state: The state of the import.
        visits: Number of session lines that follow.
        records: Size in bytes of each record after them.
    """
    salt = state.salt
    document: dict[str, Any] = {
        "version": VERSION,
        "id": state.id,
        "form": state.form.value,
        "selection": asdict(state.selection),
        "position": state.position,
        "digest": state.digest,
        "head": state.head,
        "counts": state.counts.to_json(),
        "events": state.events,
        "batch_first": state.batch_first,
        "salt": None if salt is None else {"key": salt.key.hex(), "created_at": salt.created_at},
        "done": state.done,
        "updated_at": state.updated_at,
        "seconds": round(state.seconds, 3),
        "visits": visits,
        "records": records,
    }
    return json.dumps(document).encode() + b"\n"


def read_header(line: bytes) -> tuple[ImportState, int, list[int]]:
    """Parse a line of `header_of`.

    Returns:
        The state of the import, the number of session lines that follow, and the size in bytes of
        each record after them.

    Raises:
        ValueError: The line is invalid. The message contains no key.
    """
    try:
        document = json.loads(line)
        if document["version"] != VERSION:
            raise ValueError(f"version {document['version']} is not known, only {VERSION}")
        salt = document["salt"]
        state = ImportState(
            id=str(document["id"]),
            form=Format(document["form"]),
            selection=selection_from_json(document["selection"]),
            position=int(document["position"]),
            digest=str(document["digest"]),
            head=str(document["head"]),
            counts=ImportCounts.from_json(document["counts"]),
            events=int(document["events"]),
            batch_first=int(document["batch_first"]),
            salt=None
            if salt is None
            else Salt(bytes.fromhex(salt["key"]), int(salt["created_at"])),
            done=bool(document["done"]),
            updated_at=int(document["updated_at"]),
            seconds=float(document["seconds"]),
        )
        return state, int(document["visits"]), list(map(int, document["records"]))
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"no state of an import: {type(error).__name__}") from None


def read_saved(content: bytes) -> SavedImport:
    """Parse the content of a state file.

    Raises:
        ValueError: The content is invalid, or has an unknown version.
    """
    first, _, rest = content.partition(b"\n")
    state, visits, records = read_header(first)
    lines = rest.split(b"\n", visits)
    if len(lines) != visits + 1:
        raise ValueError("no state of an import: visits are missing")
    tail = lines.pop()
    if len(tail) != sum(records):
        raise ValueError("no state of an import: rows are missing")
    rows: list[EventRows] = []
    start = 0
    for length in records:
        rows.extend(decode_rows(tail[start : start + length]))
        start += length
    return SavedImport(state, read_sessions(lines), tuple(rows))
