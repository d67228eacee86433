"""Splits a stream into records: lines, or several lines if a quoted text continues."""

from collections.abc import Iterator
from itertools import islice
from typing import Final

from ingest.past.past_event import LINE_BYTES, Reader

RECORD_LINES: Final = 64
"""Maximum number of lines of a record, to limit the cost of an unclosed quote."""

SLICE_RECORDS: Final = 16
SLICE_BYTES: Final = 16_384
"""Records handled between two checkpoints: one to two milliseconds. Long lines are fewer."""


def slice_of(records: Iterator[tuple[bytes, int]]) -> Iterator[tuple[bytes, int]]:
    """The next of the records, as many as are handled at once."""
    size = 0
    for record, lines in islice(records, SLICE_RECORDS):
        yield record, lines
        size += len(record)
        if size >= SLICE_BYTES:
            return


class Lines:
    """Cuts pieces into records; every byte is in exactly one of them."""

    def __init__(self, reader: Reader) -> None:
        """Begin with nothing.

        Args:
            reader: Tells whether a record goes on.
        """
        self._reader = reader
        self._rest = b""

    @property
    def rest(self) -> bytes:
        """What has come since the last whole record."""
        return self._rest

    def feed(self, piece: bytes) -> Iterator[tuple[bytes, int]]:
        """The records that a piece ends; to be used up before the next piece is fed.

        A line that is too long to be one is given in parts, so that it takes no more memory.

        Returns:
            Records with their last line's end, and how many lines each has.
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
