"""The partitions that a worker owns, and their folds."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

import structlog
import trio

from actors.cluster.checkpoint_topic import CheckpointTopic, Send
from actors.cluster.failure import KafkaFailure
from actors.cluster.letter_redrive import RowsRedrive
from actors.cluster.letter_topic import LetterTopic
from actors.cluster.membership import Holder, Holding, Membership
from actors.cluster.owned_partition import Owned
from actors.cluster.takeover import Readers, Takeover, TopicBounds, take_over
from actors.cluster.topic_reader import TopicMessage
from actors.keepers.log_keeper import Interval
from actors.log.kafka_log import KafkaLog, PartitionTopic
from actors.log.kafka_note import KafkaNote
from actors.pipeline.flush import Flush
from actors.pipeline.partition import Partition
from actors.supervision.actor import Actor
from actors.supervision.supervisor import Supervisor
from ingest.engine.cluster_record import ClusterRecord
from ingest.engine.plan import UnknownPlanError
from ingest.model.event import EnrichedEvent
from ingest.model.verdict import Verdict
from ingest.sites.site import UNREGISTERED_IDS
from ingest.telemetry.logs import stack_of
from ingest.telemetry.metrics import UNKNOWN_SITE, Metrics
from ingest.telemetry.readiness import worst_state

log = structlog.get_logger()

CHECKPOINT_SECONDS: Final = 120.0
"""Interval of a partition's checkpoints."""

IDLE_SECONDS: Final = 86_400.0
"""Interval of checkpoints of a partition without events: the topic deletes them after two days."""

TAKEOVERS: Final = 4
"""Partitions that are taken over at the same time; each loads its checkpoint."""

RETRY_SECONDS: Final = 2.0

_GOLDEN: Final = 0.618034


class Topic(PartitionTopic, TopicBounds, Protocol):
    """The events topic, as takeovers and logs use it."""


class FoldMetrics:
    """Counts the events that the fold drops; those who answered the requests have counted them."""

    def __init__(self, metrics: Metrics) -> None:
        """Count in metrics."""
        self._metrics = metrics

    def folded(self, end: int, drops: Mapping[int, tuple[EnrichedEvent, Verdict]]) -> None:
        """See `FoldVerdicts.folded`."""
        for event, verdict in drops.values():
            # Workers have no list of sites; fronts accept others only with ids of their own.
            registered = event.site_id < UNREGISTERED_IDS
            self._metrics.count_verdict(event.domain if registered else UNKNOWN_SITE, verdict)

    def fold_reads(self) -> None:
        """Nobody waits for the fold."""

    def fold_waits(self) -> None:
        """Nobody waits for the fold."""


class Ownership(Holder):
    """Runs a fold for each partition that the group gives to this worker.

    A partition that is assigned is taken over, and folded under supervision. When it is revoked,
    its fold ends in order: it flushes, saves a checkpoint and commits. When it is discarded, its
    fold is cancelled. When its state is outdated, it is taken over again.

    Attributes:
        owned: The partitions.
        failure: Why the membership has ended; None if it has not, or was closed.
        ended_event: Set when the membership has ended.
    """

    def __init__(
        self,
        membership: Membership,
        record: ClusterRecord,
        topic: Topic,
        readers: Readers,
        send: Send,
        letters: LetterTopic,
        outlet: trio.MemorySendChannel[Flush],
        supervisor: Supervisor,
        metrics: Metrics,
        *,
        flush_rows: int,
        flush_seconds: float,
        session_seconds: float,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        checkpoint_seconds: float = CHECKPOINT_SECONDS,
    ) -> None:
        """Own no partition.

        Args:
            membership: The group.
            record: What the members of the cluster agree on.
            topic: The events topic.
            readers: Open readers of the checkpoints topic.
            send: Appends to the checkpoints topic.
            letters: Keep what cannot be handled.
            outlet: Channel to the writer.
            supervisor: Runs the folds.
            metrics: Where batches and drops are counted.
            flush_rows: Events that make a flush due.
            flush_seconds: Age of the oldest event that makes a flush due.
            session_seconds: After how long without a sign of life the group gives partitions to
                others.
            now: Gives Unix seconds.
            monotonic: Gives seconds that go on while the process is paused.
            checkpoint_seconds: Interval of a partition's checkpoints.
        """
        self.owned: dict[Holding, Owned] = {}
        self.failure: KafkaFailure | None = None
        self.ended_event = trio.Event()
        self._membership = membership
        self._record = record
        self._topic = topic
        self._readers = readers
        self._send = send
        self._letters = letters
        self._outlet = outlet
        self._supervisor = supervisor
        self._metrics = metrics
        self._verdicts = FoldMetrics(metrics)
        self._flush_rows = flush_rows
        self._flush_seconds = flush_seconds
        self._session_seconds = session_seconds
        self._now = now
        self._monotonic = monotonic
        self._checkpoint_seconds = checkpoint_seconds
        self._takeovers = trio.Semaphore(TAKEOVERS)
        self._nursery: trio.Nursery

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run the folds until the membership has ended and they have, too."""
        async with trio.open_nursery() as self._nursery:
            task_status.started()
            await self.ended_event.wait()

    def close(self) -> None:
        """Close the channel to the writer."""
        self._outlet.close()

    # As the holder of partitions.

    def assigned(self, holding: Holding) -> None:
        """See `Holder.assigned`."""
        owned = self.owned[holding] = Owned(holding)
        self._nursery.start_soon(self._own, owned)

    def revoked(self, holding: Holding) -> None:
        """See `Holder.revoked`."""
        owned = self.owned.get(holding)
        if owned is None:
            self._membership.release(holding)
            return
        owned.draining, owned.since = True, trio.current_time()
        owned.loading.cancel()
        if owned.log is not None:
            owned.log.stop()

    def discarded(self, holding: Holding) -> None:
        """See `Holder.discarded`."""
        owned = self.owned.get(holding)
        if owned is not None:
            owned.scope.cancel()

    def received(self, holding: Holding, start: int, messages: Sequence[TopicMessage]) -> None:
        """See `Holder.received`."""
        owned = self.owned.get(holding)
        if owned is not None and owned.log is not None:
            owned.log.received(start, messages)

    def out_of_range(self, holding: Holding, start: int) -> None:
        """See `Holder.out_of_range`."""
        owned = self.owned.get(holding)
        if owned is not None and owned.log is not None:
            owned.log.out_of_range(start)

    def ended(self, failure: KafkaFailure | None) -> None:
        """See `Holder.ended`."""
        self.failure = failure
        self.ended_event.set()

    # The life of a partition.

    async def _own(self, owned: Owned) -> None:
        with owned.scope:
            while not owned.draining:
                try:
                    await self._fold(owned)
                except Exception as error:
                    owned.problem = f"the takeover failed: {type(error).__name__}"
                    log.error(
                        "partition cannot be folded",
                        partition=owned.holding.partition,
                        error=type(error).__name__,
                        stack=stack_of(error),
                    )
                    await trio.sleep(RETRY_SECONDS)
        self._membership.release(owned.holding)
        del self.owned[owned.holding]

    async def _fold(self, owned: Owned) -> None:
        """Take a partition over, and fold it until it is drained or outdated."""
        takeover: Takeover | None = None
        with trio.CancelScope() as owned.loading:
            if not owned.draining:
                takeover = await self._take_over(owned)
        if takeover is None:
            return
        # No checkpoint of trio's from here on: messages and orders find the log.
        source = self._log_of(owned.holding, takeover)
        partition = self._partition_of(source, takeover)
        owned.log, owned.partition = source, partition
        owned.since = trio.current_time()
        if owned.draining:
            source.stop()
        try:
            await self._run_partition(owned, source, partition)
        finally:
            for actor in owned.actors:
                self._supervisor.forget(owned.name_of(actor))
                actor.close()
            owned.log = owned.partition = None

    async def _run_partition(self, owned: Owned, source: KafkaLog, partition: Partition) -> None:
        async with trio.open_nursery() as all_of_it:
            all_of_it.start_soon(_cancel_when, source.outdated, all_of_it.cancel_scope)
            async with trio.open_nursery() as keepers:
                keepers.start_soon(self._redrive_rows, source)
                async with trio.open_nursery() as stages:
                    for actor in owned.actors:
                        nursery = stages if actor in partition.actors else keepers
                        nursery.start_soon(self._supervise, owned, actor)
                keepers.cancel_scope.cancel()
            await partition.save()
            all_of_it.cancel_scope.cancel()

    async def _supervise(self, owned: Owned, actor: Actor) -> None:
        await self._supervisor.supervise(actor, name=owned.name_of(actor))

    async def _take_over(self, owned: Owned) -> Takeover:
        partition = owned.holding.partition
        while True:
            try:
                async with self._takeovers:
                    takeover = await take_over(
                        partition,
                        f"{self._record.cluster_id}-{partition}",
                        self._topic,
                        self._readers,
                        self._record.description,
                    )
                    # What the last owner has turned into letters is not folded again.
                    await self._letters.read_to_end()
            except KafkaFailure as failure:
                owned.problem = str(failure)
            except UnknownPlanError as error:
                owned.problem = f"{error}; a later version of Sluice wrote it: upgrade this worker"
            else:
                owned.problem = None
                log.info(
                    "partition taken over",
                    partition=partition,
                    committed=takeover.plan.committed.position,
                    replayed=takeover.plan.committed.position - takeover.state.position,
                )
                return takeover
            log.error("partition cannot be taken over", partition=partition, error=owned.problem)
            await trio.sleep(RETRY_SECONDS)

    def _log_of(self, holding: Holding, takeover: Takeover) -> KafkaLog:
        state = takeover.state
        note = KafkaNote(
            self._membership,
            holding,
            self._topic,
            accepted=takeover.accepted,
            plan=takeover.plan,
            session_seconds=self._session_seconds,
            now=self._now,
            monotonic=self._monotonic,
        )
        source = KafkaLog(
            self._membership,
            holding,
            self._topic,
            self._letters,
            note,
            cluster_id=self._record.cluster_id,
            first=takeover.first,
            start=takeover.plan.committed._replace(position=state.position, number=state.number),
        )
        source.lost = takeover.lost
        return source

    def _partition_of(self, source: KafkaLog, takeover: Takeover) -> Partition:
        number = source.partition
        first = self._checkpoint_seconds * (number * _GOLDEN % 1)
        return Partition(
            source,
            takeover.state,
            self._outlet.clone(),
            self._verdicts,
            self._letters,
            self._metrics,
            flush_rows=self._flush_rows,
            flush_seconds=self._flush_seconds,
            checkpoints=CheckpointTopic(number, self._send, source.name_checkpoint),
            interval=Interval(first, self._checkpoint_seconds, IDLE_SECONDS),
        )

    async def _redrive_rows(self, source: KafkaLog) -> None:
        """Store the rows of letters that an operator wants to be redriven."""
        async with self._outlet.clone() as outlet:
            await RowsRedrive(self._letters, outlet, source).run()

    # Reports.

    def status(self) -> dict[str, object]:
        """The partitions' part of the readiness report."""
        partitions = {
            str(holding.partition): owned.status() for holding, owned in sorted(self.owned.items())
        }
        return {
            "status": worst_state(partitions.values()),
            "owned": len(partitions),
            "partitions": partitions,
        }

    def figures(self) -> dict[str, float]:
        """Gauges by their names in `/metrics`, summed over the partitions."""
        sums = {
            "sluice_partitions_owned": float(len(self.owned)),
            "sluice_journal_backlog_events": 0.0,
            "sluice_journal_events_lost": 0.0,
            "sluice_rows_gathered": 0.0,
        }
        for owned in self.owned.values():
            if owned.partition is not None:
                for name, value in owned.partition.figures().items():
                    sums[name] = sums.get(name, 0.0) + value
        return sums


async def _cancel_when(event: trio.Event, scope: trio.CancelScope) -> None:
    await event.wait()
    scope.cancel()
