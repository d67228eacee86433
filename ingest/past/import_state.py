"""The state file of an import: one line of JSON.

The file is written before the events of some lines are appended to the log: `position` is the end
of these lines, `appended` their beginning. So after a crash the log has everything before
`appended`, nothing from `position` on, and of the lines between them it may have any. These are
read again. The fold skips what it has taken, because each event has the number of its line.
"""

import json
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from typing import Final

import msgspec

from ingest.fold.import_sessions import NO_FIGURES, ImportFigures, import_source
from ingest.past.formats import Format
from ingest.past.import_counts import ImportCounts
from ingest.past.import_request import ImportSelection
from ingest.sessions.salts import Salt

VERSION: Final = 2
"""Version of the file's format. In version 1, open sessions and the rows of the last batch followed
the first line."""

ID_BYTES: Final = 6
"""Bytes of an import's id, which is text of twice as many hexadecimal digits."""

HEAD_BYTES: Final = 4096
"""Files whose first bytes, up to this many, are equal count as versions of the same file."""


def fresh_digest() -> blake2b:
    """Create a digest that identifies the content read so far."""
    return blake2b(digest_size=32)


class ReadContent:
    """The content that was read so far.

    Attributes:
        position: Number of its bytes.
    """

    def __init__(self) -> None:
        """Start at the beginning."""
        self.position = 0
        self._digest, self._head = fresh_digest(), fresh_digest()

    def add(self, content: bytes) -> None:
        """Add what follows."""
        if self.position < HEAD_BYTES:
            self._head.update(content[: HEAD_BYTES - self.position])
        self._digest.update(content)
        self.position += len(content)

    @property
    def digest(self) -> str:
        """Identifies all of it, in hexadecimal."""
        return self._digest.hexdigest()

    @property
    def head(self) -> str:
        """Identifies its first `HEAD_BYTES`, or all of it if it has fewer."""
        return self._head.hexdigest()


@dataclass(frozen=True, slots=True)
class ImportState:
    """The state of an import before the events of some lines are appended.

    Attributes:
        id: Id of the import.
        form: The file's format.
        selection: The events to import.
        appended: Number of bytes of the content, after decompression, whose events the log has.
        position: Number of bytes whose events the log may have.
        digest: Digest of the content before `position`, in hexadecimal.
        head: Digest of its first `HEAD_BYTES`, or of all if there are fewer.
        counts: Counts of the lines before `appended`, without `figures`.
        figures: What the fold has found out of the import's events.
        seen: What the fold said when `figures` was written; its figures may begin anew.
        salt: The salt for visitor ids; None once deleted.
        anew: Whether the content was imported before, and is stored once more.
        done: Whether the file was read to its end, and the store has everything.
        updated_at: Time of this state, Unix seconds.
        seconds: Working time so far.
        has_rows: Whether an earlier version has left rows in the file that the store may not have.
    """

    id: str
    form: Format
    selection: ImportSelection
    appended: int = 0
    position: int = 0
    digest: str = ""
    head: str = ""
    counts: ImportCounts = field(default_factory=ImportCounts)
    figures: ImportFigures = NO_FIGURES
    seen: ImportFigures = NO_FIGURES
    salt: Salt | None = None
    anew: bool = False
    done: bool = False
    updated_at: int = 0
    seconds: float = 0.0
    has_rows: bool = False

    @property
    def source(self) -> str:
        """The import as the source of its events."""
        return import_source(self.id)

    def salt_is_due(self, now: float) -> bool:
        """Whether the salt must be deleted (spec/sessions.md §2)."""
        return self.salt is not None and not self.salt.is_fresh(now)


def encode_state(state: ImportState) -> bytes:
    """Return the content of a state file."""
    document = {"version": VERSION, **asdict(state)}
    if state.salt is not None:
        document["salt"]["key"] = state.salt.key.hex()
    return json.dumps(document).encode() + b"\n"


def decode_state(line: bytes) -> ImportState:
    """Parse the first line of a state file, also of version 1.

    Raises:
        ValueError: The line is invalid. The message contains no key.
    """
    try:
        document = json.loads(line)
        version = document["version"]
        if version == 1:
            document |= {
                "appended": document["position"],
                "counts": ImportCounts.from_json(document["counts"]).to_json(),
                "has_rows": bool(document["records"]),
            }
        elif version != VERSION:
            raise ValueError(f"version {version} is not known, only {VERSION}")
        if document["salt"] is not None:
            document["salt"]["key"] = bytes.fromhex(document["salt"]["key"])
        return msgspec.convert(document, ImportState, builtin_types=(bytes,))
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"no state of an import: {type(error).__name__}") from None


def without_salt(content: bytes) -> bytes:
    """Return a state file's content without its salt; the rest is as it was, in each version.

    Raises:
        ValueError: The content is invalid.
    """
    line, end, rest = content.partition(b"\n")
    decode_state(line)
    return json.dumps(json.loads(line) | {"salt": None}).encode() + end + rest
