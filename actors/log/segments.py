"""The segments of a log, in order of their positions; the last one may be written to."""

import bisect
from operator import attrgetter
from pathlib import Path
from typing import Final

import structlog

from actors.log.disk import Written
from actors.log.log import LogPoint
from actors.log.segment import Segment
from ingest.records.run import Run

log = structlog.get_logger()

SEGMENT_BYTES: Final = 16 * 1024 * 1024
"""Small enough to be deleted soon, large enough to be few."""

SHARE_OF_LIMIT: Final = 8
"""A segment is at most this part of the log's limit, so that room comes back in steps."""

_end_position: Final = attrgetter("end.position")


class Segments:
    """Files of one directory. All calls block, for as long as the system's cache takes.

    Attributes:
        current: The one that is written to; None while there is none.
        created: How many were made by this process.
        end: Behind everything that was written, also if it can no longer be read.
    """

    def __init__(
        self, directory: Path, log_id: int, found: list[Segment], end: LogPoint, limit_bytes: int
    ) -> None:
        """Own the segments that were found.

        Args:
            directory: Where they are.
            log_id: The log's.
            found: Ascending.
            end: Where the next record goes.
            limit_bytes: How much the log may have.
        """
        self._segment_bytes = min(SEGMENT_BYTES, limit_bytes // SHARE_OF_LIMIT)
        self.current: Segment | None = None
        self.created = 0
        self.end = end
        self._directory = directory
        self._log_id = log_id
        self._all = found
        self._sealed_bytes = 0
        self._count_sealed()

    @property
    def due(self) -> bool:
        """Whether a new one is to be begun before the next run."""
        return self.current is None or self.current.size >= self._segment_bytes

    def begin(self, run: Run, data: bytes) -> None:
        """Begin a segment.

        Args:
            run: Its first.
            data: The run as bytes.

        Raises:
            OSError: It cannot be made.
        """
        segment = Segment.create(self._directory, self._log_id, run, data)
        self._all.append(segment)
        self._count_sealed()
        self.current = segment
        self.created += 1
        self.end = segment.end

    def append(self, run: Run, data: bytes) -> None:
        """Write a run to the current segment; there is one.

        Args:
            run: Begins at the end.
            data: The run as bytes.

        Raises:
            OSError: It is not written.
        """
        end = LogPoint(run.end, run.number + run.events)
        assert self.current is not None  # noqa: S101 - see `due`
        self.current.append(data, len(run.records), end, run.log_time)
        self.end = end

    def holding(self, position: int) -> list[Segment]:
        """The segments that end behind a position."""
        return self._all[bisect.bisect_right(self._all, position, key=_end_position) :]

    def unsynced(self) -> list[Written]:
        """What has been written and may not be on the disk."""
        return [Written(each, each.size) for each in self._all if each.synced < each.size]

    def current_is_done(self, position: int) -> bool:
        """Whether the current one ends before a position and has more than its description."""
        current = self.current
        return current is not None and current.end.position <= position and current.used

    def retire(self, position: int) -> bool:
        """Delete segments that end at a position or before it, but not the current one.

        Returns:
            Whether there was one.
        """
        retired = False
        while self._all and self._all[0].end.position <= position:
            if self._all[0] is self.current:
                break
            segment = self._all.pop(0)
            retired = True
            try:
                segment.delete()
            except OSError as error:
                log.error("segment cannot be deleted", path=str(segment.path), error=str(error))
        self._count_sealed()
        return retired

    def close(self) -> None:
        """Close the files."""
        for segment in self._all:
            segment.close()

    def __len__(self) -> int:
        """How many there are."""
        return len(self._all)

    def __getitem__(self, index: int) -> Segment:
        """The segment at an index."""
        return self._all[index]

    @property
    def files(self) -> tuple[Segment, ...]:
        """All of them."""
        return tuple(self._all)

    @property
    def bytes(self) -> int:
        """Bytes of all together."""
        return self._sealed_bytes + (self._all[-1].size if self._all else 0)

    def _count_sealed(self) -> None:
        """Add up those that do not grow: their sum is asked for with each append."""
        self._sealed_bytes = sum(segment.size for segment in self._all[:-1])
