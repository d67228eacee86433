"""Runs of records as bytes: the content of a frame of the log's files.

    version (1 byte), form (1), source id (8), position (8), running number (8), log time (8),
    then the records, as msgpack, or as JSON for text that msgpack cannot encode

Numbers are little-endian. Versions 1 and 2 held rows (`ingest.records.row_record`).
"""

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from ingest.model.event import EnrichedEvent
from ingest.records.encoding import Decoder, encode
from ingest.records.record import Record

VERSION: Final = 3
"""A program that knows only earlier versions refuses the run and does not touch the log."""

_HEADER: Final = struct.Struct("<BBQQQQ")
HEADER_BYTES: Final = _HEADER.size
SOURCE_OFFSET: Final = 2
"""Offset of the source id in a run; it identifies valid frames after damaged bytes."""

_RECORDS: Final = Decoder[list[Record]](list[Record])


class UnknownRecordError(ValueError):
    """The version is unknown, because a later version of the program wrote the record."""


class LogPoint(NamedTuple):
    """A point in the log, between two records.

    Attributes:
        position: Of the next record.
        number: Number of events before it since the log was created. Used to count backlogs, limits
            and losses, because positions may have gaps.
    """

    position: int
    number: int


class Run(msgspec.Struct, frozen=True, gc=False):
    """Records that were appended together.

    Attributes:
        source_id: Of the process that appended them; random, 64 bits.
        first: Position of the first record.
        number: Number of events in the log before them, since the log was created.
        log_time: When they entered the log, Unix seconds.
        records: In order of their positions, which have no gaps between them.
        gap: Number of unused positions after the last record.
    """

    source_id: int
    first: int
    number: int
    log_time: int
    records: Sequence[Record]
    gap: int = 0

    @property
    def end(self) -> int:
        """Where the next run may start: after the last record and the gap."""
        return self.first + len(self.records) + self.gap

    @property
    def events(self) -> int:
        """How many of the records are events."""
        return list(map(type, self.records)).count(EnrichedEvent)

    @property
    def end_point(self) -> LogPoint:
        """The point at `end`."""
        return LogPoint(self.end, self.number + self.events)

    def starting_at(self, position: int) -> "Run":
        """The part from a position on; the whole run if it starts there or later."""
        if position <= self.first:
            return self
        passed = self.records[: position - self.first]
        return Run(
            self.source_id,
            position,
            self.number + sum(type(record) is EnrichedEvent for record in passed),
            self.log_time,
            self.records[position - self.first :],
            min(self.gap, max(self.end - position, 0)),
        )


def encode_run(run: Run) -> bytes:
    """A run as bytes."""
    form, body = encode(run.records)
    header = _HEADER.pack(VERSION, form, run.source_id, run.first, run.number, run.log_time)
    return header + body


def decode_run(data: bytes) -> Run:
    """Decode a run.

    Raises:
        UnknownRecordError: The version is not known.
        ValueError: It is no run.
    """
    check_version(data)
    if len(data) < HEADER_BYTES:
        raise ValueError("not a run: it is too short")
    _, form, source_id, first, number, log_time = _HEADER.unpack_from(data)
    records = _RECORDS.decode(form, memoryview(data)[HEADER_BYTES:])
    return Run(source_id, first, number, log_time, records)


def decode_run_header(data: bytes) -> tuple[int, int, int, int]:
    """The source id, position, running number and log time of a run of this version."""
    _, _, source_id, first, number, log_time = _HEADER.unpack_from(data)
    return source_id, first, number, log_time


def check_version(data: bytes) -> None:
    """Check that a run can be read.

    Raises:
        UnknownRecordError: Another version of the program wrote it.
    """
    if data[:1] and data[0] != VERSION:
        raise UnknownRecordError(f"record version {data[0]} is not known, only {VERSION}")
