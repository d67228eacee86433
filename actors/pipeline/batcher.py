"""Gathers rows and hands them over by size or time."""

import math
from collections import deque
from collections.abc import Callable

import structlog
import trio

from actors.journal.journal import Journal, JournalError
from actors.letters.dead_letters import DeadLetters
from actors.supervision.actor import Actor
from ingest.rows.batch import Batch, Flush, Insert, Trigger
from ingest.rows.layout import EventRows, Run
from ingest.telemetry.metrics import Metrics

log = structlog.get_logger()

ROOM = 2
"""How many times the flush size may gather while the store is slow, before the pipeline waits."""

JOURNAL_SECONDS = 1.0
"""How long to wait before the journal is asked again that could not be read or written."""


class Batcher(Actor):
    """The actor that owns the rows accepted but not yet handed to the writer.

    Receives runs of rows, sends flushes. A flush is due when the batch has `flush_rows` events or
    its first is `flush_seconds` old; it is handed over as soon as the writer is free, and gathering
    goes on meanwhile. When `ROOM` times the flush size has gathered, it stops receiving. Without a
    durable journal its inbox grows full, and so on back to the front. With one, runs go past it to
    the disk, and it reads them from there, in order, once there is room.

    A batch is a range of the journal's positions. Its end is noted in the journal before the store
    is given its rows, and a batch that an earlier process had cut is cut there again: so the tokens
    are the same, and the store recognises what it has.

    When its inbox ends, it hands over the rest and finishes. A restart finds the batch, and the
    flush that was being handed over, as they were.
    """

    name = "batcher"

    def __init__(
        self,
        inbox: trio.MemoryReceiveChannel[Run],
        outlet: trio.MemorySendChannel[Flush],
        journal: Journal,
        metrics: Metrics,
        letters: DeadLetters,
        *,
        flush_rows: int,
        flush_seconds: float,
    ) -> None:
        """Own both channel halves until `close`.

        Args:
            inbox: Runs of rows to be stored.
            outlet: Flushes for the writer.
            journal: Where runs are read that the inbox had no room for, from `journal.stored` on.
            metrics: Where flushes are counted by trigger.
            letters: Takes rows that cannot be gathered.
            flush_rows: Events that make a flush due.
            flush_seconds: Age of the oldest event that makes a flush due.
        """
        self._inbox = inbox
        self._outlet = outlet
        self._journal = journal
        self._metrics = metrics
        self._letters = letters
        self._flush_rows = flush_rows
        self._flush_seconds = flush_seconds
        self._batch = Batch(journal.stored)
        self._cuts = deque(journal.planned)
        self._deadline = math.inf
        self._planned: Batch | None = None
        self._trigger = Trigger.SIZE
        self._leaving: Flush | None = None
        self._ahead: Run | None = None
        self._unadded: deque[tuple[int, EventRows]] = deque()
        self._ended = False
        self._changed = trio.Event()

    @property
    def gathered(self) -> int:
        """Events that wait in memory for the next flush."""
        return len(self._batch)

    @property
    def has_work(self) -> bool:
        """Whether a batch waits for the journal, and not for the writer."""
        return self._planned is not None

    async def run(self) -> None:
        """Gather and hand over until the inbox has ended and all is handed over."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._gather)
            nursery.start_soon(self._hand_over)

    async def _gather(self) -> None:
        self._add()  # what a failure has left
        while not self._ended:
            await self._until(self._has_room)
            run = await self._next_run()
            if run is None:
                self._ended = True
            else:
                self._take_in(run)
            self._wake()

    def _has_room(self) -> bool:
        if self._cuts:
            return not self._at_cut()
        return len(self._batch) < ROOM * self._flush_rows

    def _at_cut(self) -> bool:
        return bool(self._cuts) and self._batch.end >= self._cuts[0]

    async def _next_run(self) -> Run | None:
        """The run that goes on where the batch ends, from the inbox or from the journal.

        Returns:
            None when there is nothing more to come.
        """
        if self._ahead is None and self._behind_unless_waiting():
            return await self._read()
        if self._ahead is None:
            try:
                self._ahead = await self._inbox.receive()
            except trio.EndOfChannel:
                return await self._read() if self._behind() else None
        if self._behind() and self._ahead.first > self._batch.end:
            return await self._read()
        run, self._ahead = self._ahead, None
        return run

    def _behind_unless_waiting(self) -> bool:
        """Whether the next run is in the journal only; takes one out of the inbox to find out."""
        if not self._behind():
            return False
        try:
            self._ahead = self._inbox.receive_nowait()
        except (trio.WouldBlock, trio.EndOfChannel):
            return True
        return False

    def _behind(self) -> bool:
        return self._journal.durable and self._batch.end < self._journal.end

    async def _read(self) -> Run:
        while True:
            try:
                run = self._journal.read(self._batch.end)
            except JournalError as error:
                log.error("journal cannot be read", error=str(error))
                await trio.sleep(JOURNAL_SECONDS)
            else:
                await trio.lowlevel.checkpoint()
                return run

    def _take_in(self, run: Run) -> None:
        """Add what goes on from the batch's end, up to the next cut; the journal has the rest."""
        limit = self._cuts[0] if self._cuts else max(run.first, run.end)
        part = run.between(self._batch.end, limit)
        if not part.rows:
            self._batch.skip_to(max(self._batch.end, min(run.first, limit)))
            return
        if not self._batch:
            self._deadline = trio.current_time() + self._flush_seconds
        self._unadded.extend(enumerate(part.rows, part.first))
        self._add()

    def _add(self) -> None:
        while self._unadded:
            position, rows = self._unadded[0]
            self._batch.skip_to(position)
            self._batch.add(rows)
            self._unadded.popleft()

    async def _hand_over(self) -> None:
        while True:
            if self._leaving is None and self._planned is None:
                trigger = await self._until_due()
                if trigger is None:
                    return
                self._cut(trigger)
            if self._planned is not None:
                await self._plan(self._planned)
            if self._leaving is not None:
                await self._outlet.send(self._leaving)
                self._leaving = None

    def _cut(self, trigger: Trigger) -> None:
        """Close the batch and begin the next."""
        self._planned, self._batch = self._batch, Batch(self._batch.end)
        self._trigger = trigger
        if trigger is Trigger.REPLAY:
            self._cuts.popleft()
        self._deadline = math.inf
        self._metrics.batches.labels(trigger.value).inc()
        self._wake()

    async def _plan(self, batch: Batch) -> None:
        """Note the batch's end where a crash does not take it, and only then let it go."""
        # What was set aside of it counts as stored with it.
        await self._letters.written()
        while True:
            self.progress += 1
            try:
                self._journal.plan(batch.end)
                await self._journal.secure()
                break
            except JournalError as error:
                log.error("batch waits for the journal", error=str(error))
                await trio.sleep(JOURNAL_SECONDS)
        trigger = self._trigger
        self._planned = None
        self._leaving = batch.flush(
            self._journal.id, attempted=trigger is Trigger.REPLAY, trigger=trigger
        )
        self._wake()

    async def _until_due(self) -> Trigger | None:
        """Wait until there is something to flush.

        Returns:
            What made the flush due, or None when there is nothing more to come.
        """
        while True:
            if self._at_cut():
                return Trigger.REPLAY
            if not self._cuts and len(self._batch) >= self._flush_rows:
                return Trigger.SIZE
            if self._ended:
                return Trigger.DRAIN if self._batch else None
            # A batch that the store may have is cut nowhere else.
            deadline = math.inf if self._cuts else self._deadline
            if trio.current_time() >= deadline:
                return Trigger.TIME
            changed = self._changed
            with trio.move_on_at(deadline):
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
            position, rows = self._unadded.popleft()
            token = f"{self._journal.id}-{position}"
            inserts = (
                Insert("sessions_v2", rows.sessions, f"{token}-sessions"),
                Insert("events_v2", (rows.event,), f"{token}-events"),
            )
            kept = [
                self._letters.keep(self.name, insert, error, key=insert.token)
                for insert in inserts
                if insert.rows
            ]
            if not all(kept):
                self._unadded.appendleft((position, rows))

    async def give_up(self) -> None:
        """Go on: what was accepted still has to reach the writer."""
        await self.run()

    def take(self) -> list[Flush]:
        """Take out everything not yet handed over, for a shutdown that cannot wait any longer.

        What a durable journal has stays there.
        """
        if self._journal.durable:
            return []
        flushes = [] if self._leaving is None else [self._leaving]
        if self._planned is not None:
            flushes.append(self._planned.flush(self._journal.id))
        self._leaving = self._planned = None
        try:
            while True:
                self._take_in(self._inbox.receive_nowait())
        except (trio.WouldBlock, trio.EndOfChannel, trio.ClosedResourceError):
            pass
        if self._batch:
            flushes.append(self._batch.flush(self._journal.id))
        self._batch, self._deadline = Batch(self._batch.end), math.inf
        return flushes

    def close(self) -> None:
        """Close both channel halves."""
        self._inbox.close()
        self._outlet.close()
