"""A worker's membership in the group that shares out the partitions."""

import enum
from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from confluent_kafka import KafkaError

from actors.cluster.failure import KafkaFailure
from actors.cluster.topic_reader import TopicMessage


class Outcome(enum.Enum):
    """What became of a commit.

    Attributes:
        ACCEPTED: It is committed.
        REFUSED: It is not committed, and will not be. The partition may be lost or not.
        UNANSWERED: It may be committed now, later, or never.
        NOT_MINE: It was not sent, because the partition is no longer held.
    """

    ACCEPTED = enum.auto()
    REFUSED = enum.auto()
    UNANSWERED = enum.auto()
    NOT_MINE = enum.auto()


REFUSALS: Final = frozenset(
    {
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.GROUP_ID_NOT_FOUND,
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.INVALID_COMMIT_OFFSET_SIZE,
        KafkaError.INVALID_GROUP_ID,
        KafkaError.OFFSET_METADATA_TOO_LARGE,
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError.STALE_MEMBER_EPOCH,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
    }
)
"""Errors with which the broker refuses a commit before it writes anything.

All others leave open what became of it, also those that a broker sends after it has written the
commit and waited in vain for its replicas (COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR).
"""

FATAL: Final = frozenset({KafkaError.FENCED_INSTANCE_ID, KafkaError._FENCED, KafkaError._FATAL})
"""Errors after which the client cannot be used any more."""


OFFSET_GONE: Final = KafkaError._AUTO_OFFSET_RESET
"""Error of a partition whose next message is no longer there."""


def outcome_of(code: int | None) -> Outcome:
    """The outcome of a commit that ended with an error's code, or with None."""
    if code is None:
        return Outcome.ACCEPTED
    return Outcome.REFUSED if code in REFUSALS else Outcome.UNANSWERED


class Holding(NamedTuple):
    """A partition from one assignment to this worker until it is revoked or lost.

    Attributes:
        partition: The partition.
        number: Differs for each assignment.
    """

    partition: int
    number: int


class Membership(Protocol):
    """The group, as the folds of a worker use it. All calls are made in trio's thread.

    Attributes:
        proven_at: When the last accepted commit was sent, on `time.monotonic`: at that time this
            worker was a member of the group. Minus infinity if there was none.
    """

    proven_at: float

    def holds(self, holding: Holding) -> bool:
        """Whether a partition is held, at this moment."""

    async def commit(self, holding: Holding, offset: int, metadata: str) -> Outcome:
        """Commit an offset of a partition. If cancelled, it may be committed or not."""

    def start(self, holding: Holding, offset: int) -> int:
        """Receive the messages of a partition from an offset on.

        Returns:
            A number that comes with these messages, and not with those of an earlier start.
        """

    def pause(self, holding: Holding) -> None:
        """Receive no messages of a partition for a while. Some may still be on their way."""

    def resume(self, holding: Holding) -> None:
        """Receive messages again."""

    def release(self, holding: Holding) -> None:
        """Tell that nothing more will be done for a partition that is being revoked."""

    def rejoin(self) -> None:
        """Give up all partitions, leave the group, and join it as a new member.

        What this member sent and was not answered is refused from then on.
        """


class Holder(Protocol):
    """Receives the partitions of a membership. All calls are made in trio's thread."""

    def assigned(self, holding: Holding) -> None:
        """A partition is held from now on."""

    def revoked(self, holding: Holding) -> None:
        """A partition will be given up once `release` is called, or at a deadline."""

    def discarded(self, holding: Holding) -> None:
        """A partition is no longer held."""

    def received(self, holding: Holding, start: int, messages: Sequence[TopicMessage]) -> None:
        """Messages of a partition, in order, from the offset of the `start` on."""

    def out_of_range(self, holding: Holding, start: int) -> None:
        """The next message is no longer in the partition."""

    def ended(self, failure: KafkaFailure | None) -> None:
        """The membership has ended; None if it was closed."""
