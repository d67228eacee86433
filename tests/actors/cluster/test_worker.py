"""When a worker gives up since a partition receives nothing; all else is tested on real brokers."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio
from trio.testing import MockClock

from actors.cluster.admin import Bounds
from actors.cluster.failure import KafkaFailure
from actors.cluster.membership import Holding
from actors.cluster.worker import Lag
from ingest.engine.message import POSITIONS

LONG = 600.0


class Partition:
    """A partition that a worker owns, and that has messages which the worker does not receive."""

    def __init__(self) -> None:
        self.failed: list[str] = []
        self.are_away = False
        self.log = SimpleNamespace(
            end=SimpleNamespace(position=3 * POSITIONS),
            committed=SimpleNamespace(position=2 * POSITIONS),
            reads=True,
        )
        owned = {Holding(2, 1): SimpleNamespace(log=self.log)}
        self.lag = Lag(
            cast("Any", SimpleNamespace(owned=owned)),
            cast("Any", SimpleNamespace(all_bounds=self._bounds)),
            self.failed.append,
        )

    async def _bounds(self, partitions: list[int]) -> dict[int, Bounds]:
        await trio.lowlevel.checkpoint()
        if self.are_away:
            raise KafkaFailure("_TIMED_OUT", "the brokers did not answer")
        return {2: Bounds(0, 100)}

    async def look(self, nursery: trio.Nursery) -> None:
        """Look for as long as a worker that receives something would not give up."""
        nursery.start_soon(self.lag.run)
        await trio.sleep(LONG / 10)
        assert self.lag.lag == {2: 98}


@pytest.fixture
def partition() -> Partition:
    return Partition()


async def test_a_partition_that_receives_nothing(
    autojump_clock: MockClock, nursery: trio.Nursery, partition: Partition
) -> None:
    await partition.look(nursery)
    assert partition.failed == []
    await trio.sleep(LONG)
    assert partition.failed[0] == "partition 2 has messages and receives none"


async def test_a_partition_that_receives_something(
    autojump_clock: MockClock, nursery: trio.Nursery, partition: Partition
) -> None:
    await partition.look(nursery)
    for _ in range(10):
        await trio.sleep(LONG / 10)
        partition.log.end.position += POSITIONS
    assert partition.failed == []


async def test_an_outage_of_the_brokers_is_not_silence(
    autojump_clock: MockClock, nursery: trio.Nursery, partition: Partition
) -> None:
    """Nor is it when the brokers are back, and have not sent anything yet."""
    await partition.look(nursery)
    partition.are_away = True
    await trio.sleep(LONG)
    partition.are_away = False
    await trio.sleep(LONG / 20)
    assert partition.failed == []
