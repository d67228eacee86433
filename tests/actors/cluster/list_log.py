"""A log whose runs and note outlive the process that uses it."""

from collections.abc import Sequence

import trio

from actors.log.log import LogError, LogPoint, WritableLog
from ingest.records.record import Record
from ingest.records.run import Run


class ListLog(WritableLog):
    """Keeps all runs, and what was noted and released."""

    durable = True

    def __init__(self, source_id: int = 7) -> None:
        self.id = "log"
        self.source_id = source_id
        self.first = 0
        self.end = self.committed = LogPoint(0, 0)
        self.runs: list[Run] = []
        self.notes: list[LogPoint] = []
        self.syncs = 0
        self.retired = 0
        self.reads_fail = False
        self._sealed = False
        self._readers = trio.lowlevel.ParkingLot()

    def reopened(self, source_id: int) -> "ListLog":
        """As the next process finds it after a crash."""
        log = ListLog(source_id)
        log.runs, log.end, log.committed = self.runs, self.end, self.committed
        return log

    async def append(self, records: Sequence[Record], log_time: int) -> int:
        run = Run(self.source_id, *self.end, log_time, tuple(records))
        self.runs.append(run)
        self.end = run.end_point
        self._readers.unpark_all()
        await trio.lowlevel.checkpoint()
        return run.first

    async def read(self, position: int) -> Run | None:
        await trio.lowlevel.checkpoint()
        while position >= self.end.position:
            if self._sealed:
                return None
            await self._readers.park()
        if self.reads_fail:
            raise LogError("no answer")
        return next(run for run in self.runs if run.end > position).starting_at(position)

    async def prepare(self, end: LogPoint, committed: LogPoint) -> None:
        raise NotImplementedError

    async def commit(self, committed: LogPoint) -> None:
        await trio.lowlevel.checkpoint()
        self.committed = committed
        self.notes.append(committed)

    async def sync(self) -> None:
        await trio.lowlevel.checkpoint()
        self.syncs += 1

    def retire(self, position: int) -> None:
        self.retired = position

    def seal(self) -> None:
        self._sealed = True
        self._readers.unpark_all()

    def close(self) -> None:
        raise NotImplementedError

    @property
    def full(self) -> bool:
        return False

    def status(self) -> dict[str, object]:
        return {}

    def figures(self) -> dict[str, float]:
        return {}
