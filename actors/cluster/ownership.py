"""The partitions that a worker owns, and their folds."""

from collections.abc import Sequence
from typing import Final

import structlog
import trio

from actors.cluster.failure import KafkaFailure
from actors.cluster.membership import Holder, Holding, Membership
from actors.cluster.owned_partition import Owned
from actors.cluster.partition_folds import PartitionFolds
from actors.cluster.takeover import Takeover
from actors.cluster.topic_reader import TopicMessage
from actors.log.kafka_log import KafkaLog
from actors.pipeline.partition import Partition
from actors.supervision.actor import Actor
from actors.supervision.supervisor import Supervisor
from ingest.telemetry.logs import stack_of
from ingest.telemetry.readiness import worst_state

log = structlog.get_logger()

RETRY_SECONDS: Final = 2.0


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
        self, membership: Membership, folds: PartitionFolds, supervisor: Supervisor
    ) -> None:
        """Own no partition.

        Args:
            membership: The group.
            folds: Makes the folds.
            supervisor: Runs the folds.
        """
        self.owned: dict[Holding, Owned] = {}
        self.failure: KafkaFailure | None = None
        self.ended_event = trio.Event()
        self._membership = membership
        self._folds = folds
        self._supervisor = supervisor
        self._nursery: trio.Nursery

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run the folds until the membership has ended and they have, too."""
        async with trio.open_nursery() as self._nursery:
            task_status.started()
            await self.ended_event.wait()

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
                takeover = await self._folds.take_over(owned)
        if takeover is None:
            return
        # No checkpoint of trio's from here on: messages and orders find the log.
        source, partition = self._folds.make(owned.holding, takeover)
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
                keepers.start_soon(self._folds.redrive_rows, source)
                async with trio.open_nursery() as stages:
                    for actor in owned.actors:
                        nursery = stages if actor in partition.actors else keepers
                        nursery.start_soon(self._supervise, owned, actor)
                keepers.cancel_scope.cancel()
            await partition.save()
            all_of_it.cancel_scope.cancel()

    async def _supervise(self, owned: Owned, actor: Actor) -> None:
        await self._supervisor.supervise(actor, name=owned.name_of(actor))

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
