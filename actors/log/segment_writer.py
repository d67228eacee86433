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
    """Writes to the page cache.

    Attributes:
        limit_bytes: Total size of all segments beyond which writes are refused.
        problem: Why the last write failed; None if it did not.
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
        """Create a writer; writes nothing yet.

        Args:
            segments: The log's.
            unseen: Receives the written runs.
            source_id: Written into every run.
            description: First record of every segment.
            limit_bytes: The log's limit.
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
        """Write a run after the others.

        Raises:
            LogError: It is not written. A partial write will be overwritten.
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
        """Start a segment with the log's description.

        Raises:
            OSError: It cannot be made.
        """
        run = Run(self._source_id, *self._segments.end, self._log_time, (self._description,))
        data = encode_run(run)
        self._segments.begin(run, data)
        # No append returned it, so nothing waits for its sync.
        self._unseen.add(Appended(run, self._segments.end, len(data), told=False, returned=True))

    def retire(self, position: int) -> None:
        """Delete segments that end at or before a position.

        Includes the current segment, unless it has only a description.
        """
        if self._segments.current_is_done(position):
            try:
                self.begin_segment()
            except OSError as error:
                # The next run starts a new one, in the space that this frees.
                log.warning("log cannot begin a new segment", error=str(error))
                self._segments.current = None
        if self._segments.retire(position):
            self._refused = False

    @property
    def full(self) -> bool:
        """Whether the last run was refused for lack of room."""
        return self._refused or self._segments.bytes >= self.limit_bytes

    def _refuse(self, size: int) -> NoReturn:
        self._refused = True
        raise LogFullError(f"the log has {size} bytes, its limit is {self.limit_bytes}")
