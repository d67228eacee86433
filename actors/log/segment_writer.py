"""Writes runs to a log's segments, as long as there is room."""

from typing import NoReturn

import structlog

from actors.log.log import LogError, LogFullError
from actors.log.segments import Segments
from actors.log.unseen import Appended, Unseen
from ingest.records.record import Description, Record
from ingest.records.run import Run, encode_run

log = structlog.get_logger()


class SegmentWriter:
    """Writes to the system's cache.

    Attributes:
        limit_bytes: Bytes of all segments beyond which nothing more is written.
        problem: Why the last write failed; None when it did not.
    """

    def __init__(
        self,
        segments: Segments,
        unseen: Unseen,
        source_id: int,
        description: Description,
        *,
        limit_bytes: int,
        log_time: int,
    ) -> None:
        """Write nothing yet.

        Args:
            segments: The log's.
            unseen: Gets what is written.
            source_id: Goes into every run.
            description: Begins every segment.
            limit_bytes: How much the log may have.
            log_time: Now, in Unix seconds.
        """
        self.limit_bytes = limit_bytes
        self.problem: str | None = None
        self._segments = segments
        self._unseen = unseen
        self._source_id = source_id
        self._description = description
        self._log_time = log_time
        self._refused = False

    def write(self, records: tuple[Record, ...], log_time: int) -> Appended:
        """Write a run behind the others.

        Raises:
            LogError: It is not written. What was written of it will be overwritten.
        """
        size = self._segments.bytes
        if size >= self.limit_bytes:
            self._refuse(size)
        self._log_time = log_time
        try:
            if self._segments.due:
                self.begin_segment()
            run = Run(self._source_id, *self._segments.end, log_time, records)
            data = encode_run(run)
            if size + len(data) > self.limit_bytes:
                self._refuse(size)
            self._segments.append(run, data)
        except OSError as error:
            self.problem = f"{error.strerror or error}"
            raise LogError(self.problem) from None
        self.problem = None
        appended = Appended(run, self._segments.end, len(data))
        self._unseen.add(appended)
        return appended

    def begin_segment(self) -> None:
        """Begin a segment with the log's description.

        Raises:
            OSError: It cannot be made.
        """
        run = Run(self._source_id, *self._segments.end, self._log_time, (self._description,))
        data = encode_run(run)
        self._segments.begin(run, data)
        # Nobody was told of it, so nobody waits for its sync.
        self._unseen.add(Appended(run, self._segments.end, len(data), told=False, returned=True))

    def retire(self, position: int) -> None:
        """Delete segments that end at a position or before it, which makes room.

        The one that is written to, too, unless it has only a description.
        """
        if self._segments.current_is_done(position):
            try:
                self.begin_segment()
            except OSError as error:
                # The next run begins one, in the room that the last makes.
                log.warning("log cannot begin a new segment", error=str(error))
                self._segments.current = None
        if self._segments.retire(position):
            self._refused = False

    @property
    def full(self) -> bool:
        """Whether a run had no room, and there has been none since."""
        return self._refused or self._segments.bytes >= self.limit_bytes

    def _refuse(self, size: int) -> NoReturn:
        self._refused = True
        raise LogFullError(f"the log has {size} bytes, its limit is {self.limit_bytes}")
