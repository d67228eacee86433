"""A topic of one partition for keepers, in memory."""

from collections.abc import Sequence

import trio

from actors.clock.wall_clock import Clock
from actors.cluster.failure import KafkaFailure
from actors.cluster.producer_thread import Message
from actors.cluster.topic_reader import TopicMessage


class FakeTopic:
    """Its messages, and whether Kafka is away."""

    def __init__(self, clock: Clock) -> None:
        self.messages: list[TopicMessage] = []
        self.away = False
        self.clock = clock
        self.news = trio.Event()

    async def send(self, message: Message) -> int:
        await trio.sleep(0.02)
        if self.away:
            raise KafkaFailure("_TRANSPORT", "connection refused")
        self.messages.append(
            TopicMessage(len(self.messages), self.clock.now(), message.key, message.value)
        )
        self.news.set()
        self.news = trio.Event()
        return len(self.messages) - 1

    def reader(self) -> "FakeReader":
        return FakeReader(self)


class FakeReader:
    """Reads a topic, and waits for up to a minute where there is nothing new."""

    def __init__(self, topic: FakeTopic) -> None:
        self.caught_up = False
        self.problem: str | None = None
        self.fails = False
        self._topic = topic
        self._next = 0

    async def read(self) -> Sequence[TopicMessage]:
        await trio.sleep(0.1)
        if self.caught_up and self._next == len(self._topic.messages):
            with trio.move_on_after(60):
                await self._topic.news.wait()
        if self.fails:
            raise KafkaFailure("TOPIC_AUTHORIZATION_FAILED", "not allowed", passing=False)
        if self._topic.away:
            self.problem = "connection refused"
            return []
        self.problem = None
        found = self._topic.messages[self._next :]
        self._next += len(found)
        self.caught_up = True
        return found
