"""What stands in for Kafka behind a forwarder, and what its workers take."""

from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence

from actors.cluster.failure import KafkaFailure
from actors.cluster.producer_thread import Message, Report
from ingest.engine.message import decode_message
from ingest.model.event import EnrichedEvent
from ingest.model.verdict import Verdict

NOW = 1_700_000_000


class FakeProducer:
    """Messages on their way, by partition."""

    def __init__(
        self,
        kafka: "FakeKafka",
        told: Callable[[Sequence[Report]], object],
        ended: Callable[[KafkaFailure], object],
    ) -> None:
        self.problem: str | None = None
        self.closed = False
        self.sent: list[Message] = []
        self.waiting: defaultdict[int, deque[Message]] = defaultdict(deque)
        self._kafka = kafka
        self._told = told
        self._ended = ended

    def start(self) -> None:
        self._kafka.producers.append(self)

    def send_nowait(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self.sent.append(message)
            self.waiting[message.partition].append(message)
        if self._kafka.answers:
            self.acknowledge_all()

    def close(self, seconds: float = 0.0) -> None:
        self.closed = True

    def acknowledge(self, partition: int, *, reported: bool = True) -> None:
        """Append the partition's next message."""
        message = self.waiting[partition].popleft()
        offset = self._kafka.append(message)
        if reported:
            self._told([Report(message.tag, offset, None)])

    def acknowledge_all(self) -> None:
        for partition, messages in self.waiting.items():
            while messages:
                self.acknowledge(partition)

    def fail(self, *, passing: bool, name: str = "ERROR") -> None:
        self._ended(KafkaFailure(name, f"{name}: it failed", passing=passing))


class FakeKafka:
    """A topic.

    Attributes:
        answers: Whether messages are acknowledged at once.
        topic: The values of the messages, by partition.
        producers: All that were started.
    """

    def __init__(self, *, answers: bool = True) -> None:
        self.answers = answers
        self.topic: defaultdict[int, list[bytes]] = defaultdict(list)
        self.producers: list[FakeProducer] = []

    def producer(
        self,
        *,
        told: Callable[[Sequence[Report]], object],
        ended: Callable[[KafkaFailure], object],
    ) -> FakeProducer:
        return FakeProducer(self, told, ended)

    @property
    def current(self) -> FakeProducer:
        return self.producers[-1]

    def append(self, message: Message) -> int:
        assert message.value is not None
        values = self.topic[message.partition]
        values.append(message.value)
        return len(values) - 1

    def taken(self, partition: int) -> list[int]:
        """The numbers of the events that a worker takes: each source's records once."""
        highest: dict[str, int] = {}
        numbers: list[int] = []
        for offset, value in enumerate(self.topic[partition]):
            for record in decode_message(value, offset, 0, NOW).records:
                assert isinstance(record, EnrichedEvent)
                assert record.source is not None
                if record.source.number > highest.get(record.source.name, -1):
                    highest[record.source.name] = record.source.number
                    numbers.append(record.nonce)
        return numbers


class FakeVerdicts:
    """Notes what the front half is told.

    Attributes:
        waits: Whether events wait for Kafka.
        end: The position before which they are answered.
    """

    def __init__(self) -> None:
        self.waits = False
        self.end = 0

    def folded(self, end: int, drops: Mapping[int, tuple[EnrichedEvent, Verdict]]) -> None:
        assert not drops
        assert end > self.end
        self.end = end

    def fold_reads(self) -> None:
        assert not self.waits
        self.waits = True

    def fold_waits(self) -> None:
        self.waits = False
