"""What earlier versions wrote, and this one only reads."""

import json
from collections.abc import Iterable, Sequence

import msgspec

from ingest.records.encoding import encode
from ingest.records.row_record import VERSION, decode_journal_run
from ingest.rows.layout import EventRows
from ingest.sessions.session import Session


def encode_rows(run: Sequence[EventRows]) -> bytes:
    """A run of events' rows, as a journal of version 2 held them."""
    form, body = encode(([(rows.event, rows.sessions) for rows in run], ()))
    return bytes((VERSION, form)) + body


def decode_rows(record: bytes) -> list[EventRows]:
    """The rows of a run."""
    return [rows for rows, _ in decode_journal_run(record)]


def write_sessions(sessions: Iterable[Session]) -> bytes:
    """Sessions, one per line."""
    return b"".join(map(_write, sessions))


def _write(session: Session) -> bytes:
    try:
        return msgspec.json.encode(session) + b"\n"
    except UnicodeEncodeError:
        # Bytes of a URL that are not UTF-8, kept as surrogates (see `ingest.model.event`).
        return json.dumps(msgspec.to_builtins(session)).encode() + b"\n"
