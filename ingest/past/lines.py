"""Splits a stream into records. A record is a line, or several lines with a quoted text."""

from collections.abc import Iterator
from typing import Final, Protocol

from ingest.past.past_event import LINE_BYTES

RECORD_LINES: Final = 64
"""Maximum number of lines in a record, to limit the cost of an unclosed quote."""

SLICE_RECORDS: Final = 16
SLICE_BYTES: Final = 16_384
"""Bytes of records processed between two checkpoints: one to two milliseconds of work."""


def slices(records: Iterator[tuple[bytes, int]]) -> Iterator[list[tuple[bytes, int]]]:
    """Yield the records to process between two checkpoints."""
    some: list[tuple[bytes, int]] = []
    size = 0
    for record, lines in records:
        some.append((record, lines))
        size += len(record)
        if len(some) >= SLICE_RECORDS or size >= SLICE_BYTES:
            yield some
            some, size = [], 0
    if some:
        yield some


class RecordEnds(Protocol):
    """Tells where records end."""

    def is_whole(self, line: bytes) -> bool:
        """Whether a record ends with this line; otherwise it continues on the next line."""


class Lines:
    """Splits pieces into records. Each byte is in exactly one record."""

    def __init__(self, reader: RecordEnds) -> None:
        """Create the splitter.

        Args:
            reader: Decides whether a record continues on the next line.
        """
        self._reader = reader
        self._rest = b""

    @property
    def rest(self) -> bytes:
        """The bytes after the last complete record."""
        return self._rest

    def feed(self, piece: bytes) -> Iterator[tuple[bytes, int]]:
        """Yield the records that a piece completes. Exhaust the iterator before the next call.

        A line that exceeds the maximum length is returned in parts, to limit the memory.

        Returns:
            The records with their line ends, each with its number of lines.
        """
        lines = (self._rest + piece).split(b"\n")
        self._rest = lines.pop()
        waiting: list[bytes] = []
        for line in lines:
            if not waiting and self._reader.is_whole(line):
                yield line + b"\n", 1
                continue
            waiting.append(line)
            record = b"\n".join(waiting)
            if (
                (len(waiting) > 1 and self._reader.is_whole(record))
                or len(waiting) >= RECORD_LINES
                or len(record) > LINE_BYTES
            ):
                yield record + b"\n", len(waiting)
                waiting.clear()
        if waiting:
            self._rest = b"\n".join([*waiting, self._rest])
        if len(self._rest) > 2 * LINE_BYTES:
            part, self._rest = self._rest, b""
            yield part, part.count(b"\n")
