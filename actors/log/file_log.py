"""The log on disk: segments of records, and a note with the prepared and committed positions."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Literal, Self

import structlog
import trio

from actors.files.atomic import is_full
from actors.log.disk import Disk
from actors.log.log import (
    TAIL_BYTES,
    TAIL_RECORDS,
    LogBrokenError,
    LogError,
    LogPoint,
    WritableLog,
)
from actors.log.note import NOTE
from actors.log.opening import Opening, open_directory
from actors.log.reader import SegmentReader
from actors.log.segment_writer import SegmentWriter
from actors.log.segments import Segments
from actors.log.syncer import Syncer
from actors.log.tail import Tail
from actors.log.unseen import Unseen
from ingest.records.record import Description, Record
from ingest.records.run import Run

log = structlog.get_logger()

Fsync = Literal["always", "interval", "never"]


class FileLog(WritableLog):
    """Segments in a directory.

    Writes and reads use the page cache, on the event loop. Syncs run in a thread.
    """

    durable: Final = True  # type: ignore[misc]

    def __init__(
        self,
        directory: Path,
        found: Opening,
        segments: Segments,
        disk: Disk,
        *,
        description: Description,
        limit_bytes: int,
        fsync: Fsync,
        log_time: int,
    ) -> None:
        """Own open files; use `open`."""
        self.id = f"{found.note.log_id:016x}"
        self.source_id = found.note.source_id
        self.end = found.end
        self.committed = found.note.committed
        self.prepared = found.note.prepared
        self.lost = found.lost
        self._directory = directory
        self._always = fsync == "always"
        self._segments = segments
        self._unseen = Unseen()
        self._writer = SegmentWriter(
            segments,
            self._unseen,
            self.source_id,
            description,
            limit_bytes=limit_bytes,
            log_time=log_time,
        )
        self._syncer = Syncer(disk, segments, found.note)
        self._reader = SegmentReader(segments, disk)
        self._tail = Tail(TAIL_RECORDS, TAIL_BYTES)
        self._waiting = trio.lowlevel.ParkingLot()
        self._sealed = self._closed = False
        self._find_first()

    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        description: Description,
        limit_bytes: int,
        fsync: Fsync,
        log_time: int,
        start: LogPoint | None = None,
    ) -> Self:
        """Open and check a log, or create one.

        A log can be opened on a full disk, so that its records can be stored, which makes room.

        Args:
            directory: Where its files are; created if needed.
            description: Applies to the records that are appended from now on.
            limit_bytes: Size on disk beyond which records are refused.
            fsync: When records are synced: `always` before `append` returns, `interval` in calls of
                `sync`, `never` not at all.
            log_time: Now, in Unix seconds.
            start: Where a new log starts if the directory has an old journal. The old segments are
                kept, and the new log takes over the journal's id.

        Raises:
            OSError: The files cannot be read or made.
            UnknownRecordError: A later version of the program has written them.
        """
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = open_directory(directory, start)
        try:
            disk = Disk.open(directory, found.note, syncing=fsync != "never")
        except OSError:
            for segment in found.segments:
                segment.close()
            raise
        segments = Segments(directory, found.note.log_id, found.segments, found.end, limit_bytes)
        opened = cls(
            directory,
            found,
            segments,
            disk,
            description=description,
            limit_bytes=limit_bytes,
            fsync=fsync,
            log_time=log_time,
        )
        try:
            opened._writer.begin_segment()
        except OSError as error:
            if not is_full(error):
                segments.close()
                disk.close()
                raise
            log.error("log has no room yet, events are refused", error=error.strerror)
        opened._show()
        return opened

    async def append(self, records: Sequence[Record], log_time: int) -> int:
        """See `Log.append`."""
        await trio.lowlevel.checkpoint_if_cancelled()
        if self.broken is not None:
            raise LogBrokenError(self.broken)
        if self._sealed:
            raise LogError("the log is sealed")
        try:
            appended = self._writer.write(tuple(records), log_time)
        finally:
            self._find_problem()
        try:
            if self._always:
                await self._wait_synced(appended.end)
        finally:
            appended.returned = True
            self._show()
        return appended.run.first

    async def _wait_synced(self, end: LogPoint) -> None:
        with self._trouble():
            await self._syncer.wait(end)

    def _show(self) -> None:
        """Show readers the runs whose `append` has returned, in order."""
        for appended in self._unseen.take(self._syncer.synced if self._always else None):
            self._tail.append(appended.run, appended.size)
            self.end = appended.end
        self._find_first()
        if self._waiting:
            self._waiting.unpark_all()

    async def read(self, position: int) -> Run | None:
        """See `Log.read`."""
        if self._sealed or position < self.end.position:
            await trio.lowlevel.checkpoint()  # otherwise it parks, which is one
        while True:
            position = max(position, self.first)
            if position < self.end.position:
                run = self._tail.read(position) or await self._read_segments(position)
                if run is not None and run.first < self.end.position:
                    return run.starting_at(position)
                # None of the records that an earlier process left there can be read.
                position = self.end.position
            elif self._sealed:
                return None
            else:
                await self._waiting.park()

    async def _read_segments(self, position: int) -> Run | None:
        lost = self._reader.lost
        try:
            return await self._reader.read(position, self.committed)
        finally:
            self.lost += self._reader.lost - lost
            self._find_first()

    async def prepare(self, end: LogPoint, committed: LogPoint) -> None:
        """See `Log.prepare`."""
        self.committed = committed
        await self._note(end)
        self.prepared = end

    async def commit(self, committed: LogPoint) -> None:
        """See `Log.commit`."""
        self.committed, self.prepared = committed, None
        await self._note(None)

    async def _note(self, prepared: LogPoint | None) -> None:
        """Write and sync records and progress; only in memory if the log is broken."""
        await trio.lowlevel.checkpoint()
        with suppress(LogBrokenError), self._trouble():
            await self._syncer.note(self.committed, prepared)

    async def sync(self) -> None:
        """See `Log.sync`."""
        with self._trouble():
            await self._syncer.sync()

    @contextmanager
    def _trouble(self) -> Iterator[None]:
        """Update `problem` and `broken` after a sync."""
        try:
            yield
        finally:
            if self.broken is None and self._syncer.broken is not None:
                self.broken = self._syncer.broken
                self._unseen.drop(self._syncer.synced)
            self._find_problem()
            self._show()

    def _find_problem(self) -> None:
        self.problem = self.broken or self._syncer.problem or self._writer.problem

    def retire(self, position: int) -> None:
        """See `Log.retire`: whole segments are deleted."""
        if self.broken is not None:
            return
        self._writer.retire(min(position, self.committed.position))
        self._show()

    def _find_first(self) -> None:
        segments = self._segments
        self.first = segments[0].first.position if segments else self.end.position

    def seal(self) -> None:
        """See `Log.seal`."""
        self._sealed = True
        self._waiting.unpark_all()

    def close(self) -> None:
        """See `Log.close`."""
        if not self._closed:
            self._closed = True
            self._syncer.close(clean=self.problem is None)
            self._segments.close()

    def remove(self) -> None:
        """Close and delete the files once the store has all records; damaged files stay.

        The note is deleted last: without it a later process would store the segments' records
        again.

        Raises:
            OSError: A file cannot be deleted.
        """
        self.close()
        for segment in self._segments.files:
            segment.delete()
        (self._directory / NOTE).unlink(missing_ok=True)
        with suppress(OSError):
            self._directory.rmdir()

    @property
    def full(self) -> bool:
        """Whether the last run was refused for lack of room."""
        return self._writer.full

    @property
    def wants_room(self) -> bool:
        """See `Log.wants_room`: more than half of the limit is used."""
        return self.bytes * 2 > self.limit_bytes

    @property
    def bytes(self) -> int:
        """Bytes of all segments."""
        return self._segments.bytes

    @property
    def limit_bytes(self) -> int:
        """Size on disk beyond which records are refused."""
        return self._writer.limit_bytes

    @property
    def reclaimable(self) -> bool:
        """Whether the store has all events of the oldest segment."""
        return bool(self._segments) and self._segments[0].end <= self.committed

    def status(self) -> dict[str, object]:
        """See `Log.status`."""
        down = self.full or self.broken is not None
        reason = self.broken or self.problem
        return {
            "status": "down" if down else "degraded" if reason or self.lost else "ok",
            "durability": "journal",
            "full": self.full,
            "backlog_events": self.backlog,
            "bytes": self.bytes,
            "limit_bytes": self.limit_bytes,
            "segments": len(self._segments),
            "events_lost": self.lost,
            **({} if reason is None else {"reason": reason}),
        }

    def figures(self) -> dict[str, float]:
        """See `Log.figures`."""
        return {
            "sluice_journal_backlog_events": self.backlog,
            "sluice_journal_bytes": self.bytes,
            "sluice_journal_events_lost": self.lost,
        }
