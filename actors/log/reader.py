"""Reads a log's segments, and finds missing records if a segment was damaged after opening."""

import structlog

from actors.log.disk import Disk, UntrustedDiskError
from actors.log.log import LogError, LogPoint
from actors.log.losses import count_readable, find_gaps
from actors.log.opening import keep_aside, tell_loss
from actors.log.segment import DamagedFrameError, Segment
from actors.log.segments import Segments
from ingest.records.run import Run, UnknownRecordError

log = structlog.get_logger()


class SegmentReader:
    """Reads one frame at a time.

    Attributes:
        lost: Number of uncommitted events found missing since the log was opened.
    """

    def __init__(self, segments: Segments, disk: Disk) -> None:
        """Create a reader of segments.

        Args:
            segments: The log's.
            disk: Reads whole segments in its thread.
        """
        self.lost = 0
        self._segments = segments
        self._disk = disk

    async def read(self, position: int, committed: LogPoint) -> Run | None:
        """The run that contains a position, or the next one; None if there is none.

        Args:
            position: Where to read.
            committed: The store has all records before it, so they are not lost.

        Raises:
            LogError: It cannot be read now.
        """
        for segment in self._segments.holding(position):
            try:
                run = segment.read(position)
            except (DamagedFrameError, OSError) as error:
                log.critical("log cannot be read", position=position, error=str(error))
                await self._find_readable(segment, position, committed)
                try:
                    run = segment.read(position)
                except (DamagedFrameError, OSError) as again:
                    raise LogError(f"position {position} cannot be read: {again}") from None
            if run is not None:
                return run
        return None

    async def _find_readable(self, segment: Segment, position: int, committed: LogPoint) -> None:
        size, end, before = segment.size, segment.end, segment.stretches
        try:
            found = await self._disk.scan(segment, size)
        except (OSError, UnknownRecordError, UntrustedDiskError) as error:
            raise LogError(f"{segment.path.name} cannot be read: {error}") from None
        readable = count_readable(before, committed)
        segment.replace(found, size, end)
        self.lost += readable - count_readable(segment.stretches, committed)
        for gap in find_gaps(segment.stretches, before[0].first, end):
            if gap.end.position > position:
                tell_loss(gap, committed)
        keep_aside(segment)
