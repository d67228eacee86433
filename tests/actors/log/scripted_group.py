"""A group of workers whose answers to commits are scripted."""

import trio

from actors.cluster.admin import CommittedOffset
from actors.cluster.failure import KafkaFailure
from actors.cluster.membership import Holding, Membership, Outcome
from actors.cluster.topic_reader import TopicMessage
from actors.log.kafka_note import KafkaNote
from actors.log.log import LogPoint
from ingest.engine.plan import CheckpointPlace, Plan, decode_plan
from tests.examples import NOON

HOLDING = Holding(3, 17)
ACCEPTED, REFUSED, UNANSWERED = Outcome.ACCEPTED, Outcome.REFUSED, Outcome.UNANSWERED
SESSION_SECONDS = 10.0


class ScriptedGroup(Membership):
    """Answers commits as a list says; after its end, they are accepted."""

    def __init__(self, *outcomes: Outcome) -> None:
        self.outcomes = list(outcomes)
        self.proven_at = 0.0
        self.sent: list[CommittedOffset] = []
        self.stored: CommittedOffset | None = None
        self.applies = False
        self.held = True
        self.rejoined = 0
        self.starts: list[int] = []
        self.paused = False
        self.failures = 0
        self.deleted: list[CheckpointPlace] = []
        self.kept: list[int] = []
        self.room = True

    def holds(self, holding: Holding) -> bool:
        return self.held and holding == HOLDING

    async def commit(self, holding: Holding, offset: int, metadata: str) -> Outcome:
        await trio.lowlevel.checkpoint()
        if not self.holds(holding):
            return Outcome.NOT_MINE
        self.sent.append(CommittedOffset(offset, metadata))
        outcome = self.outcomes.pop(0) if self.outcomes else ACCEPTED
        if outcome is ACCEPTED:
            self.proven_at = trio.current_time()
        if outcome is ACCEPTED or (outcome is UNANSWERED and self.applies):
            self.stored = self.sent[-1]
        return outcome

    async def committed(self, partition: int) -> CommittedOffset | None:
        await trio.lowlevel.checkpoint()
        if self.failures:
            self.failures -= 1
            raise KafkaFailure("_TIMED_OUT", "as told")
        return self.stored

    def start(self, holding: Holding, offset: int) -> int:
        self.starts.append(offset)
        return len(self.starts)

    def pause(self, holding: Holding) -> None:
        self.paused = True

    def resume(self, holding: Holding) -> None:
        self.paused = False

    def release(self, holding: Holding) -> None:
        pass

    def rejoin(self) -> None:
        self.rejoined += 1

    def delete_before(self, partition: int, checkpoint: CheckpointPlace) -> None:
        self.deleted.append(checkpoint)

    async def keep_message(self, partition: int, message: TopicMessage, reason: str) -> bool:
        await trio.lowlevel.checkpoint()
        if self.room:
            self.kept.append(message.offset)
        return self.room


def point(offset: int) -> LogPoint:
    return LogPoint(64 * offset, offset)


def place(offset: int) -> CheckpointPlace:
    return CheckpointPlace(f"{offset:016x}", offset, 64 * offset)


def plans(group: ScriptedGroup) -> list[tuple[int, int | None]]:
    """What was sent: the offset, and the offset of the prepared end."""
    found = []
    for sent in group.sent:
        prepared = decode_plan(sent.metadata).prepared
        found.append((sent.offset, None if prepared is None else prepared.position // 64))
    return found


def a_note(group: ScriptedGroup, start: int = 0) -> KafkaNote:
    return KafkaNote(
        group,
        HOLDING,
        group,
        accepted=None,
        plan=Plan(point(start), None, None, 1, 0),
        session_seconds=SESSION_SECONDS,
        now=lambda: NOON,
        monotonic=trio.current_time,
    )
