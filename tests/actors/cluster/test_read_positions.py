from typing import Any, cast

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from actors.cluster.read_positions import ReadPositions


class Calls:
    """A consumer that notes what it is asked for."""

    def __init__(self) -> None:
        self.made: list[tuple[str, int, int]] = []
        self.leader = True

    def __getattr__(self, name: str) -> Any:
        def call(places: TopicPartition | list[TopicPartition]) -> None:
            place = places[0] if isinstance(places, list) else places
            if name == "seek" and not self.leader:
                raise KafkaException(KafkaError(KafkaError._STATE))
            self.made.append((name, place.partition, place.offset))

        return call

    @property
    def consumer(self) -> Consumer:
        return cast("Consumer", self)

    def names(self) -> list[str]:
        made, self.made = self.made, []
        return [name for name, _, _ in made]


@pytest.fixture
def calls() -> Calls:
    return Calls()


@pytest.fixture
def positions(calls: Calls) -> ReadPositions:
    """Partition 0 is read from message 5 on."""
    found = ReadPositions("events")
    found.begin(0, 5, 1)
    assert found.seek(calls.consumer) is None
    assert calls.made[0] == ("seek", 0, 5)
    assert calls.names() == ["seek", "resume"]
    return found


@pytest.mark.parametrize(
    ("offsets", "taken"),
    [
        ((5, 6, 7), [5, 6, 7]),
        ((3, 4, 5), [5]),
        ((5, 5, 6), [5, 6]),
        ((5, 7), [5]),
    ],
)
def test_takes_each_message_once_in_order(
    positions: ReadPositions, offsets: tuple[int, ...], taken: list[int]
) -> None:
    assert [offset for offset in offsets if positions.take(0, offset)] == taken


def test_a_gap_is_taken_when_it_is_still_there_after_a_seek(
    positions: ReadPositions, calls: Calls
) -> None:
    assert not positions.take(0, 8)
    positions.seek(calls.consumer)
    assert calls.made[0] == ("seek", 0, 5)
    assert positions.take(0, 8)
    assert positions.take(0, 9)


def test_nothing_is_wanted_of_other_partitions(positions: ReadPositions) -> None:
    assert not positions.take(1, 0)
    assert not positions.halt(1)
    positions.forget([0])
    assert not positions.take(0, 5)


def test_a_seek_is_repeated_until_the_leader_is_known(calls: Calls) -> None:
    positions = ReadPositions("events")
    positions.begin(0, 5, 1)
    calls.leader = False
    assert positions.seek(calls.consumer) is not None
    assert not positions.take(0, 5)
    calls.leader = True
    assert positions.seek(calls.consumer) is None
    assert positions.take(0, 5)


def test_what_is_paused_meanwhile_stays_so(positions: ReadPositions, calls: Calls) -> None:
    positions.begin(0, 5, 2)
    positions.pause(calls.consumer, 0)
    positions.seek(calls.consumer)
    assert calls.names() == ["pause", "seek", "pause"]
    positions.resume(calls.consumer, 0)
    assert calls.names() == ["resume"]
    assert positions.start_of(0) == 2


def test_a_partition_is_resumed_only_where_it_is_wanted(
    positions: ReadPositions, calls: Calls
) -> None:
    positions.pause(calls.consumer, 0)
    positions.begin(0, 9, 2)
    positions.resume(calls.consumer, 0)
    assert calls.names() == ["pause"]
    positions.seek(calls.consumer)
    assert calls.names() == ["seek", "resume"]


def test_a_halted_partition_is_assigned_anew(positions: ReadPositions, calls: Calls) -> None:
    assert positions.halt(0)
    positions.begin(0, 9, 2)
    positions.seek(calls.consumer)
    assert calls.names() == ["incremental_unassign", "incremental_assign", "resume"]
    assert positions.take(0, 9)
