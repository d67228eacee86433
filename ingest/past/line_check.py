"""Checks that a file's lines can be read, before anything is stored."""

import copy
from collections.abc import Iterable, Iterator
from typing import Final

from ingest.past.import_counts import ImportCounts
from ingest.past.lines import Lines
from ingest.past.past_event import BrokenLineError, PastEvent, Reader, read_record

LARGEST_SHARE: Final = 0.1
"""Maximum share of broken lines; with more, the format is wrong or has changed."""


class LineCheck:
    """Reads the lines that an import is to read, and counts those that are broken.

    Attributes:
        counts: Counts of all lines, including those of earlier runs.
    """

    def __init__(self, reader: Reader, counts: ImportCounts, position: int) -> None:
        """Begin with what an earlier run has left.

        Args:
            reader: Of the file's format; used for nothing else.
            counts: What became of the lines before.
            position: Bytes of the content that were read.
        """
        self._reader = reader
        self._lines = Lines(reader)
        self._left = position
        self.counts = copy.deepcopy(counts)

    @property
    def fails(self) -> bool:
        """Whether more than a tenth of the lines is broken."""
        return self.counts.broken_lines > self.counts.lines * LARGEST_SHARE

    def feed(self, piece: bytes) -> Iterator[tuple[bytes, int]]:
        """See `Lines.feed`; passes over what was read before."""
        passed = min(self._left, len(piece))
        self._left -= passed
        return self._lines.feed(piece[passed:])

    def take(self, records: Iterable[tuple[bytes, int]]) -> int:
        """Look at records.

        Args:
            records: With how many lines each has.

        Returns:
            How many there were.
        """
        counts = self.counts
        taken = 0
        for record, lines in records:
            taken += 1
            number = counts.lines + 1
            counts.lines += lines
            try:
                past = read_record(self._reader, record)
            except BrokenLineError as error:
                counts.break_at(number, str(error))
            else:
                if not isinstance(past, PastEvent):
                    counts.skip(past)
        return taken
