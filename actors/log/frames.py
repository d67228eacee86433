"""The bytes of a segment file: a header, then frames, each a run of records with its checksum.

    header  magic (8 bytes), log id (8), position of the first record (8), CRC-32 (4)
    frame   length of the run (4), records in it (4), CRC-32 of both and the run (4), run

All numbers are little-endian. The content of a run is `ingest.records.run`'s. Everything here works
on bytes in memory.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from actors.log.log import LogPoint
from ingest.records.run import HEADER_BYTES as RUN_HEADER_BYTES
from ingest.records.run import SOURCE_OFFSET, check_version, decode_run, decode_run_header

MAGIC: Final = b"SLUICEJ1"

_HEADER: Final = struct.Struct("<8sQQ")
_LENGTHS: Final = struct.Struct("<II")
_HEAD: Final = struct.Struct("<III")
_CHECKSUM: Final = struct.Struct("<I")
_SOURCE: Final = struct.Struct("<Q")

HEADER_BYTES: Final = _HEADER.size + _CHECKSUM.size
FRAME_BYTES: Final = _HEAD.size

LONGEST_RUN: Final = 256 * 1024 * 1024
"""Bytes; a length beyond it is a broken frame and is not looked for."""

INDEXED_FRAMES: Final = 16
"""Every so many frames one is remembered, so that a position is found without reading them all."""


class SegmentHeader(NamedTuple):
    """The header of a segment.

    Attributes:
        log_id: The same for all segments of one log.
        first: Position of the first record.
    """

    log_id: int
    first: int


class Frame(NamedTuple):
    """A frame whose checksum is right.

    Attributes:
        records: How many there are.
        run: The encoded run.
        end: Offset of the next frame in the file.
    """

    records: int
    run: bytes
    end: int


@dataclass(slots=True)
class Stretch:
    """Consecutive intact frames. A segment without damage is one stretch.

    Attributes:
        first: Its first record.
        end: After its last record.
        offset: Where it starts in the file.
        size: Where it ends in the file.
        log_time: Of its last run, Unix seconds.
        index: Positions and offsets of some of its frames, the first included, ascending.
    """

    first: LogPoint
    end: LogPoint
    offset: int
    size: int
    log_time: int
    index: list[tuple[int, int]] = field(default_factory=list)
    _frames: int = 0

    def add(self, end: LogPoint, length: int, log_time: int) -> None:
        """Add the frame that follows in the file."""
        if self._frames % INDEXED_FRAMES == 0:
            self.index.append((self.end.position, self.size))
        self._frames += 1
        self.end = end
        self.size += length
        self.log_time = log_time


def encode_header(log_id: int, first: int) -> bytes:
    """A segment's header."""
    header = _HEADER.pack(MAGIC, log_id, first)
    return header + _CHECKSUM.pack(zlib.crc32(header))


def decode_header(data: bytes) -> SegmentHeader | None:
    """Decode a segment's header; None if it is damaged or not a segment's."""
    if len(data) < HEADER_BYTES:
        return None
    magic, log_id, first = _HEADER.unpack_from(data)
    (checksum,) = _CHECKSUM.unpack_from(data, _HEADER.size)
    if magic != MAGIC or checksum != zlib.crc32(data[: _HEADER.size]):
        return None
    return SegmentHeader(log_id, first)


def encode_frame(run: bytes, records: int) -> bytes:
    """Encode a frame.

    Args:
        run: As `encode_run` makes it.
        records: How many records it has; at least one.
    """
    return frame_head(run, records) + run


def frame_head(run: bytes, records: int) -> bytes:
    """The head of a frame, before the run."""
    checksum = zlib.crc32(run, zlib.crc32(_LENGTHS.pack(len(run), records)))
    return _HEAD.pack(len(run), records, checksum)


def read_head(head: bytes) -> tuple[int, int]:
    """The run's length and its number of records, unchecked."""
    length, records = _LENGTHS.unpack_from(head)
    return length, records


def read_frame(data: bytes, offset: int) -> Frame | None:
    """The frame at an offset; None if there is no intact one."""
    begin = offset + FRAME_BYTES
    if begin > len(data):
        return None
    length, records, checksum = _HEAD.unpack_from(data, offset)
    if not records or not 0 < length <= min(LONGEST_RUN, len(data) - begin):
        return None
    run = data[begin : begin + length]
    if checksum != zlib.crc32(run, zlib.crc32(data[offset : offset + _LENGTHS.size])):
        return None
    return Frame(records, run, begin + length)


def frames(data: bytes, offset: int = HEADER_BYTES) -> Iterator[Frame]:
    """The intact frames from an offset on, up to the first damaged one."""
    while (frame := read_frame(data, offset)) is not None:
        yield frame
        offset = frame.end


def scan(data: bytes, source_id: int | None, *, strict: bool = False) -> list[Stretch]:
    """Find all intact frames of a segment, also after damaged bytes.

    After damage a frame is recognised by its source id. The id is random, so text from a client
    cannot be mistaken for a frame.

    Args:
        data: The file.
        source_id: Of the process that created the segment; None if unknown.
        strict: Whether to accept only frames whose records can be decoded; slower.

    Returns:
        The stretches, ascending.

    Raises:
        UnknownRecordError: A later version of the program wrote it.
    """
    sources = set() if source_id is None else {source_id}
    stretches: list[Stretch] = []
    offset: int | None = HEADER_BYTES
    last: bytes | None = None
    while offset is not None:
        frame = read_frame(data, offset)
        if frame is None or not _is_run(frame, strict):
            offset = _next_frame(data, offset + 1, sources)
            continue
        source, first, number, log_time = decode_run_header(frame.run)
        sources.add(source)
        begin, end = LogPoint(first, number), LogPoint(first + frame.records, number)
        if not stretches or (stretches[-1].size, stretches[-1].end.position) != (offset, first):
            if not _count_last(stretches, last):
                return scan(data, source_id, strict=True)
            stretches.append(Stretch(begin, begin, offset, offset, log_time))
        stretches[-1].add(end, frame.end - offset, log_time)
        last, offset = frame.run, frame.end
    if not _count_last(stretches, last):
        return scan(data, source_id, strict=True)
    return stretches


def _is_run(frame: Frame, strict: bool) -> bool:
    check_version(frame.run)
    if len(frame.run) < RUN_HEADER_BYTES:
        return False
    if not strict:
        return True
    try:
        return len(decode_run(frame.run).records) == frame.records
    except ValueError:
        return False


def _count_last(stretches: list[Stretch], last: bytes | None) -> bool:
    """Add the events of each stretch's last run; False if a run is unreadable.

    The number of events before a frame is in the frame; the last one must be decoded to count its
    own.
    """
    if last is None:
        return True
    try:
        run = decode_run(last)
    except ValueError:
        return False
    stretches[-1].end = LogPoint(run.end, run.number + run.events)
    return True


def _next_frame(data: bytes, offset: int, sources: set[int]) -> int | None:
    """Offset of the next frame written by one of the sources; None if there is none."""
    within = FRAME_BYTES + SOURCE_OFFSET
    found: int | None = None
    for source in sources:
        key = _SOURCE.pack(source)
        limit = len(data) if found is None else found + within
        place = data.find(key, offset + within, limit)
        while place >= 0:
            if read_frame(data, place - within) is not None:
                found = place - within
                break
            place = data.find(key, place + 1, limit)
    return found
