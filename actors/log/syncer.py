"""Schedules a log's syncs and the writes of its note."""

from dataclasses import replace

import structlog
import trio

from actors.log.disk import Disk, NotNotedError, Request, UntrustedDiskError
from actors.log.log import LogBrokenError, LogError, LogPoint
from actors.log.note import Note
from actors.log.segments import Segments

log = structlog.get_logger()


class Syncer:
    """Syncs written records. After a failure it never syncs again.

    The system may drop a page that it failed to write, so a second sync would succeed without
    having written it.

    Attributes:
        synced: All records before it are synced, as far as the setting requires.
        problem: Why the last write of the note failed; None if it did not.
        broken: Why syncs have stopped; None if they have not.
    """

    def __init__(self, disk: Disk, segments: Segments, note: Note) -> None:
        """Own the disk.

        Args:
            disk: Syncs in a thread.
            segments: The log's segments.
            note: The current note.
        """
        self.synced = segments.end
        self.problem: str | None = None
        self.broken: str | None = None
        self._disk = disk
        self._segments = segments
        self._note = note
        self._names_synced = 0
        self._round: trio.Event | None = None

    async def wait(self, end: LogPoint) -> None:
        """Wait until all records before a point are synced. Concurrent callers share a sync.

        Raises:
            LogBrokenError: It failed.
        """
        while self.synced < end:
            if self._round is not None:
                await self._round.wait()
                continue
            self._round = trio.Event()
            try:
                await self._sync(every_name=False, durable=False)
            finally:
                self._round.set()
                self._round = None

    async def sync(self) -> None:
        """Sync all written records, and check that the files still exist.

        Raises:
            LogBrokenError: It failed.
        """
        await self._sync(every_name=True, durable=False)

    async def note(self, committed: LogPoint, prepared: LogPoint | None) -> None:
        """As `sync`; then write and sync the note, too.

        Raises:
            LogBrokenError: As above.
            LogError: Only the note was not written. The next sync retries it.
        """
        self._note = replace(self._note, committed=committed, prepared=prepared)
        await self._sync(every_name=True, durable=True)
        if self.problem is not None:
            raise LogError(self.problem)

    async def _sync(self, *, every_name: bool, durable: bool) -> None:
        if self.broken is not None:
            raise LogBrokenError(self.broken)
        end, created = self._segments.end, self._segments.created
        self._note = replace(self._note, synced=end)
        try:
            await self._disk.sync(self._request(every_name=every_name, durable=durable))
        except UntrustedDiskError as error:
            if self.broken is None:
                log.critical("log is broken, it takes no more events", error=str(error))
                self.broken = str(error)
            raise LogBrokenError(self.broken) from None
        except NotNotedError as error:
            log.error("log's progress is not noted", error=str(error))
            self.problem = str(error)
        else:
            self.problem = None
        self._names_synced = max(self._names_synced, created)
        self.synced = max(self.synced, end)

    def _request(self, *, every_name: bool, durable: bool) -> Request:
        unsynced = self._segments.unsynced()
        return Request(
            unsynced,
            self._note,
            names=self._names_synced < self._segments.created,
            linked=self._segments.files if every_name else [each.segment for each in unsynced],
            durable=durable,
        )

    def close(self, *, clean: bool) -> None:
        """Sync the remaining records in this thread, and close the disk.

        Args:
            clean: Whether there was no failure.
        """
        self._note = replace(self._note, synced=self._segments.end, clean=clean)
        try:
            if self.broken is None:
                self._disk.sync_now(self._request(every_name=False, durable=False))
            else:
                # The next process is not to store again what the store has taken since.
                self._disk.note_unsynced(replace(self._note, synced=self.synced, clean=False))
        except (UntrustedDiskError, NotNotedError) as error:
            log.error("log is not closed cleanly", error=str(error))
        self._disk.close()
