"""Commits of offsets: those of different partitions are sent together, and each is answered."""

import math
import time
from collections import deque
from collections.abc import Callable, Iterable

import structlog
import trio
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from actors.cluster.failure import KafkaFailure
from actors.cluster.membership import FATAL, Holding, Outcome, outcome_of

log = structlog.get_logger()


class _Commit:
    """A commit that a task waits for."""

    def __init__(self, holding: Holding, place: TopicPartition) -> None:
        self.holding = holding
        self.place = place
        self.done = trio.Event()
        self.outcome = Outcome.NOT_MINE

    def settle(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self.done.set()


class Commits:
    """The commits that tasks wait for, in order. The consumer's thread sends them.

    Attributes:
        proven_at: See `Membership`.
    """

    def __init__(
        self, topic: str, holds: Callable[[Holding], bool], call: Callable[..., None]
    ) -> None:
        """Start without commits.

        Args:
            topic: The topic.
            holds: Whether a partition is held; commits for others are not sent.
            call: Calls a function soon in trio's thread.
        """
        self.proven_at = -math.inf
        self._topic = topic
        self._holds = holds
        self._call = call
        self._waiting: deque[_Commit] = deque()
        self._ended = False
        self._failure: KafkaFailure | None = None

    # What trio's thread calls.

    async def commit(self, holding: Holding, offset: int, metadata: str) -> Outcome:
        """See `Membership.commit`."""
        await trio.lowlevel.checkpoint_if_cancelled()
        place = TopicPartition(self._topic, holding.partition, offset, metadata)
        commit = _Commit(holding, place)
        self._waiting.append(commit)
        if self._ended:
            return Outcome.NOT_MINE
        await commit.done.wait()
        return commit.outcome

    def end(self) -> None:
        """Answer all commits, from now on, without sending them."""
        self._ended = True
        _settle([(commit, Outcome.NOT_MINE) for commit in self._waiting])
        self._waiting.clear()

    # What the consumer's thread calls.

    def __len__(self) -> int:
        return len(self._waiting)

    def send(self, consumer: Consumer) -> KafkaFailure | None:
        """Send the first commits, at most one of each partition, and answer them.

        Returns:
            Why the client cannot be used any more; None if it can.
        """
        some: dict[int, _Commit] = {}
        while self._waiting and self._waiting[0].holding.partition not in some:
            commit = self._waiting.popleft()
            some[commit.holding.partition] = commit
        outcomes = self._send(consumer, some)
        answered = [
            (commit, outcomes.get(partition, Outcome.NOT_MINE))
            for partition, commit in some.items()
        ]
        self._call(_settle, answered)
        return self._failure

    def _send(self, consumer: Consumer, commits: dict[int, _Commit]) -> dict[int, Outcome]:
        """Send commits of different partitions together; those that are not sent are left out."""
        places = [commit.place for commit in commits.values() if self._holds(commit.holding)]
        # Without a member's id the client would commit as if it needed no group.
        if not places:
            return {}
        if not consumer.memberid():
            return dict.fromkeys((place.partition for place in places), Outcome.REFUSED)
        sent_at = time.monotonic()
        try:
            answers = consumer.commit(offsets=places, asynchronous=False) or []
        except KafkaException as error:
            cause = error.args[0]
            if not isinstance(cause, KafkaError):
                raise
            self._note_error(cause)
            return dict.fromkeys((place.partition for place in places), outcome_of(cause.code()))
        outcomes: dict[int, Outcome] = {}
        for place in answers:
            if place.error is not None:
                self._note_error(place.error)
            code = None if place.error is None else place.error.code()
            outcomes[place.partition] = outcome_of(code)
        if Outcome.ACCEPTED in outcomes.values():
            self.proven_at = sent_at
        return {place.partition: Outcome.UNANSWERED for place in places} | outcomes

    def _note_error(self, error: KafkaError) -> None:
        log.info("commit was not accepted", error=error.name())
        if error.fatal() or error.code() in FATAL:
            self._failure = KafkaFailure.of(error)


def _settle(answered: Iterable[tuple[_Commit, Outcome]]) -> None:
    for commit, outcome in answered:
        commit.settle(outcome)
