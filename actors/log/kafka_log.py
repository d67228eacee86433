"""One partition of the events topic, as the log of the fold that owns it.

The group's offset commit is the log's note: its offset is that of the first message that the store
does not have, and its metadata is the plan (`ingest.engine.plan`). `KafkaNote` has it committed.
"""

from collections import deque
from collections.abc import Sequence
from typing import Final, Protocol

import structlog
import trio

from actors.cluster.membership import Holding, Membership
from actors.cluster.topic_reader import TopicMessage
from actors.log.kafka_note import CommittedOffsets, KafkaNote
from actors.log.log import TOGETHER, Log, LogError, LogPoint
from ingest.engine.message import POSITIONS, UnknownMessageError, decode_message
from ingest.engine.plan import CheckpointPlace
from ingest.records.run import Run

log = structlog.get_logger()

BUFFER_BYTES: Final = 4 * 1024 * 1024
"""Size of the messages in memory at which the partition is paused."""


class PartitionTopic(CommittedOffsets, Protocol):
    """The events topic, as far as a partition's log and its note need it."""

    def delete_before(self, partition: int, checkpoint: CheckpointPlace) -> None:
        """Delete the messages and the checkpoints before one, soon, if it is allowed."""


class MessageLetters(Protocol):
    """Where messages go that cannot be decoded."""

    async def keep_message(self, partition: int, message: TopicMessage, reason: str) -> bool:
        """Keep a message.

        Returns:
            Whether it is durable; False if no more letters fit now.
        """


class KafkaLog(Log):
    """One partition, from a takeover until the state is loaded anew or the partition is given up.

    Attributes:
        outdated: Set when the fold's state must be loaded anew. From then on, and when the
            partition is lost, notes never return; the owner cancels the fold.
    """

    durable: Final = True  # type: ignore[misc]
    needs_sync: Final = False  # type: ignore[misc]

    def __init__(
        self,
        membership: Membership,
        holding: Holding,
        topic: PartitionTopic,
        letters: MessageLetters,
        note: KafkaNote,
        *,
        cluster_id: str,
        first: int,
        start: LogPoint,
    ) -> None:
        """Start with what a takeover has found.

        Args:
            membership: Supplies messages.
            holding: The partition.
            topic: Deletes what is not needed any more.
            letters: Keep messages that cannot be decoded.
            note: What the group has committed.
            cluster_id: Of the cluster.
            first: Position of the first message in the partition.
            start: Where the fold starts to read.
        """
        self.id = f"{cluster_id}-{holding.partition}"
        self.partition = holding.partition
        self.first = first
        self.lease = note
        self.outdated = note.outdated
        self.blocked: str | None = None
        self._membership = membership
        self._holding = holding
        self._topic = topic
        self._letters = letters
        self._note = note
        self._passed: CheckpointPlace | None = None
        self._start: int | None = None
        self._read_to = start
        self._buffer: deque[TopicMessage] = deque()
        self._bytes = 0
        self._paused = self._stopped = False
        self._together = TOGETHER
        self._waiting: deque[tuple[int, float]] = deque()
        self._changed = trio.Event()

    @property
    def end(self) -> LogPoint:  # type: ignore[override]
        """The end of what is received; a message counts as one event until it is read."""
        position, number = self._read_to
        if self._buffer:
            position = (self._buffer[-1].offset + 1) * POSITIONS
        return LogPoint(position, number + len(self._buffer))

    @property
    def committed(self) -> LogPoint:  # type: ignore[override]
        """See `Log`."""
        return self._note.plan.committed

    @property
    def prepared(self) -> LogPoint | None:  # type: ignore[override]
        """See `Log`."""
        return self._note.plan.prepared

    @property
    def problem(self) -> str | None:  # type: ignore[override]
        """See `Log`."""
        return self._note.problem

    @property
    def oldest_at(self) -> float | None:
        """When the oldest received message that is not stored was appended, Unix seconds."""
        if self._waiting:
            return self._waiting[0][1]
        return self._buffer[0].timestamp if self._buffer else None

    # Reading.

    def received(self, start: int, messages: Sequence[TopicMessage]) -> None:
        """Take messages of the partition."""
        if start != self._start or self._stopped:
            return
        self._buffer.extend(messages)
        self._bytes += sum(len(message.value or b"") for message in messages)
        if self._bytes > BUFFER_BYTES and not self._paused:
            self._paused = True
            self._membership.pause(self._holding)
        self._wake()

    @property
    def reads(self) -> bool:
        """Whether messages should arrive, if there are any."""
        return self._start is not None and not (self._paused or self._stopped or self._buffer)

    def out_of_range(self, start: int) -> None:
        """Load the state anew, because the next message is no longer there."""
        if start == self._start and not self._stopped:
            self._note.expire()

    def stop(self) -> None:
        """Let the reader reach the end after the last message that it has read."""
        self._stopped = True
        self._buffer.clear()
        self._wake()

    async def read(self, position: int) -> Run | None:
        """See `Log.read`. The first read starts the messages."""
        if self._together < TOGETHER:
            await trio.lowlevel.checkpoint_if_cancelled()
        else:
            self._together = 0
            await trio.lowlevel.checkpoint()
        position = max(position, self.first)
        offset = position // POSITIONS
        if self._start is None or offset != self._read_to.position // POSITIONS:
            self._seek(offset)
        while True:
            while not self._buffer:
                if self._stopped:
                    return None
                await self._changed.wait()
            message = self._buffer[0]
            run = await self._decode(message)
            if self._buffer and self._buffer[0] is message:
                break
        self._take(message)
        self.blocked = None
        missing = message.offset - offset
        if missing > 0:
            log.error("messages are missing", partition=self.partition, messages=missing)
            self.lost += missing
        self._read_to = run.end_point
        self._together += max(1, len(run.records))
        if run.end > self.committed.position:
            self._waiting.append((run.end, message.timestamp))
        return run.starting_at(position)

    def _seek(self, offset: int) -> None:
        self._buffer.clear()
        self._waiting.clear()
        self._bytes = 0
        self._paused = False
        self._read_to = LogPoint(offset * POSITIONS, self._read_to.number)
        if not self._stopped:
            self._start = self._membership.start(self._holding, offset)

    def _take(self, message: TopicMessage) -> None:
        self._buffer.popleft()
        self._bytes -= len(message.value or b"")
        if self._paused and self._bytes < BUFFER_BYTES // 2:
            self._paused = False
            self._membership.resume(self._holding)

    async def _decode(self, message: TopicMessage) -> Run:
        number, log_time = self._read_to.number, int(message.timestamp)
        try:
            return decode_message(message.value or b"", message.offset, number, log_time)
        except UnknownMessageError as error:
            self.blocked = f"{error}; a later version of Sluice wrote it: upgrade this worker"
            raise LogError(self.blocked) from None
        except ValueError as error:
            reason = str(error)
        if not await self._letters.keep_message(self.partition, message, reason):
            self.blocked = "a message that cannot be decoded waits for room for its dead letter"
            raise LogError(self.blocked)
        log.critical(
            "message is lost, it cannot be decoded",
            partition=self.partition,
            offset=message.offset,
            error=reason,
        )
        self.lost += 1
        return Run(0, message.offset * POSITIONS, number, log_time, (), POSITIONS)

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    # Notes.

    async def prepare(self, end: LogPoint, committed: LogPoint) -> None:
        """See `Log.prepare`. Never raises, but it may never return."""
        await self._note.write(committed, end)
        self._forget_stored()

    async def commit(self, committed: LogPoint) -> None:
        """See `Log.commit`. Never raises, but it may never return."""
        await self._note.write(committed, None)
        self._forget_stored()

    async def name_checkpoint(self, place: CheckpointPlace) -> None:
        """Commit a checkpoint, which is valid from then on. It may never return."""
        before = self._note.plan.checkpoint
        await self._note.name_checkpoint(place)
        self._passed = before

    def _forget_stored(self) -> None:
        while self._waiting and self._waiting[0][0] <= self.committed.position:
            self._waiting.popleft()

    async def sync(self) -> None:
        """Do nothing: the messages are durable before they can be read."""
        await trio.lowlevel.checkpoint()

    def retire(self, position: int) -> None:
        """Delete what is before the checkpoint before the newest one."""
        if self._passed is not None:
            self._topic.delete_before(self.partition, self._passed)
            self.first = max(self.first, min(self._passed.position, position))
            self._passed = None

    def close(self) -> None:
        """Do nothing: the membership is the owner's."""

    def status(self) -> dict[str, object]:
        """See `Log.status`."""
        reason = self.blocked or self.problem
        degraded = self.lost or self.problem
        return {
            "status": "down" if self.blocked else "degraded" if degraded else "ok",
            "durability": "cluster",
            "backlog_events": self.backlog,
            "events_lost": self.lost,
            **({} if reason is None else {"reason": reason}),
        }

    def figures(self) -> dict[str, float]:
        """See `Log.figures`."""
        return {
            "sluice_journal_backlog_events": self.backlog,
            "sluice_journal_events_lost": self.lost,
        }
