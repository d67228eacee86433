"""A worker of a cluster: everything behind its topics, down to the store."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog
import trio

from actors.cluster.consumer_thread import ConsumerThread
from actors.cluster.failure import KafkaFailure, Options
from actors.cluster.letter_topic import LetterTopic
from actors.cluster.ownership import Ownership
from actors.cluster.partition_folds import CHECKPOINT_SECONDS, PartitionFolds
from actors.cluster.worker_topics import WorkerTopics
from actors.keepers.watchdog import Watchdog
from actors.pipeline.flush import Flush
from actors.pipeline.writer import Retry, Writer
from actors.stores.store import Store
from actors.supervision.actor import Actor
from actors.supervision.supervisor import Supervisor
from ingest.engine.cluster_record import ClusterRecord
from ingest.engine.message import POSITIONS
from ingest.engine.topics import TopicNames
from ingest.telemetry.metrics import Metrics

log = structlog.get_logger()

LOOK_SECONDS: Final = 5.0
"""Interval at which the lag of the owned partitions is looked at."""

SILENT_LOOKS: Final = 24
"""How many looks in a row, in some two minutes, may find that a partition has messages and receives
none, although it has room for them. While the brokers or the process are away, there are none."""

CLOSE_SECONDS: Final = 5.0
"""How much longer than its folds the consumer may take to leave the group."""


@dataclass(frozen=True, slots=True)
class Connection:
    """How a worker connects, as options of librdkafka.

    Attributes:
        consumer: The group's consumer, with `group.id`.
        producer: The producer of checkpoints and letters.
        reader: Readers of topics.
        admin: Questions and deletions.
        instance: Name for static membership; None for none.
    """

    consumer: Options
    producer: Options
    reader: Options
    admin: Options
    instance: str | None = None


class Lag(Actor):
    """Finds partitions that have messages and receive none.

    A consumer that is silent while others wait for its partitions must not stay in the group.

    Attributes:
        lag: Number of messages that the store does not have, by partition.
    """

    name = "lag"

    def __init__(
        self, ownership: Ownership, topics: WorkerTopics, failed: Callable[[str], object]
    ) -> None:
        """Look at the partitions of an ownership.

        Args:
            ownership: The partitions.
            topics: Tell where they end.
            failed: Told of a partition that receives nothing.
        """
        self.lag: dict[int, int] = {}
        self._ownership = ownership
        self._topics = topics
        self._failed = failed
        self._silent: dict[int, tuple[int, int]] = {}

    async def run(self) -> None:
        """Look forever."""
        while True:
            await trio.sleep(LOOK_SECONDS)
            try:
                await self._look()
            except KafkaFailure as failure:
                log.warning("the lag of the partitions is not known", error=str(failure))

    async def _look(self) -> None:
        logs = {
            holding.partition: owned.log
            for holding, owned in self._ownership.owned.items()
            if owned.log is not None
        }
        bounds = await self._topics.all_bounds(list(logs)) if logs else {}
        self.lag = {}
        silent: dict[int, tuple[int, int]] = {}
        for partition, source in logs.items():
            high, end = bounds[partition].high, source.end.position // POSITIONS
            self.lag[partition] = max(0, high - source.committed.position // POSITIONS)
            if high <= end or not source.reads:
                continue
            position, looks = self._silent.get(partition, (end, -1))
            silent[partition] = (end, looks + 1 if position == end else 0)
            if silent[partition][1] >= SILENT_LOOKS:
                self._failed(f"partition {partition} has messages and receives none")
        self._silent = silent


class Worker:
    """Owns partitions of the events topic, folds them, and stores their rows.

    Attributes:
        fatal: Set when the worker cannot go on; `reason` says why. The process should end with 70.
        reason: Why it cannot go on; None while it can.
        letters: The dead letters of the cluster.
        ownership: The partitions.
    """

    def __init__(
        self,
        connection: Connection,
        names: TopicNames,
        record: ClusterRecord,
        store: Store,
        metrics: Metrics,
        *,
        session_seconds: float,
        flush_rows: int,
        flush_seconds: float,
        now: Callable[[], float] = time.time,
        store_opened: bool = True,
        retry: Retry | None = None,
        supervisor: Supervisor | None = None,
        checkpoint_seconds: float = CHECKPOINT_SECONDS,
    ) -> None:
        """Build the worker without connecting; call it inside `trio.run`.

        Args:
            connection: How to connect.
            names: The names of the topics and the group.
            record: What the members of the cluster agree on.
            store: Where rows go; the caller's.
            metrics: Where all is counted.
            session_seconds: After how long without a sign of life the group gives partitions to
                others.
            flush_rows: Events that make a flush due.
            flush_seconds: Age of the oldest event that makes a flush due.
            now: Gives Unix seconds.
            store_opened: Whether the store is open; otherwise the writer opens it.
            retry: How long the writer waits between attempts.
            supervisor: Runs the actors; a new one by default.
            checkpoint_seconds: Interval of a partition's checkpoints.
        """
        self.fatal = trio.Event()
        self.reason: str | None = None
        self.supervisor = supervisor or Supervisor(
            on_restart=lambda name: metrics.actor_restarts.labels(name.rstrip(" 0123456789")).inc()
        )
        self._topics = WorkerTopics(
            names,
            producer=connection.producer,
            reader=connection.reader,
            admin=connection.admin,
        )
        self._consumer = ConsumerThread(
            connection.consumer,
            names.events,
            session_seconds=session_seconds,
            instance=connection.instance,
        )
        self.letters = LetterTopic(
            self._topics.letters(),
            self._topics.letters_end,
            self._topics.letters,
            self._topics.send_letter,
            now,
            lambda actor: metrics.dead_letters.labels(actor).inc(),
        )
        outlet, flushes = trio.open_memory_channel[Flush](0)
        self._folds = PartitionFolds(
            self._consumer,
            record,
            self._topics,
            self._topics.checkpoints,
            self._topics.send_checkpoint,
            self.letters,
            outlet,
            metrics,
            flush_rows=flush_rows,
            flush_seconds=flush_seconds,
            session_seconds=session_seconds,
            now=now,
            checkpoint_seconds=checkpoint_seconds,
        )
        self.ownership = Ownership(self._consumer, self._folds, self.supervisor)
        self.writer = Writer(
            flushes, store, self.letters, metrics, opened=store_opened, retry=retry
        )
        self._lag = Lag(self.ownership, self._topics, self._fail)
        self._now = now
        self._draining = False
        self._drained = trio.Event()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Work until `drain` is called, or cancelled. After a fatal error, wait for either."""
        try:
            async with trio.open_nursery() as keepers:
                for actor in (self.letters, self._lag, Watchdog(self.supervisor)):
                    keepers.start_soon(self.supervisor.supervise, actor)
                keepers.start_soon(self._topics.delete_records)
                keepers.start_soon(self._watch_supervisor)
                async with trio.open_nursery() as stages:
                    stages.start_soon(self.supervisor.supervise, self.writer)
                    await stages.start(self.ownership.run)
                    self._consumer.run(self.ownership)
                    task_status.started()
                    await self.ownership.ended_event.wait()
                    if self.ownership.failure is not None:
                        self._fail(f"the consumer failed: {self.ownership.failure}")
                    self._folds.close()
                if not self._draining:
                    await trio.sleep_forever()
                keepers.cancel_scope.cancel()
        finally:
            self._consumer.close(0)
            self.letters.close()
            self._topics.close()
            self._drained.set()

    async def _watch_supervisor(self) -> None:
        await self.supervisor.fatal.wait()
        self._fail("actors fail too often")

    def _fail(self, reason: str) -> None:
        if not self.fatal.is_set():
            log.critical("the worker cannot go on", reason=reason)
            self.reason = reason
            self.fatal.set()

    async def drain(self, seconds: float) -> None:
        """Store what was read, save checkpoints, leave the group, and let `run` return.

        Args:
            seconds: How long this may take; then the rest is left to the next owner.
        """
        self._draining = True
        self._consumer.close(seconds)
        with trio.move_on_after(seconds + CLOSE_SECONDS) as waiting:
            await self._drained.wait()
        if waiting.cancelled_caught:
            log.warning("the worker has not left the group in time")

    @property
    def lags(self) -> dict[int, int]:
        """Messages that the store does not have, by owned partition."""
        return {
            holding.partition: self._lag.lag.get(holding.partition, 0)
            for holding in self.ownership.owned
        }

    @property
    def oldest_seconds(self) -> float | None:
        """Age of the oldest received message that is not stored; None if there is none."""
        times = [
            owned.log.oldest_at
            for owned in self.ownership.owned.values()
            if owned.log is not None and owned.log.oldest_at is not None
        ]
        return max(0.0, self._now() - min(times)) if times else None

    @property
    def trouble(self) -> str:
        """Why the worker cannot go on as it should; empty if it can."""
        parts = self.status()
        reasons = [str(parts[name].get("reason", "")) for name in ("cluster", "store")]
        return "; ".join(reason for reason in reasons if reason)

    def status(self) -> dict[str, dict[str, object]]:
        """The readiness report, by parts; a part that is `down` makes the worker not ready."""
        group: dict[str, object] = {"status": "ok", **self.ownership.status()}
        if self.fatal.is_set():
            group |= {"status": "down", "reason": self.reason}
        elif self._draining:
            group |= {"status": "down", "reason": "draining"}
        elif not self._consumer.member_id:
            group |= {"status": "down", "reason": self._consumer.problem or "not in the group yet"}
        elif group["status"] == "ok" and self._consumer.problem is not None:
            group |= {"status": "degraded", "reason": self._consumer.problem}
        group["lag_messages"] = sum(self._lag.lag.values())
        return {
            "cluster": group,
            "store": self.writer.status(),
            "dead_letters": self.letters.status(),
            "actors": self.supervisor.status(),
        }

    def figures(self) -> dict[str, float]:
        """Gauges by their names in `/metrics`."""
        return {
            **self.ownership.figures(),
            **self.writer.figures(),
            **self.letters.figures(),
            **self.supervisor.figures(),
            "sluice_partitions_lag_messages": float(sum(self._lag.lag.values())),
        }
