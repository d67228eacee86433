"""One partition of the events topic, as the log of the fold that owns it.

The group's offset commit is the log's note: its offset is that of the first message that the store
does not have, and its metadata is the plan (`ingest.engine.plan`). Commits may be refused, or
remain unanswered, without the partition being lost; `_settle` is how that is decided.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import structlog
import trio
from msgspec.structs import replace

from actors.cluster.admin import CommittedOffset
from actors.cluster.failure import KafkaFailure
from actors.cluster.membership import Holding, Membership, Outcome
from actors.cluster.topic_reader import TopicMessage
from actors.log.lease import Lease
from actors.log.log import TOGETHER, Log, LogError, LogPoint
from ingest.engine.message import POSITIONS, UnknownMessageError, decode_message
from ingest.engine.plan import CheckpointPlace, Plan, encode_plan
from ingest.records.run import Run

log = structlog.get_logger()

BUFFER_BYTES: Final = 4 * 1024 * 1024
"""Size of the messages in memory at which the partition is paused."""

RULES: Final = 1
"""Version of the fold's rows, for whoever takes over a batch."""

PACE_SECONDS: Final = 0.25
"""Delay before a commit is tried again; the group is polled meanwhile."""


class PartitionTopic(Protocol):
    """The events topic, as far as a partition's log needs it."""

    async def committed(self, partition: int) -> CommittedOffset | None:
        """Ask for what the group has committed; None if there is nothing.

        Raises:
            KafkaFailure: The brokers do not answer.
        """

    def delete_before(self, partition: int, checkpoint: CheckpointPlace) -> None:
        """Delete the messages and the checkpoints before one, soon, if it is allowed."""


class MessageLetters(Protocol):
    """Where messages go that cannot be decoded."""

    async def keep_message(self, partition: int, message: TopicMessage, reason: str) -> bool:
        """Keep a message.

        Returns:
            Whether it is durable; False if no more letters fit now.
        """


class KafkaLog(Log, Lease):
    """One partition, from a takeover until the state is loaded anew or the partition is given up.

    If the group has something else than what this log has committed, `outdated` is set; from then
    on, and when the partition is lost, notes never return. The owner cancels the fold.

    Attributes:
        outdated: Set when the fold's state must be loaded anew.
        checkpoint: The newest valid checkpoint; None if there is none.
    """

    durable: Final = True  # type: ignore[misc]
    needs_sync: Final = False  # type: ignore[misc]

    def __init__(
        self,
        membership: Membership,
        holding: Holding,
        topic: PartitionTopic,
        letters: MessageLetters,
        *,
        cluster_id: str,
        accepted: CommittedOffset | None,
        plan: Plan,
        first: int,
        start: LogPoint,
        session_seconds: float,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start with what a takeover has found.

        Args:
            membership: Receives messages and commits.
            holding: The partition.
            topic: Tells what is committed.
            letters: Keep messages that cannot be decoded.
            cluster_id: Of the cluster.
            accepted: What the group has committed.
            plan: What that means.
            first: Position of the first message in the partition.
            start: Where the fold starts to read.
            session_seconds: After how long without a sign of life the group gives partitions to
                others.
            now: Gives Unix seconds.
            monotonic: Gives seconds that go on while the process is paused.
        """
        self.id = f"{cluster_id}-{holding.partition}"
        self.partition = holding.partition
        self.first = first
        self.committed, self.prepared = plan.committed, plan.prepared
        self.checkpoint = plan.checkpoint
        self.lease = self
        self.outdated = trio.Event()
        self.blocked: str | None = None
        self._membership = membership
        self._holding = holding
        self._topic = topic
        self._letters = letters
        self._accepted = accepted
        self._plan = plan
        self._half = session_seconds / 2
        self._now = now
        self._monotonic = monotonic
        self._notes = trio.Lock()
        self._travelling: Plan | None = None
        self._over = False
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
            self._expire()

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
        await self._note(lambda: self._planned(committed, end))

    async def commit(self, committed: LogPoint) -> None:
        """See `Log.commit`. Never raises, but it may never return."""
        await self._note(lambda: self._planned(committed, None))

    async def name_checkpoint(self, place: CheckpointPlace) -> None:
        """Commit a checkpoint, which is valid from then on. It may never return."""
        before = self.checkpoint
        await self._note(lambda: replace(self._plan, checkpoint=place))
        self._passed = before

    def _planned(self, committed: LogPoint, prepared: LogPoint | None) -> Plan:
        return Plan(committed, prepared, self.checkpoint, RULES, int(self._now()))

    async def _note(self, plan: Callable[[], Plan]) -> None:
        async with self._notes:
            settled = await self._settle(plan())
        if not settled:
            await trio.sleep_forever()

    async def hold(self) -> bool:
        """See `Lease.hold`. If the last sign of membership is old, the same plan is repeated."""
        await trio.lowlevel.checkpoint()
        while not self._over and self._membership.holds(self._holding):
            if self._is_proven():
                return True
            async with self._notes:
                if not self._is_proven() and not await self._settle(self._plan):
                    return False
        return False

    def _is_proven(self) -> bool:
        return self._monotonic() - self._membership.proven_at < self._half

    async def _settle(self, plan: Plan) -> bool:
        """Have a plan accepted.

        Returns:
            False if this log must not be used any more: the partition is lost, its state must be
            loaded anew, or the membership must be renewed.
        """
        if self._over:
            return False
        if self._travelling is not None and self._travelling != plan:
            # It may be applied later, over this one.
            return self._renew()
        metadata = encode_plan(plan)
        unanswered = self._travelling is not None
        while not self._over:
            # Until it is answered; also if this task is cancelled.
            self._travelling = plan
            outcome = await self._membership.commit(self._holding, plan.offset, metadata)
            if outcome is Outcome.NOT_MINE:
                break
            if outcome is Outcome.ACCEPTED:
                self._accept(plan, metadata)
                return self._renew() if unanswered else True
            if outcome is Outcome.UNANSWERED:
                unanswered = True
            elif not unanswered:
                self._travelling = None
            self.problem = f"a commit was {outcome.name.lower()}"
            log.warning("commit is tried again", partition=self.partition, outcome=outcome.name)
            await trio.sleep(PACE_SECONDS)
            if not await self._is_unchanged():
                return self._renew() if unanswered else self._expire()
        return False

    async def _is_unchanged(self) -> bool:
        """Whether the group still has what was last accepted; waits until the brokers tell."""
        while self._membership.holds(self._holding):
            try:
                return await self._topic.committed(self.partition) == self._accepted
            except KafkaFailure as failure:
                self.problem = str(failure)
            await trio.sleep(PACE_SECONDS)
        return True  # the next commit is not sent

    def _accept(self, plan: Plan, metadata: str) -> None:
        self._accepted = CommittedOffset(plan.offset, metadata)
        self._plan, self._travelling, self.problem = plan, None, None
        self.committed, self.prepared = plan.committed, plan.prepared
        self.checkpoint = plan.checkpoint
        while self._waiting and self._waiting[0][0] <= self.committed.position:
            self._waiting.popleft()

    def _expire(self) -> bool:
        log.warning("another state is committed, it is loaded", partition=self.partition)
        self._over = True
        self.outdated.set()
        return False

    def _renew(self) -> bool:
        """Join the group anew, so that the broker refuses what was not answered."""
        log.warning("a commit was not answered, joining the group anew", partition=self.partition)
        self._over = True
        self._membership.rejoin()
        return False

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
