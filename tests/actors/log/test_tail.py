import pytest

from actors.log.tail import Tail
from ingest.records.run import Run
from tests.actors.log.records import events


def a_run(first: int, records: int) -> Run:
    return Run(1, first, first, 0, tuple(events(first, first + records)))


def test_runs_come_back_by_position() -> None:
    tail = Tail(100, 1000)
    assert tail.read(0) is None
    first, second = a_run(10, 3), a_run(20, 2)
    tail.append(first, 30)
    tail.append(second, 20)
    assert (tail.first, tail.records, tail.bytes) == (10, 5, 50)
    assert tail.read(10) is first
    assert tail.read(12) == first.starting_at(12)
    assert tail.read(20) is second
    for position in (9, 13, 19, 22):
        assert tail.read(position) is None


@pytest.mark.parametrize(("most_records", "most_bytes"), [(7, 1000), (100, 70)])
def test_the_oldest_go(most_records: int, most_bytes: int) -> None:
    tail = Tail(most_records, most_bytes)
    for number in range(10):
        tail.append(a_run(3 * number, 3), 30)
    assert (tail.first, tail.records, tail.bytes) == (24, 6, 60)


def test_the_newest_stays_whatever_its_size() -> None:
    tail = Tail(2, 2)
    run = a_run(0, 10)
    tail.append(run, 10)
    assert tail.read(0) is run


def test_forgetting() -> None:
    tail = Tail(100, 100)
    tail.append(a_run(0, 3), 3)
    tail.append(a_run(3, 3), 3)
    tail.forget(4)
    assert (tail.first, tail.records, tail.bytes) == (3, 3, 3)
    tail.forget(6)
    assert tail.read(3) is None
    assert (tail.records, tail.bytes) == (0, 0)
