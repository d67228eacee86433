"""Groups rows into batches by size or time, and sends each to the writer once."""

import math
from collections.abc import Awaitable, Callable

import structlog
import trio

from actors.log.log import Log, LogError, LogPoint
from actors.pipeline.flush import Flush
from actors.pipeline.slices import Slices, free_slowly, slice_all
from actors.supervision.actor import Actor, Queue
from ingest.fold.folded_run import FoldedRun
from ingest.rows.batch import Batch, Trigger
from ingest.rows.layout import Row
from ingest.telemetry.metrics import Metrics

log = structlog.get_logger()

ROOM = 2
"""Maximum size of the batch, as a multiple of the flush size, before the fold has to wait."""

LOG_SECONDS = 1.0
"""Delay before a failed write to the log is retried."""

IDLE_SECONDS = 1.0
"""How long a stored batch waits to be committed with the next batch's note, before it is committed
alone."""


class Batcher(Actor):
    """The actor that owns the rows between the fold and the writer.

    Receives folded runs, sends flushes. A flush is due when the batch has `flush_rows` events or
    its first run is `flush_seconds` old. It is sent when the flush before it is stored; the batch
    grows meanwhile. At `ROOM` times the flush size, the batcher stops receiving.

    A batch is a range of the log's positions, and its tokens are made of them. Its end is prepared
    in the log before its rows go to the store. A batch prepared by an earlier process ends at the
    same position again, so rows and tokens are the same and the store recognises repeated inserts.

    When its inbox ends, it sends the rest and finishes. A restart keeps the batch and the flush
    that was being stored.
    """

    name = "batcher"

    def __init__(
        self,
        inbox: trio.MemoryReceiveChannel[FoldedRun],
        outlet: trio.MemorySendChannel[Flush],
        source: Log,
        metrics: Metrics,
        *,
        flush_rows: int,
        flush_seconds: float,
    ) -> None:
        """Own both channel halves until `close`.

        Args:
            inbox: Folded runs, starting at the log's `committed`.
            outlet: Flushes for the writer.
            source: Their log.
            metrics: Where flushes are counted by trigger.
            flush_rows: Events that make a flush due.
            flush_seconds: Age of the oldest run that makes a flush due.
        """
        self._inbox = inbox
        self._outlet = outlet
        self._log = source
        self._metrics = metrics
        self._flush_rows = flush_rows
        self._flush_seconds = flush_seconds
        self._stored = self._noted = source.committed
        self._batch = Batch()
        self._end = source.committed
        self._cut = source.prepared
        self._deadline = math.inf
        self._leaving: tuple[LogPoint, Batch, bool] | None = None
        self._flush: Flush | None = None
        self._sending = False
        self._wanted_cuts: list[LogPoint] = []
        self._received: FoldedRun | None = None
        self._trigger = Trigger.SIZE
        self._ended = False
        self._changed = trio.Event()

    @property
    def gathered(self) -> int:
        """Number of events in memory for the next flush."""
        return len(self._batch)

    @property
    def has_work(self) -> bool:
        """Whether a flush is due and not sent; waiting for the store does not count."""
        return self._leaving is not None and self._flush is None and not self._sending

    @property
    def queue(self) -> Queue:
        """See `Actor.queue`."""
        return Queue.of(self._inbox)

    async def run(self) -> None:
        """Collect and send until the inbox has ended and everything is stored."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._gather)
            nursery.start_soon(self._hand_over)

    async def cut_at(self, point: LogPoint) -> None:
        """End a batch at or after a point that the fold has reached, and wait until it is stored.

        When this returns, the store has everything before the point, and the log has committed it
        durably.
        """
        self._wanted_cuts.append(point)
        self._wake()
        try:
            await self._until(lambda: self._noted.position >= point.position)
        finally:
            self._wanted_cuts.remove(point)
            self._wake()

    async def _gather(self) -> None:
        while not self._ended:
            if self._received is None:
                await self._until(self._has_room)
                try:
                    self._received = await self._receive()
                except trio.EndOfChannel:
                    self._ended = True
                    self._wake()
                    return
            # A cut may have been requested meanwhile.
            self._skip_to_cut(self._received)
            await self._until(self._has_room)
            is_first = self._deadline == math.inf
            self.take_in(self._received)
            self._received = None
            # Waking the other task for each run would cost more than adding it.
            if is_first or not self._has_room() or len(self._batch) >= self._flush_rows:
                self._wake()

    async def _receive(self) -> FoldedRun:
        """The next run. If there is one, no other task runs first: that costs more than the run."""
        try:
            return self._inbox.receive_nowait()
        except trio.WouldBlock:
            return await self._inbox.receive()

    def _skip_to_cut(self, run: FoldedRun) -> None:
        """End the prepared batch at its cut, although the last records before the cut are lost."""
        if self._cut is not None and run.start.position >= self._cut.position:
            self._end = max(self._end, self._cut)
            self._wake()

    def take_in(self, run: FoldedRun) -> None:
        """Add a run to the batch."""
        if self._deadline == math.inf:
            self._deadline = trio.current_time() + self._flush_seconds
        for rows in run.rows:
            self._batch.add(rows)
        self._batch.count(run.counters)
        self._end = run.end
        self.progress += 1

    def _has_room(self) -> bool:
        return len(self._batch) < ROOM * self._flush_rows and not self._at_cut()

    def _at_cut(self) -> bool:
        """Whether the batch must end here."""
        position = self._end.position
        if self._cut is not None:
            return position >= self._cut.position
        stored = self._stored.position
        return any(stored < wanted.position <= position for wanted in self._wanted_cuts)

    async def _hand_over(self) -> None:
        while True:
            if self._leaving is None:
                trigger = await self._until_due()
                if trigger is None:
                    await self._commit()
                    return
                self._close_batch(trigger)
            await self._store_batch()

    def _close_batch(self, trigger: Trigger) -> None:
        self._leaving = self._end, self._batch, self._cut is not None
        self._trigger = trigger
        self._batch, self._cut, self._deadline = Batch(), None, math.inf
        self._wake()

    async def _store_batch(self) -> None:
        """Prepare the batch, store its rows, then advance past it."""
        assert self._leaving is not None  # noqa: S101 - the caller has closed it
        end, batch, attempted = self._leaving
        rows = Slices[Row]([])
        if not batch.is_empty:
            if self._flush is None:
                self._flush = await self._send(end, batch, attempted)
            await self._flush.stored.wait()
            rows = slice_all(insert.rows for insert in self._flush.inserts)
        self._stored, self._leaving, self._flush = end, None, None
        self.progress += 1
        self._wake()
        del batch
        await free_slowly(rows)

    async def _send(self, end: LogPoint, batch: Batch, attempted: bool) -> Flush:
        first = self._stored
        await self._try(lambda: self._log.prepare(end, first))
        self._noted = first
        self._wake()
        token = f"{self._log.id}-{first.position}-{end.position}"
        inserts = batch.inserts(token, attempted=attempted)
        flush = Flush(inserts, self._trigger, kept=self._log.durable, lease=self._log.lease)
        self._sending = True
        try:
            await self._outlet.send(flush)
        finally:
            self._sending = False
        self._metrics.batches.labels(self._trigger.value).inc()
        return flush

    async def _commit(self) -> None:
        """Commit the stored batch, if no other note will do so soon."""
        if self._noted.position < self._stored.position:
            stored = self._stored
            await self._try(lambda: self._log.commit(stored))
            self._noted = stored
            self._wake()

    async def _try(self, note: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await note()
                return
            except LogError as error:
                log.error("batch waits for the log", error=str(error))
                await trio.sleep(LOG_SECONDS)

    async def _until_due(self) -> Trigger | None:
        """Wait until a flush is due; commit the stored batch if this takes long.

        Returns:
            What made the flush due; None if no more will come.
        """
        idle_at = trio.current_time() + IDLE_SECONDS
        while True:
            has_any = self._end.position > self._stored.position
            if self._cut is not None:
                if self._at_cut():
                    return Trigger.REPLAY
                if self._ended:
                    return None  # The fold has stopped early; the log has the rest.
            elif len(self._batch) >= self._flush_rows:
                return Trigger.SIZE
            elif self._at_cut():
                return Trigger.CHECKPOINT
            elif self._ended:
                return Trigger.DRAIN if has_any else None
            elif trio.current_time() >= self._deadline:
                return Trigger.TIME
            uncommitted = self._noted.position < self._stored.position
            if uncommitted and (self._wanted_cuts or trio.current_time() >= idle_at):
                await self._commit()
                continue
            # A batch that the store may have must end at the same position.
            deadline = math.inf if self._cut is not None else self._deadline
            if uncommitted:
                deadline = min(deadline, idle_at)
            changed = self._changed
            with trio.move_on_at(deadline):
                await changed.wait()

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            await self._changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def give_up(self) -> None:
        """Continue: accepted events must still reach the writer."""
        await self.run()

    def take_rest(self) -> list[Flush]:
        """Remove everything that was not sent, for a shutdown that cannot wait any longer.

        A durable log keeps its records.
        """
        if self._log.durable:
            return []
        flushes: list[Flush] = []
        if self._leaving is not None:
            end, batch, attempted = self._leaving
            if self._flush is None:  # Otherwise the writer has it.
                flushes.append(self._rest(end, batch, attempted))
            self._stored, self._leaving = end, None
        if self._received is not None:
            self.take_in(self._received)
            self._received = None
        try:
            while True:
                self.take_in(self._inbox.receive_nowait())
        except (trio.WouldBlock, trio.EndOfChannel, trio.ClosedResourceError):
            pass
        if not self._batch.is_empty:
            flushes.append(self._rest(self._end, self._batch, attempted=False))
        self._batch, self._stored = Batch(), self._end
        return flushes

    def _rest(self, end: LogPoint, batch: Batch, attempted: bool) -> Flush:
        token = f"{self._log.id}-{self._stored.position}-{end.position}"
        return Flush(batch.inserts(token, attempted=attempted), Trigger.DRAIN, kept=False)

    def close(self) -> None:
        """Close both channel halves."""
        self._inbox.close()
        self._outlet.close()
