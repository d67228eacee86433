import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import NoReturn

import pytest
import trio
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from actors.cluster import consumer_thread
from actors.cluster.consumer_thread import ConsumerThread
from actors.cluster.failure import KafkaFailure
from actors.cluster.membership import Holder, Holding, Outcome
from actors.cluster.topic_reader import TopicMessage
from tests.actors.cluster.mock_cluster import PARTITIONS, MockCluster


class Partitions(Holder):
    """Notes what the thread tells. Revoked partitions are released at once, unless told not to."""

    def __init__(self, brokers: MockCluster, topic: str, group: str) -> None:
        self.thread = ConsumerThread(
            {**brokers.options, "group.id": group, "log_level": 0}, topic, session_seconds=6
        )
        self.held: dict[int, Holding] = {}
        self.revocations: list[Holding] = []
        self.messages: dict[int, list[tuple[int, int]]] = {}
        self.out_of_ranges: list[Holding] = []
        self.failures: list[KafkaFailure | None] = []
        self.releases = True

    def assigned(self, holding: Holding) -> None:
        self.held[holding.partition] = holding

    def revoked(self, holding: Holding) -> None:
        self.revocations.append(holding)
        if self.releases:
            self.thread.release(holding)

    def discarded(self, holding: Holding) -> None:
        del self.held[holding.partition]

    def received(self, holding: Holding, start: int, messages: Sequence[TopicMessage]) -> None:
        taken = self.messages.setdefault(holding.partition, [])
        taken += [(start, message.offset) for message in messages]

    def out_of_range(self, holding: Holding, start: int) -> None:
        self.out_of_ranges.append(holding)

    def ended(self, failure: KafkaFailure | None) -> None:
        self.failures.append(failure)


async def until(condition: Callable[[], bool]) -> None:
    with trio.fail_after(300):  # only a failure takes so long
        while not condition():  # noqa: ASYNC110 - a thread's doing
            await trio.sleep(0.01)


@asynccontextmanager
async def member(brokers: MockCluster, topic: str, group: str) -> AsyncIterator[Partitions]:
    partitions = Partitions(brokers, topic, group)
    partitions.thread.run(partitions)
    try:
        yield partitions
    finally:
        partitions.releases = True
        partitions.thread.close(0)
        with trio.move_on_after(60, shield=True):
            await partitions.thread.closed()


@pytest.fixture
def topic(cluster: MockCluster) -> str:
    name = f"events-{secrets.token_hex(4)}"
    for partition in range(PARTITIONS):
        cluster.write(name, *(b"%d" % number for number in range(20)), partition=partition)
    return name


@contextmanager
def asking(brokers: MockCluster, group: str) -> Iterator[Consumer]:
    consumer = Consumer({**brokers.options, "group.id": group})
    yield consumer
    consumer.close()


async def test_messages_come_from_where_they_are_wanted(cluster: MockCluster, topic: str) -> None:
    async with member(cluster, topic, topic) as partitions:
        await until(lambda: len(partitions.held) == PARTITIONS)
        first, other = partitions.held[0], partitions.held[1]
        start = partitions.thread.start(first, 5)
        await until(lambda: len(partitions.messages.get(0, ())) == 15)
        assert partitions.messages == {0: [(start, offset) for offset in range(5, 20)]}
        again = partitions.thread.start(first, 2)
        beside = partitions.thread.start(other, 0)
        await until(lambda: len(partitions.messages.get(1, ())) == 20)
        await until(lambda: len(partitions.messages[0]) == 15 + 18)
        assert partitions.messages[0][15:] == [(again, offset) for offset in range(2, 20)]
        assert partitions.messages[1] == [(beside, offset) for offset in range(20)]
        assert partitions.thread.problem is None


async def test_a_paused_partition_receives_nothing(cluster: MockCluster, topic: str) -> None:
    async with member(cluster, topic, topic) as partitions:
        await until(lambda: len(partitions.held) == PARTITIONS)
        for partition in (0, 1):
            partitions.thread.start(partitions.held[partition], 0)
        await until(lambda: sum(map(len, partitions.messages.values())) == 40)
        partitions.thread.pause(partitions.held[0])
        # An order is carried out before commits that are asked for later.
        await partitions.thread.commit(partitions.held[0], 1, "")
        cluster.write(topic, b"x", partition=0)
        cluster.write(topic, b"x", partition=1)
        await until(lambda: len(partitions.messages[1]) == 21)
        assert len(partitions.messages[0]) == 20
        partitions.thread.resume(partitions.held[0])
        await until(lambda: len(partitions.messages[0]) == 21)


async def test_commits_carry_metadata_and_prove_membership(
    cluster: MockCluster, topic: str
) -> None:
    async with member(cluster, topic, topic) as partitions:
        await until(lambda: len(partitions.held) == PARTITIONS)
        before = time.monotonic()
        outcomes: list[Outcome] = []

        async def commit(holding: Holding) -> None:
            metadata = f"plan {holding.partition}"
            outcomes.append(await partitions.thread.commit(holding, 7, metadata))

        async with trio.open_nursery() as nursery:
            for holding in partitions.held.values():
                nursery.start_soon(commit, holding)
        assert outcomes == [Outcome.ACCEPTED] * PARTITIONS
        assert before <= partitions.thread.proven_at <= time.monotonic()
    with asking(cluster, topic) as consumer:
        places = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
        found = consumer.committed(places, timeout=30)
        assert [(place.offset, place.metadata) for place in found] == [
            (7, f"plan {partition}") for partition in range(PARTITIONS)
        ]


async def test_a_commit_for_an_earlier_assignment_is_not_sent(
    cluster: MockCluster, topic: str
) -> None:
    async with member(cluster, topic, topic) as partitions:
        await until(lambda: len(partitions.held) == PARTITIONS)
        old = partitions.held[2]
        partitions.thread.rejoin()
        await until(lambda: not partitions.held)
        await until(lambda: len(partitions.held) == PARTITIONS)
        assert partitions.revocations == []
        assert not partitions.thread.holds(old)
        assert partitions.thread.holds(partitions.held[2])
        assert await partitions.thread.commit(old, 9, "") is Outcome.NOT_MINE
        assert partitions.thread.proven_at < 0
        assert await partitions.thread.commit(partitions.held[2], 9, "") is Outcome.ACCEPTED


async def test_commits_are_taken_while_a_rebalance_waits(cluster: MockCluster, topic: str) -> None:
    async with member(cluster, topic, topic) as first:
        await until(lambda: len(first.held) == PARTITIONS)
        first.releases = False
        async with member(cluster, topic, topic) as second:
            await until(lambda: bool(first.revocations))
            revoked = first.revocations[0]
            assert first.thread.holds(revoked)
            # The answer depends on the generation, but it is sent.
            outcome = await first.thread.commit(revoked, 3, "drained")
            assert outcome in (Outcome.ACCEPTED, Outcome.REFUSED)
            first.releases = True
            for holding in first.revocations:
                first.thread.release(holding)
            await until(lambda: len(second.held) > 0)
            assert not first.thread.holds(revoked)
            assert not first.held.keys() & second.held.keys()


async def test_folds_that_do_not_end_are_given_up_at_a_deadline(
    cluster: MockCluster, topic: str
) -> None:
    async with member(cluster, topic, topic) as first:
        first.thread.revoke_seconds = 0.1
        first.releases = False
        await until(lambda: len(first.held) == PARTITIONS)
        async with member(cluster, topic, topic) as second:
            await until(lambda: len(second.held) > 0)
            assert not first.held.keys() & second.held.keys()


async def test_closing_revokes_and_leaves(cluster: MockCluster, topic: str) -> None:
    async with member(cluster, topic, topic) as partitions:
        await until(lambda: len(partitions.held) == PARTITIONS)
        holdings = sorted(partitions.held.values())
        partitions.thread.close(60)
        await partitions.thread.closed()
        assert sorted(partitions.revocations) == holdings
        assert partitions.held == {}
        assert partitions.failures == [None]
        assert await partitions.thread.commit(holdings[0], 1, "") is Outcome.NOT_MINE


async def test_a_process_that_was_paused_polls_before_it_commits(
    cluster: MockCluster, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So it learns what it has lost."""
    async with member(cluster, topic, topic) as partitions:
        await until(lambda: len(partitions.held) == PARTITIONS)
        monkeypatch.setattr(consumer_thread, "STALE_SECONDS", -1.0)
        with trio.move_on_after(0.5):
            await partitions.thread.commit(partitions.held[0], 1, "")
            pytest.fail("the commit was sent")
        monkeypatch.setattr(consumer_thread, "STALE_SECONDS", 60.0)
        assert await partitions.thread.commit(partitions.held[1], 1, "") is Outcome.ACCEPTED


async def test_a_fatal_error_answers_all_commits_and_ends_the_membership(
    cluster: MockCluster, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer_thread, "Consumer", FencedConsumer)
    async with member(cluster, topic, topic) as partitions:
        await until(lambda: len(partitions.held) == PARTITIONS)
        outcome = await partitions.thread.commit(partitions.held[0], 1, "")
        assert outcome is Outcome.UNANSWERED
        await until(lambda: bool(partitions.failures))
        assert str(partitions.failures[0]).startswith("FENCED_INSTANCE_ID")
        assert partitions.held == {}


class FencedConsumer(Consumer):
    """A consumer that another member with its instance's name has replaced."""

    def commit(self, *arguments: object, **options: object) -> NoReturn:
        raise KafkaException(KafkaError(KafkaError.FENCED_INSTANCE_ID))
