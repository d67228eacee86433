"""The segments of a log, in order of their positions; only the last one is written to."""

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
"""A segment is at most this fraction of the log's limit, so that space is freed in steps."""

_end_position: Final = attrgetter("end.position")


class Segments:
    """Files of one directory. All calls block briefly, on the page cache.

    Attributes:
        current: The segment being written; None if there is none.
        created: Number of segments that this process has created.
        end: After all written records, including unreadable ones.
    """

    def __init__(
        self, directory: Path, log_id: int, found: list[Segment], end: LogPoint, limit_bytes: int
    ) -> None:
        """Own existing segments.

        Args:
            directory: Where they are.
            log_id: The log's.
            found: Ascending.
            end: Where the next record goes.
            limit_bytes: The log's limit.
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
        """Whether the next run needs a new segment."""
        return self.current is None or self.current.size >= self._segment_bytes

    def begin(self, run: Run, data: bytes) -> None:
        """Start a segment.

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
        """Write a run to the current segment, which must exist.

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
        """The segments that end after a position."""
        return self._all[bisect.bisect_right(self._all, position, key=_end_position) :]

    def unsynced(self) -> list[Written]:
        """The parts of segments that are written but not synced."""
        return [Written(each, each.size) for each in self._all if each.synced < each.size]

    def current_is_done(self, position: int) -> bool:
        """Whether the current segment ends before a position and has more than its description."""
        current = self.current
        return current is not None and current.end.position <= position and current.used

    def retire(self, position: int) -> bool:
        """Delete segments that end at or before a position, except the current one.

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
        """Number of segments."""
        return len(self._all)

    def __getitem__(self, index: int) -> Segment:
        """The segment at an index."""
        return self._all[index]

    @property
    def files(self) -> tuple[Segment, ...]:
        """All segments."""
        return tuple(self._all)

    @property
    def bytes(self) -> int:
        """Total size in bytes."""
        return self._sealed_bytes + (self._all[-1].size if self._all else 0)

    def _count_sealed(self) -> None:
        """Cache the total size of the segments that no longer grow; each append needs it."""
        self._sealed_bytes = sum(segment.size for segment in self._all[:-1])
