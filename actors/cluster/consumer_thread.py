"""A thread that owns the consumer in the group of workers: it polls, commits and rebalances.

All of the client's callbacks run in this thread, and so do all commits. So a commit is never sent
for a partition that a callback has given up: the broker would accept it, because it checks who
commits, not who owns the partition.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from itertools import count
from typing import Final

import structlog
import trio
from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    TopicPartition,
)

from actors.cluster.commits import Commits
from actors.cluster.failure import KafkaFailure, Options, client_options
from actors.cluster.membership import (
    FATAL,
    OFFSET_GONE,
    Holder,
    Holding,
    Membership,
    Outcome,
)
from actors.cluster.read_positions import ReadPositions
from actors.cluster.topic_reader import TopicMessage, message_of
from ingest.telemetry.logs import stack_of

log = structlog.get_logger()

POLL_SECONDS: Final = 0.2
"""How long messages are gathered in a poll: the more of them a fold receives at a time, the less
each costs. A commit may wait as long, and is then sent with those of other partitions."""

BATCH: Final = 1_000
"""Maximum number of messages of a poll."""

REVOKE_SECONDS: Final = 15.0
"""How long the rebalance waits for the folds of revoked partitions; far less than
`max.poll.interval.ms`."""

STALE_SECONDS: Final = 3.0
"""Age of the last poll at which nothing is committed before the next one."""

PACE_SECONDS: Final = 0.01
"""Interval at which commits are taken while a rebalance or the end waits for them."""

_OPTIONS: Final[Options] = {
    "partition.assignment.strategy": "cooperative-sticky",
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "error",
    "enable.partition.eof": False,
    # A commit without an answer holds up the polling for so long.
    "socket.timeout.ms": 10_000,
    # What is read ahead for each partition, in addition to the buffer of its log.
    "queued.max.messages.kbytes": 2_048,
    "fetch.message.max.bytes": 1_048_576,
}


class _Fatal(Exception):  # noqa: N818 - carries a failure
    def __init__(self, failure: KafkaFailure) -> None:
        super().__init__(str(failure))
        self.failure = failure


class ConsumerThread(Membership):
    """Owns a thread and its consumer, from `start` until it fails or is closed.

    An assigned partition is paused until `start` says from where its messages are wanted. Only the
    message that follows the last one is delivered.

    Attributes:
        problem: The last error of a connection or a partition, until messages are received again;
            None if there is none.
        member_id: As the broker calls this member; empty while it is in no group.
    """

    def __init__(
        self, options: Options, topic: str, *, session_seconds: float, instance: str | None = None
    ) -> None:
        """Create the consumer without starting it.

        Args:
            options: The client's, with those of the connection and `group.id`.
            topic: The topic whose partitions are shared out.
            session_seconds: After how long without a sign of life the group gives a member's
                partitions to others.
            instance: Name for static membership: a member that comes back under this name within
                the session gets the same partitions. None for none.
        """
        self.problem: str | None = None
        self.member_id = ""
        self.revoke_seconds = REVOKE_SECONDS
        self._options: Options = {
            **_OPTIONS,
            **options,
            "session.timeout.ms": round(session_seconds * 1000),
            "heartbeat.interval.ms": round(session_seconds * 1000 / 5),
            **({} if instance is None else {"group.instance.id": instance}),
        }
        self._topic = topic
        self._holder: Holder
        self._token: trio.lowlevel.TrioToken
        self._started = False
        self._done = trio.Event()
        self._numbers = count(1)
        self._held: dict[int, Holding] = {}
        self._commits = Commits(topic, self.holds, self._call)
        self._orders: deque[Callable[[Consumer], None]] = deque()
        self._released: set[Holding] = set()
        self._rejoining = False
        self._leave_at: float | None = None
        # The thread's own:
        self._positions = ReadPositions(topic)
        self._polled_at = -math.inf
        self._error: KafkaFailure | None = None
        self._leaving = False

    # What trio's thread calls.

    def run(self, holder: Holder) -> None:
        """Start the thread.

        Args:
            holder: Receives the partitions.
        """
        self._holder = holder
        self._token = trio.lowlevel.current_trio_token()
        self._started = True
        threading.Thread(target=self._run, name="consumer", daemon=True).start()

    def holds(self, holding: Holding) -> bool:
        """See `Membership.holds`."""
        return self._held.get(holding.partition) == holding

    @property
    def proven_at(self) -> float:  # type: ignore[override]
        """See `Membership`."""
        return self._commits.proven_at

    async def commit(self, holding: Holding, offset: int, metadata: str) -> Outcome:
        """See `Membership.commit`."""
        return await self._commits.commit(holding, offset, metadata)

    def start(self, holding: Holding, offset: int) -> int:
        """See `Membership.start`."""
        number = next(self._numbers)
        begin = self._positions.begin
        self._order(holding, lambda _: begin(holding.partition, offset, number))
        return number

    def pause(self, holding: Holding) -> None:
        """See `Membership.pause`."""
        self._order(holding, partial(self._positions.pause, partition=holding.partition))

    def resume(self, holding: Holding) -> None:
        """See `Membership.resume`."""
        self._order(holding, partial(self._positions.resume, partition=holding.partition))

    def release(self, holding: Holding) -> None:
        """See `Membership.release`."""
        self._released.add(holding)

    def rejoin(self) -> None:
        """See `Membership.rejoin`."""
        self._rejoining = True

    def close(self, seconds: float) -> None:
        """Revoke all partitions, leave the group when they are released, and end the thread.

        Args:
            seconds: How long to wait for them.
        """
        self._leave_at = time.monotonic() + seconds
        if not self._started:
            self._done.set()

    async def closed(self) -> None:
        """Wait until the thread has ended."""
        await self._done.wait()

    def _order(self, holding: Holding, order: Callable[[Consumer], None]) -> None:
        self._orders.append(lambda consumer: order(consumer) if self.holds(holding) else None)

    # What the thread does.

    def _run(self) -> None:
        failure: KafkaFailure | None = None
        try:
            while not self._live():
                log.warning("leaving the group, to join it as a new member")
        except _Fatal as error:
            failure = error.failure
        except KafkaException as error:
            failure = KafkaFailure.raised(error)
        except BaseException as error:
            log.critical("consumer failed", error=type(error).__name__, stack=stack_of(error))
            failure = KafkaFailure("UNKNOWN", f"the consumer failed: {type(error).__name__}")
        self._call(self._end, failure)

    def _live(self) -> bool:
        """Be one member of the group.

        Returns:
            Whether to stop; False to join as another member.
        """
        self._rejoining = False
        self._commits.proven_at = -math.inf
        self._polled_at = -math.inf
        consumer = Consumer(client_options(self._options, self._note_error))
        try:
            consumer.subscribe(
                [self._topic],
                on_assign=self._assigned,
                on_revoke=self._revoked,
                on_lost=self._lost,
            )
            while not self._rejoining:
                self._poll(consumer)
                self._serve(consumer)
                if self._leave_at is not None and self._has_left():
                    return True
            return False
        finally:
            self._discard(list(self._held))
            self._orders.clear()
            self.member_id = ""
            consumer.close()

    def _has_left(self) -> bool:
        """Whether all folds have been drained, or the time for it is over."""
        if not self._leaving:
            self._leaving = True
            self._tell(self._holder.revoked, self._held.values())
        over = time.monotonic() >= (self._leave_at or 0.0)
        return over or self._released.issuperset(self._held.values())

    def _poll(self, consumer: Consumer) -> None:
        seconds = POLL_SECONDS if self._leave_at is None else PACE_SECONDS
        messages = consumer.consume(BATCH, 0 if self._commits else seconds)
        self._polled_at = time.monotonic()
        self._check()
        self.member_id = consumer.memberid() or ""
        received: dict[tuple[Holding, int], list[TopicMessage]] = {}
        skipped: set[int] = set()
        for message in messages:
            partition = message.partition()
            error = message.error()
            if error is not None:
                self._note_message_error(error, partition)
            elif partition is not None and partition not in skipped:
                held = self._held.get(partition)
                if held is not None and self._positions.take(partition, message.offset() or 0):
                    at = held, self._positions.start_of(partition)
                    received.setdefault(at, []).append(message_of(message))
                else:
                    skipped.add(partition)
        if received:
            self._call(self._deliver, received)

    def _serve(self, consumer: Consumer) -> None:
        """Do what trio's thread asks for."""
        while self._orders:
            self._orders.popleft()(consumer)
        failure = self._positions.seek(consumer)
        if failure is not None:
            self.problem = str(failure)
        # A process that was paused since then first learns what it has lost.
        if time.monotonic() < self._polled_at + STALE_SECONDS:
            self._serve_commits(consumer)

    def _serve_commits(self, consumer: Consumer) -> None:
        while self._commits:
            self._error = self._commits.send(consumer) or self._error
            self._check()

    # The client's callbacks, within a poll.

    def _assigned(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        # Where it starts does not matter, but it must not be what is committed: with
        # `auto.offset.reset` as it is, it would be an error if there is nothing.
        for place in places:
            place.offset = OFFSET_BEGINNING
        consumer.incremental_assign(places)
        consumer.pause(places)
        if self._leaving:
            return
        for place in places:
            holding = Holding(place.partition, next(self._numbers))
            self._held[place.partition] = holding
            self._call(self._holder.assigned, holding)

    def _revoked(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        revoked = {self._held[each.partition] for each in places if each.partition in self._held}
        if not self._leaving:
            self._tell(self._holder.revoked, revoked)
        deadline = time.monotonic() + self.revoke_seconds
        if self._leave_at is not None:
            deadline = min(deadline, self._leave_at)
        while not self._released.issuperset(revoked) and not self._rejoining:
            if time.monotonic() >= deadline:
                log.warning("partitions are given up before their folds have ended")
                break
            self._serve_commits(consumer)
            time.sleep(PACE_SECONDS)
        self._discard([place.partition for place in places])
        consumer.incremental_unassign(places)

    def _lost(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        log.warning("partitions are lost", partitions=[place.partition for place in places])
        self._discard([place.partition for place in places])
        consumer.incremental_unassign(places)

    def _discard(self, partitions: Sequence[int]) -> None:
        """Hold partitions no longer. From here on their commits are not sent."""
        discarded = [self._held.pop(each) for each in partitions if each in self._held]
        self._positions.forget(partitions)
        self._released.difference_update(discarded)
        self._tell(self._holder.discarded, discarded)

    def _note_error(self, error: KafkaError) -> None:
        failure = KafkaFailure.of(error)
        self.problem = str(failure)
        if failure.fatal or error.code() in FATAL:
            self._error = failure

    def _note_message_error(self, error: KafkaError, partition: int | None) -> None:
        holding = None if partition is None else self._held.get(partition)
        if error.code() == OFFSET_GONE:
            if holding is not None and self._positions.halt(holding.partition):
                start = self._positions.start_of(holding.partition)
                self._call(self._holder.out_of_range, holding, start)
        else:
            self._note_error(error)
            log.warning("partition cannot be read", partition=partition, error=error.name())

    def _check(self) -> None:
        if self._error is not None:
            raise _Fatal(self._error)

    # The way to trio's thread.

    def _tell(self, tell: Callable[[Holding], None], holdings: Iterable[Holding]) -> None:
        for holding in list(holdings):
            self._call(tell, holding)

    def _call(self, function: Callable[..., object], *arguments: object) -> None:
        with suppress(trio.RunFinishedError):
            self._token.run_sync_soon(function, *arguments)

    def _deliver(self, received: dict[tuple[Holding, int], list[TopicMessage]]) -> None:
        self.problem = None
        for (holding, start), messages in received.items():
            self._holder.received(holding, start, messages)

    def _end(self, failure: KafkaFailure | None) -> None:
        self._commits.end()
        self._done.set()
        self._holder.ended(failure)
