"""Checks that a file's lines can be read, before anything is stored."""

import copy
from collections.abc import Iterable, Iterator
from typing import Final

from ingest.past.import_counts import ImportCounts
from ingest.past.lines import Lines
from ingest.past.past_event import BrokenLineError, PastEvent, Reader, read_record

LARGEST_SHARE: Final = 0.1
"""Maximum share of broken lines. A larger share means that the format is wrong or has changed."""


class LineCheck:
    """Reads all lines before an import, and counts the broken ones.

    Attributes:
        counts: Counts of all lines, including those of earlier runs.
    """

    def __init__(self, reader: Reader, counts: ImportCounts, position: int) -> None:
        """Start where an earlier run has stopped.

        Args:
            reader: Reader of the file's format, used only for this check.
            counts: Counts of earlier runs.
            position: Number of bytes that earlier runs have read.
        """
        self._reader = reader
        self._lines = Lines(reader)
        self._left = position
        self.counts = copy.deepcopy(counts)

    @property
    def fails(self) -> bool:
        """Whether more than a tenth of the lines are broken."""
        return self.counts.broken_lines > self.counts.lines * LARGEST_SHARE

    def feed(self, piece: bytes) -> Iterator[tuple[bytes, int]]:
        """See `Lines.feed`. Skips the content that earlier runs have read."""
        passed = min(self._left, len(piece))
        self._left -= passed
        return self._lines.feed(piece[passed:])

    def take(self, records: Iterable[tuple[bytes, int]]) -> int:
        """Check records.

        Args:
            records: The records, each with its number of lines.

        Returns:
            The number of records.
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
