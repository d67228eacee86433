"""The note of a partition's log: the plan in the group's offset commit.

Commits may be refused, or remain unanswered, without the partition being lost; `_settle` is how
that is decided.
"""

import time
from collections.abc import Callable
from typing import Final, Protocol

import structlog
import trio
from msgspec.structs import replace

from actors.cluster.admin import CommittedOffset
from actors.cluster.failure import KafkaFailure
from actors.cluster.membership import Holding, Membership, Outcome
from actors.log.lease import Lease
from actors.log.log import LogPoint
from ingest.engine.plan import CheckpointPlace, Plan, encode_plan

log = structlog.get_logger()

RULES: Final = 1
"""Version of the fold's rows, for whoever takes over a batch."""

PACE_SECONDS: Final = 0.25
"""Delay before a commit is tried again; the group is polled meanwhile."""


class CommittedOffsets(Protocol):
    """Tells what the group has committed."""

    async def committed(self, partition: int) -> CommittedOffset | None:
        """Ask for what the group has committed; None if there is nothing.

        Raises:
            KafkaFailure: The brokers do not answer.
        """


class KafkaNote(Lease):
    """The plan of one partition, from a takeover until another one or the partition's end.

    If the group has something else than what was last accepted, `outdated` is set; from then on,
    and when the partition is lost, `write` and `name_checkpoint` never return.

    Attributes:
        plan: What was last accepted.
        outdated: Set when the fold's state must be loaded anew.
        problem: Why the last commit was not accepted; None if it was.
    """

    def __init__(
        self,
        membership: Membership,
        holding: Holding,
        topic: CommittedOffsets,
        *,
        accepted: CommittedOffset | None,
        plan: Plan,
        session_seconds: float,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start with what a takeover has found.

        Args:
            membership: Receives commits.
            holding: The partition.
            topic: Tells what is committed.
            accepted: What the group has committed.
            plan: What that means.
            session_seconds: After how long without a sign of life the group gives partitions to
                others.
            now: Gives Unix seconds.
            monotonic: Gives seconds that go on while the process is paused.
        """
        self.plan = plan
        self.outdated = trio.Event()
        self.problem: str | None = None
        self._membership = membership
        self._holding = holding
        self._partition = holding.partition
        self._topic = topic
        self._accepted = accepted
        self._half = session_seconds / 2
        self._now = now
        self._monotonic = monotonic
        self._writing = trio.Lock()
        self._travelling: Plan | None = None
        self._over = False

    async def write(self, committed: LogPoint, prepared: LogPoint | None) -> None:
        """Have the two points committed, with the checkpoint as it is."""

        def plan() -> Plan:
            return Plan(committed, prepared, self.plan.checkpoint, RULES, int(self._now()))

        await self._write(plan)

    async def name_checkpoint(self, place: CheckpointPlace) -> None:
        """Have a checkpoint committed, with the points as they are."""
        await self._write(lambda: replace(self.plan, checkpoint=place))

    async def _write(self, plan: Callable[[], Plan]) -> None:
        async with self._writing:
            settled = await self._settle(plan())
        if not settled:
            await trio.sleep_forever()

    def expire(self) -> None:
        """Have the state loaded anew."""
        log.warning("another state is committed, it is loaded", partition=self._partition)
        self._over = True
        self.outdated.set()

    async def hold(self) -> bool:
        """See `Lease.hold`. If the last sign of membership is old, the same plan is repeated."""
        await trio.lowlevel.checkpoint()
        while not self._over and self._membership.holds(self._holding):
            if self._is_proven():
                return True
            async with self._writing:
                if not self._is_proven() and not await self._settle(self.plan):
                    return False
        return False

    def _is_proven(self) -> bool:
        return self._monotonic() - self._membership.proven_at < self._half

    async def _settle(self, plan: Plan) -> bool:
        """Have a plan accepted.

        Returns:
            False if this note must not be used any more: the partition is lost, its state must be
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
            log.warning("commit is tried again", partition=self._partition, outcome=outcome.name)
            await trio.sleep(PACE_SECONDS)
            if not await self._is_unchanged():
                if unanswered:
                    return self._renew()
                self.expire()
                return False
        return False

    async def _is_unchanged(self) -> bool:
        """Whether the group still has what was last accepted; waits until the brokers tell."""
        while self._membership.holds(self._holding):
            try:
                return await self._topic.committed(self._partition) == self._accepted
            except KafkaFailure as failure:
                self.problem = str(failure)
            await trio.sleep(PACE_SECONDS)
        return True  # the next commit is not sent

    def _accept(self, plan: Plan, metadata: str) -> None:
        self._accepted = CommittedOffset(plan.offset, metadata)
        self.plan, self._travelling, self.problem = plan, None, None

    def _renew(self) -> bool:
        """Join the group anew, so that the broker refuses what was not answered."""
        log.warning("a commit was not answered, joining the group anew", partition=self._partition)
        self._over = True
        self._membership.rejoin()
        return False
