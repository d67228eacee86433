"""Runs of rows as bytes: the content of journals of versions 1 and 2.

    version (1 byte), form (1), rows and origins as msgpack or JSON (`ingest.records.encoding`)

Version 1 has no origins.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec

from ingest.records.encoding import Decoder
from ingest.records.run import UnknownRecordError
from ingest.rows.layout import EventRows
from ingest.rows.schema import EVENTS, SESSIONS, Column, Table

VERSION: Final = 2


class Origin(msgspec.Struct, frozen=True, gc=False):
    """Where an event of a journal came from, if not directly from a client.

    Attributes:
        past: Whether its session is kept separately from live ones.
        letter: Id of the dead letter that it was redriven from; None if there was none.
    """

    past: bool = False
    letter: str | None = None


LIVE: Final = Origin()


def decode_journal_run(record: bytes) -> list[tuple[EventRows, Origin]]:
    """Decode a run of events' rows with their origins.

    Raises:
        UnknownRecordError: The version is not known.
        ValueError: It is no record.
    """
    if len(record) < 2:
        raise ValueError("not a record")
    version, form, body = record[0], record[1], memoryview(record)[2:]
    origins: Sequence[tuple[int, bool, str | None]] = ()
    if version == 1:
        rows = _VERSION_1.decode(form, body)
    elif version == VERSION:
        rows, origins = _VERSION_2.decode(form, body)
    else:
        raise UnknownRecordError(f"record version {version} is not known, only up to {VERSION}")
    run = [(EventRows(event, sessions), LIVE) for event, sessions in rows]
    for number, past, letter in origins:
        if not 0 <= number < len(run):
            raise ValueError("not a record: an origin of no event")
        run[number] = run[number][0], Origin(past, letter)
    return run


def _python_type(column: Column) -> Any:
    match column.type:
        case "Array(String)":
            return tuple[str, ...]
        case kind if "Decimal" in kind:
            return Decimal | None
        case kind if "String" in kind:
            return str
    return int


def _row_type(table: Table) -> Any:
    return tuple[tuple(map(_python_type, table.inserted))]  # type: ignore[misc]


_ROWS: Final = list[tuple[_row_type(EVENTS), tuple[_row_type(SESSIONS), ...]]]  # type: ignore[misc]
_ORIGINS: Final = list[tuple[int, bool, str | None]]
_VERSION_1: Final = Decoder[Any](_ROWS)
_VERSION_2: Final = Decoder[Any](tuple[_ROWS, _ORIGINS])  # type: ignore[valid-type]
