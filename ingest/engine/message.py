"""Messages of the events topic: records of one front for one partition.

    version (1 byte), source id (8), then for each record:
    form (1), position in the front's log (8), length (4), content (`ingest.records.encoding`)

Numbers are little-endian. The source id is that of the front's log.
"""

import struct
from collections.abc import Sequence
from typing import Final

from msgspec.structs import force_setattr

from ingest.model.event import EnrichedEvent, Source
from ingest.records.encoding import Decoder
from ingest.records.record import DropCounts, Record
from ingest.records.run import Run

VERSION: Final = 1

POSITIONS: Final = 64
"""Number of positions of each message. A record's position is the message's offset times this
number, plus the record's index in the message."""

MESSAGE_EVENTS: Final = POSITIONS
"""Maximum number of records in a message."""

MESSAGE_BYTES: Final = 256 * 1024
"""Maximum size of a message with more than one record."""

_HEADER: Final = struct.Struct("<BQ")
_ENTRY: Final = struct.Struct("<BQI")
HEADER_BYTES: Final = _HEADER.size
ENTRY_BYTES: Final = _ENTRY.size

_RECORD: Final = Decoder[Record](Record)

Entry = tuple[int, int, bytes]
"""A record in a message: its position in the front's log, its form, and its content."""


class UnknownMessageError(ValueError):
    """A later version of the program wrote the message.

    Attributes:
        version: Of the message.
    """

    def __init__(self, version: int) -> None:
        """Create the error for a version."""
        super().__init__(f"message version {version} is not known, only {VERSION}")
        self.version = version


def front_source(source_id: int) -> str:
    """The name of a front as the source of its records."""
    return f"front:{source_id:016x}"


def encode_message(source_id: int, entries: Sequence[Entry]) -> bytes:
    """A message as bytes.

    Args:
        source_id: Of the front's log.
        entries: At most `MESSAGE_EVENTS`.
    """
    parts = [_HEADER.pack(VERSION, source_id)]
    for position, form, body in entries:
        parts += (_ENTRY.pack(form, position, len(body)), body)
    return b"".join(parts)


def decode_message(data: bytes, offset: int, number: int, log_time: int) -> Run:
    """Decode a message into a run that takes all of the message's positions.

    Records without a source of their own get the front's.

    Args:
        data: The message.
        offset: Of the message in its partition.
        number: Number of events before it.
        log_time: When the broker appended it, Unix seconds.

    Raises:
        UnknownMessageError: The version is not known.
        ValueError: It is no message.
    """
    if data[:1] and data[0] != VERSION:
        raise UnknownMessageError(data[0])
    try:
        source_id, records = _decode(data)
    except struct.error:
        raise ValueError("not a message: it is too short") from None
    if not 0 < len(records) <= POSITIONS:
        raise ValueError(f"not a message: it has {len(records)} records")
    first = offset * POSITIONS
    return Run(source_id, first, number, log_time, records, POSITIONS - len(records))


def _decode(data: bytes) -> tuple[int, list[Record]]:
    _, source_id = _HEADER.unpack_from(data)
    name = front_source(source_id)
    records: list[Record] = []
    begin, end = HEADER_BYTES, len(data)
    while begin < end:
        form, position, length = _ENTRY.unpack_from(data, begin)
        begin += ENTRY_BYTES
        if begin + length > end:
            raise ValueError("not a message: its last record is cut off")
        record = _RECORD.decode(form, data[begin : begin + length])
        begin += length
        # `isinstance` would make a union for each record.
        if (type(record) is EnrichedEvent or type(record) is DropCounts) and record.source is None:
            # The record is new and nobody else has it; a copy takes several times as long.
            force_setattr(record, "source", Source(name, position + 1))
        records.append(record)
    return source_id, records
