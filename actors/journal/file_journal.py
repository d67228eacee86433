"""The journal on disk: segments of events, and a file that says how far the store has come."""

import os
import secrets
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final, Literal, Self

import structlog

from actors.files.atomic import sync_directory
from actors.journal.journal import Journal, JournalError, JournalFullError
from actors.journal.opening import first_segment, in_order, open_segments
from actors.journal.progress import Progress, ProgressFile
from actors.journal.segment import Segment
from actors.threads.serial_thread import SerialThread
from ingest.records import row_record as record
from ingest.rows.layout import EventRows, Run

log = structlog.get_logger()

SEGMENT_BYTES: Final = 16 * 1024 * 1024
"""About 35,000 events: small enough to be deleted soon, large enough to be few."""

PROGRESS: Final = "progress"
"""Name of the file that says how far the store has come."""

Fsync = Literal["always", "interval", "never"]

SHARE_OF_LIMIT: Final = 8
"""A segment is at most this part of the journal's limit, so that room comes back in steps."""


class FileJournal(Journal):
    """Segments in a directory.

    All methods but `secure` block, for as long as a write to the system's cache takes.

    Attributes:
        limit: Bytes on disk beyond which no more events are taken.
        lost: Events that were found missing between whole segments; their number.
    """

    durable: Final = True  # type: ignore[misc]

    def __init__(
        self,
        directory: Path,
        segments: list[Segment],
        progress_file: ProgressFile,
        progress: Progress,
        *,
        current: Segment | None,
        end: int,
        limit: int,
        fsync: Fsync,
    ) -> None:
        """Own open files; use `open`."""
        self._directory = directory
        self._segments = segments
        self._progress_file = progress_file
        self._number = progress.journal_id
        self._segment_bytes = min(SEGMENT_BYTES, limit // SHARE_OF_LIMIT)
        self._thread = SerialThread("journal")
        # A process that was killed may have left what is not yet on the disk.
        self._written = sum(segment.end > segment.first for segment in segments)
        self._secured = 0
        self._insecure = list(segments)
        self._current = current
        self.id = f"{progress.journal_id:016x}"
        self.limit = limit
        self.secures_runs = fsync == "always"
        self._secures = fsync != "never"
        self.end = end
        self.stored = progress.stored
        self.planned = progress.planned
        self.lost = 0
        self._refused = False
        self._sealed_bytes = 0
        self._count_sealed()

    @classmethod
    def open(cls, directory: Path, *, limit: int, fsync: Fsync = "interval") -> Self:
        """Open a journal and check it, or begin one.

        A full disk does not keep it from being opened: what is in it can be stored, and that makes
        room.

        Args:
            directory: Where its files are; made if need be.
            limit: Bytes on disk beyond which no more events are taken.
            fsync: When files are synced: for `always` before a run counts as kept, for `interval`
                when somebody calls `secure`, for `never` not at all.

        Raises:
            OSError: The files cannot be read or made.
            UnknownRecordError: A later version of the program has written them.
        """
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        progress_file, progress = ProgressFile.open(directory / PROGRESS)
        found = list(open_segments(directory))
        if progress is None:
            journal_id = found[0].journal_id if found else secrets.randbits(64)
            progress = Progress(journal_id, found[0].first if found else 0)
            if found:
                log.error("journal's progress is unknown, replaying all of it", segments=len(found))
        # Positions name batches, so none is ever used again, even if its event is lost.
        ends = [segment.end for segment in found if segment.journal_id == progress.journal_id]
        end = max([progress.stored, *progress.planned, *ends])
        segments = in_order(found, progress)
        current = first_segment(directory, progress.journal_id, end)
        if current is not None:
            segments.append(current)
        progress_file.write(progress)
        journal = cls(
            directory,
            segments,
            progress_file,
            progress,
            current=current,
            end=end,
            limit=limit,
            fsync=fsync,
        )
        journal._count_lost()
        return journal

    def append(self, run: Sequence[EventRows]) -> int:
        """See `Journal.append`."""
        data = record.encode(run)
        if self.bytes + len(data) > self.limit:
            self._refused = True
            raise JournalFullError(f"the journal has {self.bytes} bytes, its limit is {self.limit}")
        try:
            segment = self._current
            if segment is None or segment.size >= self._segment_bytes:
                segment = self._begin_segment()
            segment.append(data, len(run))
        except OSError as error:
            self.problem = f"{error.strerror or error}"
            raise JournalError(self.problem) from None
        self.problem = None
        self._written += 1
        first, self.end = self.end, segment.end
        return first

    def read(self, position: int) -> Run:
        """See `Journal.read`."""
        for segment in self._segments:
            if max(position, segment.first) < segment.end:
                try:
                    frame = segment.read(max(position, segment.first))
                    return Run(frame.first, record.decode(frame.record))
                except OSError as error:
                    raise JournalError(f"{error.strerror or error}") from None
                except ValueError as error:
                    # What follows in the file cannot be trusted either.
                    log.critical("journal is damaged, events are lost", error=str(error))
                    self.lost += segment.end - max(position, segment.first)
                    position = segment.end
        return Run(self.end, ())

    def _note_progress(self, stored: int, planned: tuple[int, ...]) -> None:
        planning = len(planned) > len(self.planned)
        try:
            self._progress_file.write(Progress(self._number, stored, planned))
        except OSError as error:
            self.problem = f"{error.strerror or error}"
            if planning:
                raise JournalError(self.problem) from None
            # Not noted is not forgotten: the next note says it, or the store is asked again.
            log.error("journal's progress is not noted", error=self.problem)
        self.stored, self.planned = stored, planned
        self._written += 1

    @property
    def insecure(self) -> bool:
        """Whether there is anything that a loss of power would take."""
        return self._secures and self._secured < self._written

    async def secure(self) -> None:
        """See `Journal.secure`."""
        if not self.insecure:
            await super().secure()
            return
        written, segments = self._written, list(self._insecure)
        owners: list[Segment | ProgressFile] = [*segments, self._progress_file]
        try:
            # Copies, since a segment may be deleted meanwhile.
            descriptors = _copies([owner.descriptor for owner in owners])
            await self._thread.call(partial(_sync, self._directory, descriptors))
        except OSError as error:
            self.problem = f"{error.strerror or error}"
            raise JournalError(self.problem) from None
        self._secured = max(self._secured, written)
        self._insecure = [
            segment
            for segment in self._insecure
            if segment is self._current or segment not in segments
        ]

    def retire(self, position: int) -> None:
        """Delete the segments that nobody needs any more.

        Args:
            position: Where the kept state of the visits stands: what lies before it is only needed
                for rows, and that until they are stored.
        """
        done = min(position, self.stored)
        last = self._current
        if last is not None and last.first < last.end <= done:
            try:
                self._begin_segment()
            except OSError as error:
                # The next run begins one, in the room that the last makes.
                log.warning("journal cannot begin a new segment", error=str(error))
                self._current = None
        while self._segments and self._segments[0].end <= done:
            if self._segments[0] is self._current:
                break
            segment = self._segments.pop(0)
            self._insecure = [kept for kept in self._insecure if kept is not segment]
            segment.delete()
            self._refused = False
        self._count_sealed()

    def _count_sealed(self) -> None:
        """Add up the segments that do not grow: their sum is asked for with each request."""
        self._sealed_bytes = sum(segment.size for segment in self._segments[:-1])

    def _begin_segment(self) -> Segment:
        segment = Segment.create(self._directory, self._number, self.end)
        self._segments.append(segment)
        self._count_sealed()
        self._insecure.append(segment)
        self._written += 1
        self._current = segment
        return segment

    def _count_lost(self) -> None:
        known = self.stored
        for segment in self._segments:
            if segment.first > known:
                self.lost += segment.first - known
                log.critical("journal misses events", events=segment.first - known)
            known = max(known, segment.end)

    @property
    def segments(self) -> int:
        """Number of files."""
        return len(self._segments)

    @property
    def first(self) -> int:
        """The position of the first event on disk."""
        return self._segments[0].first if self._segments else self.end

    @property
    def bytes(self) -> int:
        """Bytes of all segments."""
        return self._sealed_bytes + (self._segments[-1].size if self._segments else 0)

    @property
    def reclaimable(self) -> bool:
        """Whether the store has all events of the oldest segment."""
        if not self._segments:
            return False
        oldest = self._segments[0]
        return oldest.first < oldest.end <= self.stored

    @property
    def full(self) -> bool:
        """Whether a run had no room, and there has been none since."""
        return self._refused or self.bytes >= self.limit

    def remove(self) -> None:
        """Close and delete everything, once nothing of it is needed."""
        for segment in self._segments:
            segment.delete()
        self.close()
        (self._directory / PROGRESS).unlink()

    def close(self) -> None:
        """Close the files; a segment without events is deleted, unless it is the only one."""
        for segment in self._segments:
            if segment.first == segment.end and len(self._segments) > 1:
                segment.delete()
            else:
                segment.close()
        self._progress_file.close()
        self._thread.close()


def _copies(descriptors: Sequence[int]) -> list[int]:
    """Descriptors of the same files; all of them, or none is left open.

    Raises:
        OSError: The process has too many files open.
    """
    copies: list[int] = []
    try:
        for descriptor in descriptors:
            copies.append(os.dup(descriptor))  # noqa: PERF401 - those before a failure are closed
    except OSError:
        for copy in copies:
            os.close(copy)
        raise
    return copies


def _sync(directory: Path, descriptors: Sequence[int]) -> None:
    """Have files and directory on the disk; closes the descriptors."""
    try:
        for descriptor in descriptors:
            os.fdatasync(descriptor)
        sync_directory(directory)
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
