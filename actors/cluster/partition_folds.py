"""The folds of a worker's partitions: how they are taken over, and what they are made of."""

import time
from collections.abc import Callable, Mapping
from typing import Final, Protocol

import structlog
import trio

from actors.cluster.checkpoint_topic import CheckpointTopic, Send
from actors.cluster.failure import KafkaFailure
from actors.cluster.letter_redrive import RowsRedrive
from actors.cluster.letter_topic import LetterTopic
from actors.cluster.membership import Holding, Membership
from actors.cluster.owned_partition import Owned
from actors.cluster.takeover import Readers, Takeover, TopicBounds, take_over
from actors.keepers.log_keeper import Interval
from actors.log.kafka_log import KafkaLog, PartitionTopic
from actors.log.kafka_note import KafkaNote
from actors.pipeline.flush import Flush
from actors.pipeline.partition import Partition
from ingest.engine.cluster_record import ClusterRecord
from ingest.engine.plan import UnknownPlanError
from ingest.model.event import EnrichedEvent
from ingest.model.verdict import Verdict
from ingest.sites.site import UNREGISTERED_IDS
from ingest.telemetry.metrics import UNKNOWN_SITE, Metrics

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
            assert verdict.reason is not None, "a drop has a reason"  # noqa: S101
            domain = event.domain if registered else UNKNOWN_SITE
            self._metrics.count_drop(domain, verdict.reason)

    def fold_reads(self) -> None:
        """Nobody waits for the fold."""

    def fold_waits(self) -> None:
        """Nobody waits for the fold."""


class PartitionFolds:
    """Makes the folds of the partitions that a worker owns."""

    def __init__(
        self,
        membership: Membership,
        record: ClusterRecord,
        topic: Topic,
        readers: Readers,
        send: Send,
        letters: LetterTopic,
        outlet: trio.MemorySendChannel[Flush],
        metrics: Metrics,
        *,
        flush_rows: int,
        flush_seconds: float,
        session_seconds: float,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        checkpoint_seconds: float = CHECKPOINT_SECONDS,
    ) -> None:
        """Make no fold yet.

        Args:
            membership: The group.
            record: What the members of the cluster agree on.
            topic: The events topic.
            readers: Open readers of the checkpoints topic.
            send: Appends to the checkpoints topic.
            letters: Keep what cannot be handled.
            outlet: Channel to the writer.
            metrics: Where batches and drops are counted.
            flush_rows: Events that make a flush due.
            flush_seconds: Age of the oldest event that makes a flush due.
            session_seconds: After how long without a sign of life the group gives partitions to
                others.
            now: Gives Unix seconds.
            monotonic: Gives seconds that go on while the process is paused.
            checkpoint_seconds: Interval of a partition's checkpoints.
        """
        self._membership = membership
        self._record = record
        self._topic = topic
        self._readers = readers
        self._send = send
        self._letters = letters
        self._outlet = outlet
        self._metrics = metrics
        self._verdicts = FoldMetrics(metrics)
        self._flush_rows = flush_rows
        self._flush_seconds = flush_seconds
        self._session_seconds = session_seconds
        self._now = now
        self._monotonic = monotonic
        self._checkpoint_seconds = checkpoint_seconds
        self._takeovers = trio.Semaphore(TAKEOVERS)

    def close(self) -> None:
        """Close the channel to the writer."""
        self._outlet.close()

    async def take_over(self, owned: Owned) -> Takeover:
        """Take a partition over; tries again until the brokers answer."""
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

    def make(self, holding: Holding, takeover: Takeover) -> tuple[KafkaLog, Partition]:
        """Make the log of a partition, and the actors that fold it."""
        source = self._log_of(holding, takeover)
        return source, self._partition_of(source, takeover)

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

    async def redrive_rows(self, source: KafkaLog) -> None:
        """Store the rows of letters that an operator wants to be redriven."""
        async with self._outlet.clone() as outlet:
            await RowsRedrive(self._letters, outlet, source).run()
