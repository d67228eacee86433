"""The topics of a cluster in memory, and what may go wrong at sending and asking."""

from collections.abc import Sequence
from random import Random

import trio

from actors.cluster.admin import Bounds, CommittedOffset
from actors.cluster.failure import KafkaFailure
from actors.cluster.topic_reader import TopicMessage
from ingest.engine.message import POSITIONS
from ingest.engine.plan import CheckpointPlace
from tests.actors.cluster.simulated_group import Coordinator, Process


class SimulatedTopics:
    """What all processes share."""

    def __init__(self, random: Random, coordinator: Coordinator, partitions: int) -> None:
        self.random = random
        self.coordinator = coordinator
        self.events: list[list[TopicMessage]] = [[] for _ in range(partitions)]
        self.low = [0] * partitions
        self.checkpoints: list[list[TopicMessage]] = [[] for _ in range(partitions)]
        self.checkpoints_low = [0] * partitions
        self.letters: list[TopicMessage] = []
        self.trouble = 0.0

    def fail_sometimes(self) -> None:
        if self.random.random() < self.trouble:
            raise KafkaFailure("_TIMED_OUT", "as told")


def append(topic: list[TopicMessage], value: bytes, timestamp: float, key: bytes = b"") -> int:
    topic.append(TopicMessage(len(topic), timestamp, key, value))
    return len(topic) - 1


class ProcessTopics:
    """The topics, as one process uses them."""

    def __init__(self, process: Process, topics: SimulatedTopics) -> None:
        self._process = process
        self._topics = topics

    async def _reach(self, seconds: float = 0.01) -> None:
        await self._process.awake()
        await trio.sleep(seconds)
        await self._process.awake()
        self._topics.fail_sometimes()

    async def committed(self, partition: int) -> CommittedOffset | None:
        await self._reach()
        return self._topics.coordinator.commits.get(partition)

    async def bounds(self, partition: int) -> Bounds:
        await self._reach()
        return Bounds(self._topics.low[partition], len(self._topics.events[partition]))

    def delete_before(self, partition: int, checkpoint: CheckpointPlace) -> None:
        topics = self._topics
        low = checkpoint.position // POSITIONS
        topics.low[partition] = max(topics.low[partition], low)
        topics.checkpoints_low[partition] = max(
            topics.checkpoints_low[partition], checkpoint.offset
        )

    async def send_checkpoint(self, partition: int, data: bytes) -> int:
        await self._reach(0.05)
        offset = append(self._topics.checkpoints[partition], data, trio.current_time())
        self._topics.fail_sometimes()
        return offset

    async def send_letter(self, key: bytes, data: bytes) -> int:
        await self._reach(0.05)
        offset = append(self._topics.letters, data, trio.current_time(), key)
        self._topics.fail_sometimes()
        return offset

    def checkpoint_reader(self, partition: int, start: int | None) -> "SimulatedReader":
        topics = self._topics
        low = topics.checkpoints_low[partition]
        begin = low if start is None else max(start, low)
        return SimulatedReader(self._process, topics, topics.checkpoints[partition], begin)

    async def letters_end(self) -> int:
        await self._reach()
        return len(self._topics.letters)

    def letter_reader(self, start: int = 0) -> "SimulatedReader":
        return SimulatedReader(self._process, self._topics, self._topics.letters, start)


class SimulatedReader:
    """Reads a topic, as a `TopicReader` does."""

    def __init__(
        self, process: Process, topics: SimulatedTopics, messages: list[TopicMessage], start: int
    ) -> None:
        self.position: int | None = start
        self.caught_up = False
        self._process = process
        self._topics = topics
        self._messages = messages

    async def read(self) -> Sequence[TopicMessage]:
        await self._process.awake()
        await trio.sleep(0.01)
        self._topics.fail_sometimes()
        assert self.position is not None
        found = self._messages[self.position : self.position + 7]
        if not found:
            self.caught_up = True
            await trio.sleep(0.5)
        self.position += len(found)
        return found

    def close(self) -> None:
        pass
