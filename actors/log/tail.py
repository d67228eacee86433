"""The newest runs of a log, as objects in memory."""

from bisect import bisect_right
from collections import deque
from operator import attrgetter
from typing import Final

from ingest.records.run import Run

_first: Final = attrgetter("first")


class Tail:
    """Runs in order of their positions. The oldest are removed beyond the limits.

    The newest run is always kept.

    Attributes:
        records: Number of records.
        bytes: Their total size, as passed to `append`.
    """

    def __init__(self, most_records: float, most_bytes: float) -> None:
        """Start empty.

        Args:
            most_records: Maximum number of records.
            most_bytes: Maximum total size.
        """
        self.records = self.bytes = 0
        self._most_records = most_records
        self._most_bytes = most_bytes
        self._runs: deque[Run] = deque()
        self._sizes: deque[int] = deque()

    def append(self, run: Run, size: int = 0) -> None:
        """Add a run.

        Args:
            run: Starts where the last one ends, or later.
            size: Its bytes.
        """
        self._runs.append(run)
        self._sizes.append(size)
        self.records += len(run.records)
        self.bytes += size
        while (self.records > self._most_records or self.bytes > self._most_bytes) and len(
            self._runs
        ) > 1:
            self._forget_first()

    def read(self, position: int) -> Run | None:
        """The run that contains a position, from that position on; None if there is none."""
        index = bisect_right(self._runs, position, key=_first) - 1
        if index < 0 or position >= self._runs[index].end:
            return None
        return self._runs[index].starting_at(position)

    def forget(self, position: int) -> None:
        """Remove the runs that end at or before a position."""
        while self._runs and self._runs[0].end <= position:
            self._forget_first()

    @property
    def first(self) -> int | None:
        """Position of the first record; None when there is none."""
        return self._runs[0].first if self._runs else None

    def _forget_first(self) -> None:
        self.records -= len(self._runs.popleft().records)
        self.bytes -= self._sizes.popleft()
