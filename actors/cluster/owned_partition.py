"""A partition that a worker owns."""

from dataclasses import dataclass, field

import trio

from actors.cluster.membership import Holding
from actors.log.kafka_log import KafkaLog
from actors.pipeline.partition import Partition
from actors.supervision.actor import Actor
from ingest.telemetry.readiness import worst_state


@dataclass(eq=False)
class Owned:
    """A partition from its assignment until it is released or discarded.

    Attributes:
        holding: The partition.
        scope: Of all that works for it.
        loading: Of the takeover.
        log: Its log; None until it is taken over.
        partition: The actors; None until then.
        draining: Whether it is to be given up.
        problem: Why it cannot be taken over; None if it can.
        since: When the current state began, on trio's clock.
    """

    holding: Holding
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    loading: trio.CancelScope = field(default_factory=trio.CancelScope)
    log: KafkaLog | None = None
    partition: Partition | None = None
    draining: bool = False
    problem: str | None = None
    since: float = field(default_factory=trio.current_time)

    @property
    def actors(self) -> list[Actor]:
        """Its actors; none until it is taken over."""
        if self.partition is None:
            return []
        keeper = self.partition.keeper
        return [*self.partition.actors, *(() if keeper is None else (keeper,))]

    def name_of(self, actor: Actor) -> str:
        """The name of an actor in reports."""
        return f"{actor.name} {self.holding.partition}"

    def status(self) -> dict[str, object]:
        """Its part of the readiness report."""
        if self.problem is not None:
            return {"status": "down", "state": "taking over", "reason": self.problem}
        if self.partition is None:
            return {"status": "ok", "state": "taking over"}
        fold = self.partition.sessions.status()
        status = self.partition.status()
        reasons = {key: value for key, value in fold.items() if key == "reason"}
        return {
            **status,
            **reasons,
            "status": worst_state((fold, status)),
            "state": "draining" if self.draining else "folding",
        }
