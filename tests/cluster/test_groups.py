"""Groups: who may commit, and what keeps a partition."""

import time
from collections.abc import Callable
from functools import partial

import pytest
from confluent_kafka import OFFSET_INVALID, KafkaException, Producer, TopicPartition

from tests.cluster.brokers import WAIT_SECONDS, Brokers, Options
from tests.cluster.member import ACCEPTED, Member, PausableMember, poll_until

Join = Callable[..., Member]

SHORTEST_SESSION: Options = {"session.timeout.ms": 6000}
"""The shortest time that brokers allow before they give up a silent member."""


def test_a_member_given_up_by_the_brokers_cannot_commit(
    brokers: Brokers, name: str, join: Join
) -> None:
    brokers.create_topic(name)
    with PausableMember(name, {**brokers.options(), **SHORTEST_SESSION}) as zombie:
        zombie.send_commit(1, "its own")
        assert zombie.receive_result() == ACCEPTED
        zombie.pause()
        zombie.send_commit(2, "too late")
        successor = join()
        poll_until(lambda: successor.partitions == [0], successor)
        assert successor.committed() == (1, "its own")
        assert successor.commit(3, "the successor's") == ACCEPTED
        zombie.resume()
        assert zombie.receive_result() == "UNKNOWN_MEMBER_ID"
        assert zombie.poll_until_lost() == [0]
    assert successor.committed() == (3, "the successor's")


def test_a_replaced_static_member_cannot_commit(brokers: Brokers, name: str, join: Join) -> None:
    brokers.create_topic(name)
    options: Options = {"group.instance.id": "worker-1"}
    with PausableMember(name, {**brokers.options(), **options}) as zombie:
        zombie.pause()
        zombie.send_commit(2, "too late")
        successor = join(options)
        poll_until(lambda: successor.partitions == [0], successor)
        assert successor.commit(3, "the successor's") == ACCEPTED
        zombie.resume()
        assert zombie.receive_result() in {"FENCED_INSTANCE_ID", "_FATAL"}
    assert successor.committed() == (3, "the successor's")


def test_a_stale_generation_of_a_living_member_is_refused(
    brokers: Brokers, name: str, join: Join
) -> None:
    """A transaction is the only way to name a generation; consumers use their current one."""
    brokers.create_topic(name, 2)
    first = join()
    poll_until(lambda: first.partitions == [0, 1], first)
    stale = first.consumer.consumer_group_metadata()
    second = join()
    poll_until(lambda: len(first.partitions) == len(second.partitions) == 1, first, second)
    offsets = [TopicPartition(name, first.partitions[0], 1)]
    producer = Producer({**brokers.options(), "transactional.id": name, "log_level": 0})
    producer.init_transactions(WAIT_SECONDS)
    producer.begin_transaction()
    with pytest.raises(KafkaException) as refused:
        producer.send_offsets_to_transaction(offsets, stale, WAIT_SECONDS)
    assert refused.value.args[0].name() == "ILLEGAL_GENERATION"
    producer.abort_transaction(WAIT_SECONDS)
    producer.begin_transaction()
    producer.send_offsets_to_transaction(
        offsets, first.consumer.consumer_group_metadata(), WAIT_SECONDS
    )
    producer.commit_transaction(WAIT_SECONDS)


def test_a_refused_commit_of_a_partition_that_stays_is_made_again(
    brokers: Brokers, name: str, join: Join
) -> None:
    """Others come and go while the first member commits, until one of its commits is refused."""
    brokers.create_topic(name, 4)
    first = join()
    poll_until(lambda: len(first.partitions) == 4, first)
    accepted: dict[int, tuple[int, str | None]] = dict.fromkeys(range(4), (OFFSET_INVALID, None))
    settled: list[int] = []

    def commit(partition: int) -> str:
        offset = max(accepted[partition][0], 0) + 1
        result = first.commit(offset, f"plan {offset}", partition)
        if result == ACCEPTED:
            accepted[partition] = offset, f"plan {offset}"
        return result

    def settle(partition: int) -> bool:
        if partition not in first.partitions:
            return True
        assert first.committed(partition) == accepted[partition]
        if commit(partition) != ACCEPTED:
            return False
        settled.append(partition)
        return True

    def commit_until(partitions: int, member: Member) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while len(member.partitions) != partitions:
            assert time.monotonic() < deadline, first.errors
            for partition in first.partitions:
                result = commit(partition)
                if result != ACCEPTED:
                    assert result in {"REBALANCE_IN_PROGRESS", "ILLEGAL_GENERATION"}
                    poll_until(partial(settle, partition), first, member)
            first.poll(0)
            member.poll(0)

    deadline = time.monotonic() + WAIT_SECONDS
    while not settled:
        assert time.monotonic() < deadline, "no commit was refused"
        other = join()
        commit_until(2, other)
        other.close()
        commit_until(4, first)


def test_a_static_member_keeps_its_partitions_over_a_restart(
    brokers: Brokers, name: str, join: Join
) -> None:
    brokers.create_topic(name, 4)
    first, second = ({"group.instance.id": f"worker-{number}"} for number in (1, 2))
    one = join(first)
    poll_until(lambda: len(one.partitions) == 4, one)
    other = join(second)
    poll_until(lambda: len(one.partitions) == len(other.partitions) == 2, one, other)
    before, stays = one.partitions, other.partitions
    other.revoked.clear()
    one.close()
    again = join(first)
    poll_until(lambda: again.partitions, again, other)
    assert again.partitions == before
    assert (other.partitions, other.revoked, other.lost) == (stays, [], [])
    assert again.commit(1, "after the restart", before[0]) == ACCEPTED
