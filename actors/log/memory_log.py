"""The log of a process that keeps nothing on disk (`SLUICE_DURABILITY=memory`)."""

import math
import secrets
from collections.abc import Sequence
from typing import Final

import trio

from actors.log.log import LogError, LogFullError, LogPoint, WritableLog
from actors.log.tail import Tail
from ingest.records.record import Description, Record
from ingest.records.run import Run


class MemoryLog(WritableLog):
    """Keeps records until they are committed."""

    durable: Final = False  # type: ignore[misc]

    def __init__(self, description: Description, *, limit_events: int, log_time: int) -> None:
        """Start with a description.

        Args:
            description: Applies to all records.
            limit_events: Backlog beyond which records are refused.
            log_time: Now, in Unix seconds.
        """
        self.id = secrets.token_hex(8)
        self.source_id = secrets.randbits(64)
        self.limit_events = limit_events
        self.first = 0
        self.end = self.committed = LogPoint(0, 0)
        self._runs = Tail(math.inf, math.inf)
        self._readers = trio.lowlevel.ParkingLot()
        self._refused = self._sealed = False
        self._keep(Run(self.source_id, 0, 0, log_time, (description,)))

    async def append(self, records: Sequence[Record], log_time: int) -> int:
        """See `Log.append`."""
        await trio.lowlevel.checkpoint_if_cancelled()
        if self._sealed:
            raise LogError("the log is sealed")
        run = Run(self.source_id, self.end.position, self.end.number, log_time, tuple(records))
        if self.backlog + run.events > self.limit_events:
            self._refused = True
            raise LogFullError(
                f"{self.backlog} events wait for the store, the limit is {self.limit_events}"
            )
        self._keep(run)
        return run.first

    def _keep(self, run: Run) -> None:
        self._runs.append(run)
        self.end = LogPoint(run.end, run.number + run.events)
        self._readers.unpark_all()

    async def read(self, position: int) -> Run | None:
        """See `Log.read`."""
        if self._sealed or position < self.end.position:
            await trio.lowlevel.checkpoint()  # otherwise it parks, which is one
        while (position := max(position, self.first)) >= self.end.position:
            if self._sealed:
                return None
            await self._readers.park()
        return self._runs.read(position)

    async def prepare(self, end: LogPoint, committed: LogPoint) -> None:
        """See `Log.prepare`."""
        await trio.lowlevel.checkpoint()
        self._note(committed, end)

    async def commit(self, committed: LogPoint) -> None:
        """See `Log.commit`."""
        await trio.lowlevel.checkpoint()
        self._note(committed, None)

    def _note(self, committed: LogPoint, prepared: LogPoint | None) -> None:
        self.committed, self.prepared = committed, prepared
        self._runs.forget(committed.position)
        first = self._runs.first
        self.first = self.end.position if first is None else first
        self._refused = False

    async def sync(self) -> None:
        """See `Log.sync`."""
        await trio.lowlevel.checkpoint()

    def retire(self, position: int) -> None:
        """Do nothing: committed records are already released."""

    def seal(self) -> None:
        """See `Log.seal`."""
        self._sealed = True
        self._readers.unpark_all()

    def close(self) -> None:
        """See `Log.close`."""

    @property
    def full(self) -> bool:
        """Whether the last run was refused for lack of room."""
        return self._refused or self.backlog >= self.limit_events

    def status(self) -> dict[str, object]:
        """See `Log.status`."""
        return {
            "status": "down" if self.full else "degraded" if self.lost else "ok",
            "durability": "memory",
            "full": self.full,
            "backlog_events": self.backlog,
            "events_lost": self.lost,
        }

    def figures(self) -> dict[str, float]:
        """See `Log.figures`."""
        return {
            "sluice_journal_backlog_events": self.backlog,
            "sluice_journal_bytes": 0,
            "sluice_journal_events_lost": self.lost,
        }
