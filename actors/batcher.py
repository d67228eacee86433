"""Gathers rows and hands them over by size or time."""

import math
from collections.abc import Callable, Sequence
from itertools import count

import trio

from actors.actor import Actor
from actors.dead_letters import DeadLetters
from ingest.metrics import Metrics
from ingest.rows.batch import Batch, Flush, Insert, Trigger
from ingest.rows.layout import EventRows

ROOM = 2
"""How many times the flush size may gather while the store is slow, before the pipeline waits."""


class Batcher(Actor):
    """The actor that owns the rows accepted but not yet handed to the writer.

    Receives runs of `EventRows`, sends flushes. A flush is due when the batch has `flush_rows`
    events or its first is `flush_seconds` old; it is handed over as soon as the writer is free, and
    gathering goes on meanwhile. When `ROOM` times the flush size has gathered, it stops receiving,
    which makes its inbox full, and so on back to the front.

    When its inbox ends, it hands over the rest and finishes. A restart finds the batch, and the
    flush that was being handed over, as they were.
    """

    name = "batcher"

    def __init__(
        self,
        inbox: trio.MemoryReceiveChannel[Sequence[EventRows]],
        outlet: trio.MemorySendChannel[Flush],
        metrics: Metrics,
        letters: DeadLetters,
        *,
        flush_rows: int,
        flush_seconds: float,
        batch_prefix: str,
    ) -> None:
        """Own both channel halves until `close`.

        Args:
            inbox: Runs of rows to be stored.
            outlet: Flushes for the writer.
            metrics: Where flushes are counted by trigger.
            letters: Takes rows that cannot be gathered.
            flush_rows: Events that make a flush due.
            flush_seconds: Age of the oldest event that makes a flush due.
            batch_prefix: Starts the id of each batch; no two processes may share one.
        """
        self._inbox = inbox
        self._outlet = outlet
        self._metrics = metrics
        self._letters = letters
        self._flush_rows = flush_rows
        self._flush_seconds = flush_seconds
        self._batch_ids = (f"{batch_prefix}-{number}" for number in count(1))
        self._batch = Batch()
        self._deadline = math.inf
        self._leaving: Flush | None = None
        self._unadded: list[EventRows] = []
        self._ended = False
        self._changed = trio.Event()

    @property
    def gathered(self) -> int:
        """Events that wait for the next flush."""
        return len(self._batch)

    async def run(self) -> None:
        """Gather and hand over until the inbox has ended and all is handed over."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._gather)
            nursery.start_soon(self._hand_over)

    async def _gather(self) -> None:
        self._add(())  # what a failure has left
        while not self._ended:
            await self._until(lambda: len(self._batch) < ROOM * self._flush_rows)
            try:
                run = await self._inbox.receive()
            except trio.EndOfChannel:
                self._ended = True
            else:
                self._add(run)
            self._wake()

    def _add(self, run: Sequence[EventRows]) -> None:
        self._unadded.extend(run)
        if self._unadded and not self._batch:
            self._deadline = trio.current_time() + self._flush_seconds
        while self._unadded:
            self._batch.add(self._unadded[0])
            del self._unadded[0]

    async def _hand_over(self) -> None:
        while True:
            if self._leaving is None:
                trigger = await self._until_due()
                if trigger is None:
                    return
                self._leaving = self._batch.flush(next(self._batch_ids))
                self._batch, self._deadline = Batch(), math.inf
                self._metrics.batches.labels(trigger.value).inc()
                self._wake()
            await self._outlet.send(self._leaving)
            self._leaving = None

    async def _until_due(self) -> Trigger | None:
        """Wait until there is something to flush.

        Returns:
            What made the flush due, or None when there is nothing more to come.
        """
        while True:
            if len(self._batch) >= self._flush_rows:
                return Trigger.SIZE
            if self._ended:
                return Trigger.DRAIN if self._batch else None
            if trio.current_time() >= self._deadline:
                return Trigger.TIME
            changed = self._changed
            with trio.move_on_at(self._deadline):
                await changed.wait()

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            await self._changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    def failed(self, error: Exception) -> None:
        """Set the rows aside that cannot be gathered; the batch itself is whole."""
        if self._unadded:
            rows = self._unadded.pop(0)
            token = next(self._batch_ids)
            inserts = (
                Insert("sessions_v2", rows.sessions, f"{token}-sessions"),
                Insert("events_v2", (rows.event,), f"{token}-events"),
            )
            for insert in inserts:
                if insert.rows:
                    self._letters.keep(self.name, insert, error)

    async def give_up(self) -> None:
        """Go on: what was accepted still has to reach the writer."""
        await self.run()

    def take(self) -> list[Flush]:
        """Take out everything not yet handed over, for a shutdown that cannot wait any longer."""
        flushes = [] if self._leaving is None else [self._leaving]
        self._leaving = None
        try:
            while True:
                self._add(self._inbox.receive_nowait())
        except (trio.WouldBlock, trio.EndOfChannel, trio.ClosedResourceError):
            pass
        if self._batch:
            flushes.append(self._batch.flush(next(self._batch_ids)))
        self._batch, self._deadline = Batch(), math.inf
        return flushes

    def close(self) -> None:
        """Close both channel halves."""
        self._inbox.close()
        self._outlet.close()
