"""One file of the journal: a header, then frames, each a run of events with its checksum.

    header  magic (8 bytes), journal id (8), position of the first event (8), CRC-32 (4)
    frame   length of the record (4), events in it (4), CRC-32 of both and the record (4), record

All numbers are little-endian. A frame that is cut off or does not match its checksum ends what can
be read: what a crash leaves at the end of the last file was not yet acknowledged to anybody.
"""

import bisect
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from actors.files.atomic import OWNER_ONLY

MAGIC: Final = b"SLUICEJ1"
SUFFIX: Final = ".journal"

_HEADER: Final = struct.Struct("<8sQQ")
_LENGTHS: Final = struct.Struct("<II")
_CHECKSUM: Final = struct.Struct("<I")
HEADER_BYTES: Final = _HEADER.size + _CHECKSUM.size
FRAME_BYTES: Final = _LENGTHS.size + _CHECKSUM.size

LONGEST_RECORD: Final = 256 * 1024 * 1024
"""Bytes; a length beyond it is a broken frame and is not looked for."""

_INDEXED_FRAMES: Final = 16
"""Every so many frames one is remembered, so that a position is found without reading them all."""


class DamagedSegmentError(ValueError):
    """The file's header is not that of a segment."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A run of events in a segment.

    Attributes:
        first: Position of its first event in the journal.
        events: How many there are.
        record: They as bytes, see `ingest.records.row_record`.
    """

    first: int
    events: int
    record: bytes

    @property
    def end(self) -> int:
        """The position after its last event."""
        return self.first + self.events


class Segment:
    """A file that is appended to, or only read. All calls block, for as long as the disk does.

    Attributes:
        path: Where it is.
        journal_id: The same for all segments of one journal.
        first: Position of its first event.
        end: Position after its last event.
        size: Bytes of header and whole frames.
        torn: Bytes that were found behind the last whole frame.
    """

    def __init__(self, path: Path, descriptor: int, journal_id: int, first: int) -> None:
        """Own an open file; use `create` or `open`."""
        self.path = path
        self.journal_id = journal_id
        self.first = self.end = first
        self.size = HEADER_BYTES
        self.torn = 0
        self._descriptor = descriptor
        self._frames = 0
        self._index: list[tuple[int, int]] = []

    @classmethod
    def create(cls, directory: Path, journal_id: int, first: int) -> Self:
        """Begin a new file.

        Raises:
            OSError: It cannot be made; nothing is left of it.
        """
        path = directory / f"{first:020d}{SUFFIX}"
        header = _HEADER.pack(MAGIC, journal_id, first)
        # Not O_APPEND: a write goes to where the last whole frame ends.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, OWNER_ONLY)
        segment = cls(path, descriptor, journal_id, first)
        try:
            _write(descriptor, header + _CHECKSUM.pack(zlib.crc32(header)), 0)
        except OSError:
            segment.delete()
            raise
        return segment

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open an existing file and check every frame.

        Raises:
            DamagedSegmentError: It has no whole header.
            OSError: It cannot be read.
        """
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            header = os.pread(descriptor, HEADER_BYTES, 0)
            if len(header) < HEADER_BYTES:
                raise DamagedSegmentError(f"{path.name}: no header")
            magic, journal_id, first = _HEADER.unpack_from(header)
            (checksum,) = _CHECKSUM.unpack_from(header, _HEADER.size)
            if magic != MAGIC or checksum != zlib.crc32(header[: _HEADER.size]):
                raise DamagedSegmentError(f"{path.name}: not the header of a segment")
            segment = cls(path, descriptor, journal_id, first)
            for frame in segment._scan():
                segment._note(frame.events, len(frame.record))
            segment.torn = os.fstat(descriptor).st_size - segment.size
        except BaseException:
            os.close(descriptor)
            raise
        return segment

    @property
    def descriptor(self) -> int:
        """The open file, for syncing it."""
        return self._descriptor

    def append(self, record: bytes, events: int) -> None:
        """Write a frame, in one call to the system.

        Raises:
            OSError: It is not written. What was written of it will be overwritten.
        """
        frame = _head(events, record) + record
        _write(self._descriptor, frame, self.size)
        self._note(events, len(record))

    def repair(self) -> None:
        """Cut off what lies behind the last whole frame.

        Raises:
            OSError: It cannot be cut.
        """
        os.ftruncate(self._descriptor, self.size)
        self.torn = 0

    def read(self, position: int) -> Frame:
        """The frame that holds a position.

        Raises:
            IndexError: The position is not in this segment.
            OSError: It cannot be read.
            ValueError: The frame has been damaged since it was written.
        """
        if not self.first <= position < self.end:
            raise IndexError(position)
        nearest = bisect.bisect_right(self._index, (position, self.size)) - 1
        first, offset = self._index[nearest]
        while True:
            head = os.pread(self._descriptor, FRAME_BYTES, offset)
            length, events = _LENGTHS.unpack_from(head)
            if position < first + events:
                record = os.pread(self._descriptor, length, offset + FRAME_BYTES)
                if head != _head(events, record):
                    raise ValueError(f"{self.path.name}: the frame at {offset} is damaged")
                return Frame(first, events, record)
            first, offset = first + events, offset + FRAME_BYTES + length

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def delete(self) -> None:
        """Close and remove the file."""
        self.close()
        self.path.unlink(missing_ok=True)

    def _note(self, events: int, length: int) -> None:
        """Take over a frame that is in the file."""
        if self._frames % _INDEXED_FRAMES == 0:
            self._index.append((self.end, self.size))
        self._frames += 1
        self.end += events
        self.size += FRAME_BYTES + length

    def _scan(self) -> Iterator[Frame]:
        """The whole frames from `size` on, one after the other."""
        limit = os.fstat(self._descriptor).st_size
        while True:
            head = os.pread(self._descriptor, FRAME_BYTES, self.size)
            if len(head) < FRAME_BYTES:
                return
            length, events = _LENGTHS.unpack_from(head)
            if not 0 < length <= min(LONGEST_RECORD, limit - self.size - FRAME_BYTES) or not events:
                return
            record = os.pread(self._descriptor, length, self.size + FRAME_BYTES)
            if head != _head(events, record):
                return
            yield Frame(self.end, events, record)


def _head(events: int, record: bytes) -> bytes:
    lengths = _LENGTHS.pack(len(record), events)
    return lengths + _CHECKSUM.pack(zlib.crc32(record, zlib.crc32(lengths)))


def _write(descriptor: int, data: bytes, offset: int) -> None:
    written = os.pwrite(descriptor, data, offset)
    while written < len(data):
        # A full disk takes a part, and says why when asked for the rest.
        written += os.pwrite(descriptor, data[written:], offset + written)
