"""Commits of offsets with metadata, which carry the plan of a batch."""

from collections.abc import Callable

import pytest

from tests.cluster.brokers import Brokers
from tests.cluster.member import ACCEPTED, Member, poll_until

Join = Callable[..., Member]


def test_metadata_survives_a_rebalance(brokers: Brokers, name: str, join: Join) -> None:
    brokers.create_topic(name, 2)
    first = join()
    poll_until(lambda: first.partitions == [0, 1], first)
    for partition in 0, 1:
        assert first.commit(10 + partition, f"plan {partition}", partition) == ACCEPTED
    # It begins to join by itself, and a commit may be refused meanwhile.
    second = join()
    poll_until(lambda: len(first.partitions) == len(second.partitions) == 1, first, second)
    first.close()
    poll_until(lambda: second.partitions == [0, 1], second)
    assert [second.committed(partition) for partition in (0, 1)] == [
        (10, "plan 0"),
        (11, "plan 1"),
    ]


def test_metadata_and_membership_survive_the_death_of_coordinator_and_leader(
    brokers: Brokers, name: str, join: Join
) -> None:
    brokers.create_topic(name)
    member = join()
    poll_until(lambda: member.partitions == [0], member)
    assert member.commit(5, "before") == ACCEPTED
    coordinator, leader = brokers.coordinator(name), brokers.leader(name)
    brokers.kill(coordinator)
    assert brokers.coordinator(name) != coordinator
    assert member.committed() == (5, "before")
    poll_until(lambda: member.commit(6, "without it") == ACCEPTED, member)
    brokers.start(coordinator)
    if leader != coordinator:
        brokers.restart(leader)
    assert brokers.leader(name) != leader
    assert member.committed() == (6, "without it")
    poll_until(lambda: member.commit(7, "after") == ACCEPTED, member)
    assert (member.revoked, member.lost) == ([], [])


@pytest.mark.parametrize(
    ("length", "result"),
    [(4095, ACCEPTED), (4096, "OFFSET_METADATA_TOO_LARGE")],
)
def test_metadata_has_a_greatest_length(
    brokers: Brokers, name: str, join: Join, length: int, result: str
) -> None:
    brokers.create_topic(name)
    member = join()
    poll_until(lambda: member.partitions == [0], member)
    assert member.commit(1, "before") == ACCEPTED
    text = "x" * length
    assert member.commit(2, text) == result
    assert member.committed() == ((2, text) if result == ACCEPTED else (1, "before"))
