"""One file of a log, in the format of `actors.log.frames`. All calls block."""

import bisect
import errno
import os
from operator import attrgetter
from pathlib import Path
from typing import Final, Self

from actors.files.atomic import OWNER_ONLY
from actors.log.frames import (
    FRAME_BYTES,
    HEADER_BYTES,
    SegmentHeader,
    Stretch,
    decode_header,
    encode_frame,
    encode_header,
    frame_head,
    read_head,
    scan,
)
from actors.log.log import LogPoint
from ingest.records.run import Run, decode_run

SUFFIX: Final = ".journal"
SEGMENTS: Final = f"*-*{SUFFIX}"
"""File names of segments; segments of an old journal have no source id in their names."""

_BLOCK: Final = 4096

_end_position: Final = attrgetter("end.position")


class DamagedFrameError(ValueError):
    """A frame does not match its checksum or position."""


class Segment:
    """A file that is appended to, or only read.

    Attributes:
        path: Its path. The name has the position of the first record and the source id of the
            process that created it.
        header: Its header; None if damaged.
        stretches: The readable frames, ascending; may be empty.
        size: Size of the file up to the end of the last intact frame.
        torn: Number of bytes found after it.
        synced: Size up to which the file is known to be synced.
        deleted: Whether this process deleted it, so that its absence is expected.
    """

    def __init__(
        self, path: Path, descriptor: int, header: SegmentHeader | None, stretches: list[Stretch]
    ) -> None:
        """Own an open file; use `create` or `open`."""
        self.path = path
        self.descriptor = descriptor
        self.header = header
        self.stretches = stretches
        self.size = stretches[-1].size if stretches else 0
        self.torn = self.synced = 0
        self.deleted = False

    @classmethod
    def create(cls, directory: Path, log_id: int, run: Run, data: bytes) -> Self:
        """Create a file with a first run.

        Args:
            directory: Where.
            log_id: Goes into the header.
            run: The first.
            data: The run as bytes.

        Raises:
            OSError: It cannot be created; no file is left.
        """
        path = directory / f"{run.first:020d}-{run.source_id:016x}{SUFFIX}"
        # Not O_APPEND: writes start at the end of the last intact frame.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, OWNER_ONLY)
        start = LogPoint(run.first, run.number)
        stretch = Stretch(start, start, HEADER_BYTES, HEADER_BYTES, run.log_time)
        segment = cls(path, descriptor, SegmentHeader(log_id, run.first), [stretch])
        frame = encode_frame(data, len(run.records))
        try:
            _write(descriptor, encode_header(log_id, run.first) + frame, 0)
        except OSError:
            segment.delete()
            raise
        segment._note(LogPoint(run.end, run.number + run.events), len(frame), run.log_time)
        return segment

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open an existing file and check every frame. Nothing is changed.

        Raises:
            OSError: It cannot be read.
            UnknownRecordError: A later version of the program wrote it.
        """
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            data = read_file(descriptor)
            segment = cls(path, descriptor, decode_header(data), scan(data, source_in(path)))
            segment.torn = len(data) - segment.size
        except BaseException:
            os.close(descriptor)
            raise
        return segment

    @property
    def first(self) -> LogPoint:
        """The first readable record; the end if there is none."""
        return self.stretches[0].first

    @property
    def end(self) -> LogPoint:
        """The point after its last record, readable or not."""
        return self.stretches[-1].end

    @property
    def whole(self) -> bool:
        """Whether everything up to its last frame is intact."""
        return (
            self.header is not None
            and len(self.stretches) == 1
            and self.stretches[0].offset == HEADER_BYTES
        )

    @property
    def used(self) -> bool:
        """Whether it has more than its first record."""
        return self.end.position > self.first.position + 1

    def append(self, data: bytes, records: int, end: LogPoint, log_time: int) -> None:
        """Write a run, in one system call.

        Args:
            data: The run.
            records: How many it has.
            end: After its last record.
            log_time: The run's.

        Raises:
            OSError: It is not written. A partial write will be overwritten.
        """
        frame = encode_frame(data, records)
        _write(self.descriptor, frame, self.size)
        self._note(end, len(frame), log_time)

    def _note(self, end: LogPoint, length: int, log_time: int) -> None:
        self.stretches[-1].add(end, length, log_time)
        self.size = self.stretches[-1].size

    def read(self, position: int) -> Run | None:
        """The run that holds a position, or the next one; None when there is none.

        Raises:
            OSError: It cannot be read.
            DamagedFrameError: The file has been damaged since it was opened.
        """
        nearest = bisect.bisect_right(self.stretches, position, key=_end_position)
        if nearest == len(self.stretches) or not self.stretches[nearest].index:
            return None
        stretch = self.stretches[nearest]
        position = max(position, stretch.first.position)
        entry = bisect.bisect_right(stretch.index, (position, stretch.size)) - 1
        first, offset = stretch.index[entry]
        while offset < stretch.size:
            head = os.pread(self.descriptor, FRAME_BYTES, offset)
            if len(head) < FRAME_BYTES:
                break
            length, records = read_head(head)
            if position < first + records:
                data = os.pread(self.descriptor, length, offset + FRAME_BYTES)
                return self._check(head, data, first, records)
            first, offset = first + records, offset + FRAME_BYTES + length
        raise DamagedFrameError(f"{self.path.name}: no frame holds position {position}")

    def _check(self, head: bytes, data: bytes, first: int, records: int) -> Run:
        """The run of a frame, checked."""
        if head != frame_head(data, records):
            raise DamagedFrameError(f"{self.path.name}: the frame of position {first} is damaged")
        try:
            run = decode_run(data)
        except ValueError as error:
            raise DamagedFrameError(f"{self.path.name}: position {first}: {error}") from None
        if (run.first, len(run.records)) != (first, records):
            raise DamagedFrameError(f"{self.path.name}: position {first} has another run")
        return run

    def scan_again(self, size: int) -> list[Stretch]:
        """Find the readable frames in its first bytes; may be called in a thread.

        Raises:
            OSError: It cannot be read.
            UnknownRecordError: It is no longer of this version.
        """
        return scan(read_file(self.descriptor, size), source_in(self.path), strict=True)

    def replace(self, found: list[Stretch], size: int, end: LogPoint) -> None:
        """Apply the result of `scan_again`.

        Args:
            found: Its result.
            size: The size before the call.
            end: The end before the call.
        """
        last = self.stretches[-1]
        if self.size > size or not found or found[-1].size < size:
            # Frames appended meanwhile, and later ones.
            later = Stretch(end, last.end, size, self.size, last.log_time)
            if self.size > size:
                appended = (entry for entry in last.index if entry[1] > size)
                later.index = [(end.position, size), *appended]
            found = [*found, later]
        self.stretches = found

    def cut(self) -> None:
        """Truncate the file after the last intact frame.

        Raises:
            OSError: It cannot be truncated.
        """
        os.truncate(self.path, self.size)
        self.torn = 0

    def close(self) -> None:
        """Close the file."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def delete(self) -> None:
        """Remove and close the file.

        Raises:
            OSError: It cannot be removed; it is closed.
        """
        self.deleted = True
        self.close()
        self.path.unlink(missing_ok=True)


def source_in(path: Path) -> int | None:
    """The source id in a segment's name; None if there is none."""
    try:
        return int(path.name.removesuffix(SUFFIX).partition("-")[2], 16)
    except ValueError:
        return None


def read_file(descriptor: int, size: int | None = None) -> bytes:
    """A file's content, with zeros for sectors that can no longer be read.

    Args:
        descriptor: The open file.
        size: How many bytes; all when None.

    Raises:
        OSError: It cannot be read, for a reason other than damage.
    """
    size = os.fstat(descriptor).st_size if size is None else size
    try:
        return _read(descriptor, size, 0)
    except OSError as error:
        if error.errno != errno.EIO:
            raise
    blocks: list[bytes] = []
    for offset in range(0, size, _BLOCK):
        length = min(_BLOCK, size - offset)
        try:
            blocks.append(_read(descriptor, length, offset))
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            blocks.append(bytes(length))
    return b"".join(blocks)


def _read(descriptor: int, size: int, offset: int) -> bytes:
    """Up to `size` bytes; fewer only at the end of the file."""
    parts: list[bytes] = []
    while size and (part := os.pread(descriptor, size, offset)):
        parts.append(part)
        size -= len(part)
        offset += len(part)
    return b"".join(parts)


def _write(descriptor: int, data: bytes, offset: int) -> None:
    written = os.pwrite(descriptor, data, offset)
    while written < len(data):
        # A full disk writes a part; writing the rest raises the error.
        written += os.pwrite(descriptor, data[written:], offset + written)
