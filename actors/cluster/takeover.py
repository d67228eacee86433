"""Where the fold of a partition begins, by what its last owner has left."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import structlog
from msgspec.structs import replace

from actors.cluster.admin import Bounds, CommittedOffset
from actors.cluster.checkpoint_topic import Reader, load_checkpoint, newest_checkpoint
from actors.log.kafka_note import RULES
from ingest.engine.message import POSITIONS
from ingest.engine.plan import CheckpointPlace, Plan, UnknownPlanError, decode_plan
from ingest.fold.checkpoint import FoldState
from ingest.records.record import Description
from ingest.records.run import LogPoint

log = structlog.get_logger()


class TopicBounds(Protocol):
    """What a takeover asks the brokers. All methods raise `KafkaFailure`."""

    async def committed(self, partition: int) -> CommittedOffset | None:
        """What the group has committed; None if there is nothing."""

    async def bounds(self, partition: int) -> Bounds:
        """The bounds of the partition's messages."""


Readers = Callable[[int, int | None], Reader]
"""Opens a reader of a partition of the checkpoints topic, from an offset or the beginning."""


@dataclass(frozen=True, slots=True)
class Takeover:
    """What the fold and the log of a partition start with.

    Attributes:
        accepted: What the group has committed; None if there is nothing.
        plan: What that means, corrected by what is there.
        state: The fold's first state.
        first: Position of the first message of the partition.
        lost: Number of messages that retention has deleted before the store had them.
    """

    accepted: CommittedOffset | None
    plan: Plan
    state: FoldState
    first: int
    lost: int


async def take_over(
    partition: int, log_id: str, topic: TopicBounds, readers: Readers, description: Description
) -> Takeover:
    """Find out where the fold of a partition begins.

    Args:
        partition: The partition.
        log_id: The id of its log.
        topic: The events topic.
        readers: Open readers of the checkpoints topic.
        description: The parameters of a fold without a checkpoint.

    Raises:
        KafkaFailure: The brokers do not answer.
        UnknownPlanError: A later version of Sluice has committed.
    """
    accepted = await topic.committed(partition)
    bounds = await topic.bounds(partition)
    first = bounds.low * POSITIONS
    plan = None if accepted is None else plan_of(accepted)
    state: FoldState | None = None
    place = None if plan is None else plan.checkpoint
    if place is not None:
        state = await _load(partition, place, readers)
        if state is not None and plan is not None and state.position > plan.committed.position:
            state = None  # an operator has moved the committed offset back
    if state is None and (first > 0 or place is not None or plan is None):
        last = None if plan is None else plan.committed.position
        reader = readers(partition, None)
        try:
            state = await newest_checkpoint(reader, log_id, first, last)
        finally:
            reader.close()
    return begin(accepted, plan, state, log_id, first, description)


async def _load(partition: int, place: CheckpointPlace, readers: Readers) -> FoldState | None:
    reader = readers(partition, place.offset)
    try:
        state = await load_checkpoint(reader, place)
    finally:
        reader.close()
    if state is None:
        log.error("checkpoint is not whole, an older one is looked for", partition=partition)
    return state


def plan_of(accepted: CommittedOffset) -> Plan:
    """What is committed, also if an operator has committed the offset.

    Raises:
        UnknownPlanError: A later version of Sluice has committed it.
    """
    try:
        plan = decode_plan(accepted.metadata)
    except UnknownPlanError:
        raise
    except ValueError:
        log.error("offset was committed by another program", offset=accepted.offset)
        return Plan(LogPoint(accepted.offset * POSITIONS, 0), None, None, RULES, 0)
    if plan.offset == accepted.offset:
        return plan
    log.error("committed offset was changed", offset=accepted.offset, planned=plan.offset)
    point = LogPoint(accepted.offset * POSITIONS, plan.committed.number)
    return Plan(point, None, plan.checkpoint, RULES, 0)


def begin(
    accepted: CommittedOffset | None,
    plan: Plan | None,
    state: FoldState | None,
    log_id: str,
    first: int,
    description: Description,
) -> Takeover:
    """Decide where the fold begins.

    Sessions that continued from a state other than the store's would cancel rows that do not exist.
    So without a state at or before the committed position, and all messages since, they begin anew.

    Args:
        accepted: What the group has committed.
        plan: What that means.
        state: Of the newest checkpoint that may be of use.
        log_id: Of the log.
        first: Position of the partition's first message.
        description: The parameters of a fold without a checkpoint.
    """
    fresh = FoldState(log_id, first, 0, 0, description, (), (), ())
    if plan is None:
        if state is None:
            log.info("nothing is committed, the partition is read from its beginning", log=log_id)
        else:
            log.error("nothing is committed, the fold continues from a checkpoint", log=log_id)
        state = state or fresh
        plan = Plan(LogPoint(state.position, state.number), None, None, RULES, 0)
        return Takeover(accepted, plan, state, first, 0)
    committed = plan.committed
    if committed.position < first:
        lost = (first - committed.position) // POSITIONS
        log.critical("retention has deleted messages that were not stored", messages=lost)
        point = LogPoint(first, committed.number)
        prepared = plan.prepared
        if prepared is not None and prepared.position <= first:
            prepared = None
        # The checkpoint is of no more use: what follows it is not all there.
        moved = replace(plan, committed=point, prepared=prepared, checkpoint=None)
        return Takeover(accepted, moved, _anew(fresh, point, state), first, lost)
    if state is not None and first <= state.position <= committed.position:
        return Takeover(accepted, plan, state, first, 0)
    if first == 0:
        return Takeover(accepted, plan, fresh, first, 0)
    log.error("no checkpoint fits the partition, open sessions begin anew", log=log_id)
    return Takeover(accepted, plan, _anew(fresh, committed, state), first, 0)


def _anew(fresh: FoldState, point: LogPoint, state: FoldState | None) -> FoldState:
    """A state without sessions; what is known of sources stays."""
    moved = replace(fresh, position=point.position, number=point.number)
    if state is None:
        return moved
    return replace(moved, log_time=state.log_time, sources=state.sources)
