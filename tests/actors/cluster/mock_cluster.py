"""The mock brokers of Kafka's client, in this process.

They keep messages in memory and make a topic when it is first asked for. They know no
administration beyond topics and offsets.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import Consumer, Producer, TopicPartition

from actors.cluster.failure import Options

PARTITIONS = 4
"""Of each topic."""


class MockCluster:
    """Three brokers.

    Attributes:
        options: A client's, to connect with.
    """

    def __init__(self, owner: Producer) -> None:
        self._owner = owner
        brokers = owner.list_topics(timeout=10).brokers.values()
        self.options: Options = {
            "bootstrap.servers": ",".join(f"{each.host}:{each.port}" for each in brokers),
            "reconnect.backoff.ms": 20,
            "reconnect.backoff.max.ms": 50,
        }

    def messages(self, topic: str, partition: int = 0) -> list[tuple[bytes | None, bytes | None]]:
        """The keys and values of a partition's messages."""
        options = {**self.options, "group.id": "test", "enable.partition.eof": True}
        consumer = Consumer(options)
        consumer.assign([TopicPartition(topic, partition, 0)])
        found: list[tuple[bytes | None, bytes | None]] = []
        while (message := consumer.poll(10)) is not None and message.error() is None:
            found.append((message.key(), message.value()))
        consumer.close()
        assert message is not None, "the brokers do not answer"
        return found

    def write(
        self, topic: str, *values: bytes | None, partition: int = 0, key: bytes = b""
    ) -> None:
        """Append messages."""
        for value in values:
            self._owner.produce(topic, value, key, partition)
        assert not self._owner.flush(10)

    def commit(self, group: str, topic: str, partition: int, offset: int, metadata: str) -> None:
        """Commit an offset for a group."""
        consumer = Consumer({**self.options, "group.id": group})
        place = TopicPartition(topic, partition, offset, metadata)
        consumer.commit(offsets=[place], asynchronous=False)
        consumer.close()


@contextmanager
def mock_cluster() -> Iterator[MockCluster]:
    """Brokers, as long as the context is open."""
    owner = Producer(
        {
            "bootstrap.servers": "mock",
            "test.mock.num.brokers": 3,
            "log_level": 0,
        }
    )
    yield MockCluster(owner)
    owner.purge()
    owner.flush(0)
