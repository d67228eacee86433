"""Rows as bytes, for the journal: the text form of a run of events on its way to the store.

A record says its version, so that a journal written before an upgrade is read after it. To change
the layout of rows: raise `VERSION`, keep the reader of the old version in `_READERS`, and have it
fill in what the new layout has more.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from ingest.rows.layout import LIVE, EventRows, Origin, Row
from ingest.rows.schema import EVENTS, SESSIONS, Column, Table

VERSION: Final = 2
"""Version 1 did not tell where events came from."""

_BINARY, _TEXT = 0, 1
"""How the rows follow the version: msgpack; or JSON, for text that msgpack cannot hold."""


class UnknownRecordError(ValueError):
    """The record is of a version that this program does not know: it was written by a later one."""


def encode(run: Sequence[EventRows]) -> bytes:
    """Write a run of events' rows: the rows, and which of them have an origin to tell."""
    content = (
        [(rows.event, rows.sessions) for rows in run],
        [
            (number, rows.origin.past, rows.origin.letter)
            for number, rows in enumerate(run)
            if rows.origin is not LIVE
        ],
    )
    try:
        return bytes((VERSION, _BINARY)) + _ENCODER.encode(content)
    except UnicodeEncodeError:
        # Bytes of a URL that are no UTF-8, kept as surrogates (see `ingest.model.event`).
        return bytes((VERSION, _TEXT)) + json.dumps(content, default=str).encode()


def check_version(record: bytes) -> None:
    """See that a record can be read.

    Raises:
        UnknownRecordError: A later version of the program wrote it.
    """
    if record[:1] and record[0] not in _READERS:
        raise UnknownRecordError(f"record version {record[0]} is not known, only up to {VERSION}")


def decode(record: bytes) -> list[EventRows]:
    """Read what `encode` wrote, in this version of the program or an earlier one.

    Raises:
        UnknownRecordError: The version is not known.
        ValueError: It is no record.
    """
    if len(record) < 2:
        raise ValueError("not a record")
    check_version(record)
    return _READERS[record[0]](record[1], memoryview(record)[2:])


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


_ENCODER: Final = msgspec.msgpack.Encoder()
_ROWS: Final = list[tuple[_row_type(EVENTS), tuple[_row_type(SESSIONS), ...]]]  # type: ignore[misc]
_ORIGINS: Final = list[tuple[int, bool, str | None]]


def _reader(content: Any) -> Callable[[int, memoryview], Any]:
    """Reads one version's content, in either form."""
    decoder = msgspec.msgpack.Decoder(content)

    def read(form: int, body: memoryview) -> Any:
        try:
            if form == _BINARY:
                return decoder.decode(body)
            # msgspec refuses lone surrogates in JSON, too.
            return msgspec.convert(json.loads(bytes(body)), content, strict=False)
        except (ValueError, TypeError) as error:
            raise ValueError(f"not a record: {type(error).__name__}") from None

    return read


_read_rows: Final = _reader(_ROWS)
_read_rows_and_origins: Final = _reader(tuple[_ROWS, _ORIGINS])  # type: ignore[valid-type]


def _read_version_1(form: int, body: memoryview) -> list[EventRows]:
    rows: list[tuple[Row, tuple[Row, ...]]] = _read_rows(form, body)
    return [EventRows(event, sessions) for event, sessions in rows]


def _read_version_2(form: int, body: memoryview) -> list[EventRows]:
    rows: list[tuple[Row, tuple[Row, ...]]]
    origins: list[tuple[int, bool, str | None]]
    rows, origins = _read_rows_and_origins(form, body)
    run = [EventRows(event, sessions) for event, sessions in rows]
    for number, past, letter in origins:
        if not 0 <= number < len(run):
            raise ValueError("not a record: an origin of no event")
        run[number] = replace(run[number], origin=Origin(past, letter))
    return run


_READERS: Mapping[int, Callable[[int, memoryview], list[EventRows]]] = {
    1: _read_version_1,
    2: _read_version_2,
}
