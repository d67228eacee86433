"""Open visits as text, so that they outlast the process."""

import json
from collections.abc import Iterable, Iterator

from pydantic import TypeAdapter, ValidationError

from ingest.sessions.session import Session

VERSION = 1
"""Version of the text form; changed whenever `Session` is."""

_SESSION = TypeAdapter(Session)


def write_snapshot(sessions: Iterable[Session]) -> Iterator[bytes]:
    """Write visits as JSON lines: a header with the version, then a visit a line."""
    yield json.dumps({"version": VERSION}).encode() + b"\n"
    for session in sessions:
        yield json.dumps(_SESSION.dump_python(session)).encode() + b"\n"


def read_snapshot(lines: Iterable[bytes]) -> Iterator[Session]:
    """Read visits back.

    Raises:
        ValueError: The text is not a snapshot of this version.
    """
    try:
        iterator = iter(lines)
        header = json.loads(next(iterator, b"{}"))
        if not isinstance(header, dict) or header.get("version") != VERSION:
            raise ValueError("not a session snapshot of this version")
        for line in iterator:
            yield _SESSION.validate_python(json.loads(line))
    except (ValidationError, json.JSONDecodeError) as error:
        raise ValueError(f"broken session snapshot: {type(error).__name__}") from None
