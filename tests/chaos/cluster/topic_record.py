"""What the events topic has, read beside the workers while it has it."""

import threading
from collections.abc import Iterator, Mapping
from typing import Any, Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, TopicPartition

from ingest.engine.message import POSITIONS, decode_message
from ingest.model.event import EnrichedEvent
from tests.chaos.traffic import UID_PROP, parse_uid

BATCH: Final = 500
POLL_SECONDS: Final = 0.3
ANSWER_SECONDS: Final = 60.0

_READING: Final = {
    "group.id": "chaos",
    "enable.auto.commit": False,
    "auto.offset.reset": "error",
    "log_level": 0,
}


class TopicRecord:
    """The events in the topic, each once, in the order in which they take effect.

    A front that resends after a crash leaves copies. All but the first have a position of the
    front's log that was there before, and take no effect.

    Attributes:
        positions: Position in its partition of each event, by unique id.
        next: Offset after the last message that was read, of each partition.
        copies: Number of events that were there before, from the same source and position.
        problems: What must not be in the topic.
        undecodable: Places of messages that are none.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self.positions: dict[str, int] = {}
        self.next: dict[int, int] = {}
        self.copies = 0
        self.problems: list[str] = []
        self.undecodable: list[tuple[int, int]] = []
        self._taken: dict[tuple[int, str], int] = {}
        self._partitions: dict[int, int] = {}

    def add(self, partition: int, offset: int, data: bytes) -> None:
        """Add a message; those of a partition come in order."""
        if offset != self.next.setdefault(partition, offset):
            self.problems.append(
                f"partition {partition}: read {offset} after {self.next[partition] - 1}"
            )
        self.next[partition] = offset + 1
        try:
            run = decode_message(data, offset, 0, 0)
        except ValueError:
            self.undecodable.append((partition, offset))
            return
        for index, event in enumerate(run.records):
            if isinstance(event, EnrichedEvent):
                self._add_event(partition, offset * POSITIONS + index, event)

    def _add_event(self, partition: int, position: int, event: EnrichedEvent) -> None:
        assert event.source is not None
        source = partition, event.source.name
        if event.source.number <= self._taken.get(source, 0):
            self.copies += 1
            return
        self._taken[source] = event.source.number
        uid = dict(event.props)[UID_PROP]
        if uid in self.positions:
            self.problems.append(f"{uid}: twice in the topic, as different records")
            return
        self.positions[uid] = position
        visitor = parse_uid(uid)[0]
        if self._partitions.setdefault(visitor, partition) != partition:
            self.problems.append(
                f"visitor {visitor:06d}: in partitions {partition} and {self._partitions[visitor]}"
            )


def read_topic(options: Mapping[str, Any], topic: str) -> Iterator[bytes]:
    """Yield the values of all messages that a topic of one partition has now."""
    consumer = Consumer({**options, **_READING})
    try:
        place = TopicPartition(topic, 0)
        low, high = consumer.get_watermark_offsets(place, timeout=ANSWER_SECONDS)
        place.offset = low
        consumer.assign([place])
        while low < high:
            for message in consumer.consume(BATCH, POLL_SECONDS):
                if message.error() is None:
                    low = (message.offset() or 0) + 1
                    yield message.value() or b""
    finally:
        consumer.close()


class TopicFollower:
    """A thread that reads the topic from its beginning into a record."""

    def __init__(self, options: Mapping[str, Any], topic: str, partitions: int) -> None:
        """Start to read.

        Args:
            options: Those of the connection.
            topic: Name of the topic.
            partitions: Number of its partitions.
        """
        self.record = TopicRecord()
        self.partitions = partitions
        self._consumer = Consumer({**options, **_READING})
        self._places = [
            TopicPartition(topic, number, OFFSET_BEGINNING) for number in range(partitions)
        ]
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop reading."""
        self._stopping.set()
        self._thread.join(60)

    def _run(self) -> None:
        self._consumer.assign(self._places)
        while not self._stopping.is_set():
            for message in self._consumer.consume(BATCH, POLL_SECONDS):
                self._take(message)
        self._consumer.close()

    def _take(self, message: Message) -> None:
        failed, partition, offset = message.error(), message.partition(), message.offset()
        if failed is not None:
            # The others only say that brokers are away.
            if failed.code() == KafkaError._AUTO_OFFSET_RESET:
                self.record.problems.append(f"partition {partition}: {failed}")
            return
        assert partition is not None
        assert offset is not None
        self.record.add(partition, offset, message.value() or b"")
