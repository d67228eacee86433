"""The paths of an event through a front, up to Kafka's client, and through a worker from it on.

Both clients are stand-ins, and their threads' work is done in the same thread. So what these do in
Python is counted, and what librdkafka does is not.
"""

from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, cast

import trio
import trio.testing
from confluent_kafka import TopicPartition

from actors.cluster.consumer_thread import ConsumerThread
from actors.cluster.failure import KafkaFailure
from actors.cluster.forwarder import FLIGHT_SECONDS, GATHER_SECONDS, Forwarder, ForwarderOptions
from actors.cluster.membership import Holder, Holding
from actors.cluster.partition_folds import FoldMetrics
from actors.cluster.producer_thread import ProducerThread, Report
from actors.cluster.producing import Producing
from actors.cluster.topic_reader import TopicMessage
from actors.letters.letters import Letters
from actors.log.file_log import FileLog
from actors.log.kafka_log import KafkaLog, MessageLetters, PartitionTopic
from actors.log.kafka_note import RULES, CommittedOffsets, KafkaNote
from actors.pipeline.back_half import BackHalf
from actors.pipeline.flush import Flush
from actors.pipeline.front_half import FrontHalf
from actors.pipeline.partition import Partition
from actors.pipeline.writer import Writer
from actors.supervision.actor import Actor
from benchmarks.fixed_path import DESCRIPTION, NOW, EncodingSink, StandingClock
from ingest.engine.plan import Plan
from ingest.fold.checkpoint import FoldState
from ingest.records.run import LogPoint
from ingest.telemetry.metrics import Metrics

TOPIC: Final = "events"
MEMBER: Final = "member"
FLUSH_SECONDS: Final = 5.0


class KafkaMessage:
    """A message as the client gives it."""

    def __init__(self, partition: int, offset: int, value: bytes) -> None:
        """Be at a place."""
        self._partition, self._offset, self._value = partition, offset, value

    def partition(self) -> int:
        """Return the partition."""
        return self._partition

    def offset(self) -> int:
        """Return the offset."""
        return self._offset

    def value(self) -> bytes:
        """Return the content."""
        return self._value

    def key(self) -> None:
        """Return the key: none."""

    def error(self) -> None:
        """Return the error: none."""

    def timestamp(self) -> tuple[int, int]:
        """Return when it was appended."""
        return 2, NOW * 1000


class Topic:
    """A producer's client, which keeps what it is given, and the consumer's that reads it.

    Attributes:
        messages: What was sent.
    """

    def __init__(self) -> None:
        """Be empty."""
        self.messages: deque[KafkaMessage] = deque()
        self._ends: defaultdict[int, int] = defaultdict(int)
        self._reports: list[tuple[Callable[[Any, Any], None], KafkaMessage]] = []

    def produce(
        self,
        topic: str,
        value: bytes,
        key: None,
        partition: int,
        on_delivery: Callable[[Any, Any], None],
    ) -> None:
        """Take a message."""
        message = KafkaMessage(partition, self._ends[partition], value)
        self._ends[partition] += 1
        self.messages.append(message)
        self._reports.append((on_delivery, message))

    def poll(self, seconds: float) -> int:
        """Report all messages."""
        reports, self._reports = self._reports, []
        for on_delivery, message in reports:
            on_delivery(None, message)
        return len(reports)

    def consume(self, most: int, seconds: float) -> list[KafkaMessage]:
        """Return the first messages, and forget them."""
        messages = self.messages
        return [messages.popleft() for _ in range(min(most, len(messages)))]

    def memberid(self) -> str:
        """Return the member's id."""
        return MEMBER

    def commit(self, offsets: list[TopicPartition], asynchronous: bool) -> list[TopicPartition]:
        """Accept all commits."""
        return offsets

    def seek(self, place: TopicPartition) -> None:
        """Do nothing: all messages are wanted."""

    def pause(self, places: list[TopicPartition]) -> None:
        """As `seek`."""

    def resume(self, places: list[TopicPartition]) -> None:
        """As `seek`."""

    def incremental_assign(self, places: list[TopicPartition]) -> None:
        """As `seek`."""


class Producer(ProducerThread):
    """A producer whose thread's work is done when it is told to."""

    def start(self) -> None:
        """Start without a thread."""
        self._token = trio.lowlevel.current_trio_token()

    def work(self, client: Topic) -> None:
        """Do what the thread does when it has slept."""
        self._produce(cast("Any", client))
        client.poll(0)
        self._hand_over()


class Forwarding(BackHalf):
    """A forwarder alone, and its producer."""

    keepers: Sequence[Actor] = ()

    def __init__(
        self, topic: Topic, clock: StandingClock, partitions: int, end_part: Callable[[str], None]
    ) -> None:
        """Prepare a forwarder to a topic.

        Args:
            topic: Receives the messages.
            clock: Is set when the forwarder waits.
            partitions: Of the topic.
            end_part: Called with the thread's name when it has worked.
        """
        self._topic = topic
        self._clock = clock
        self._options = ForwarderOptions(TOPIC, partitions)
        self._end_part = end_part
        self._producer: Producer

    def make(self, front: FrontHalf, log: FileLog) -> BackHalf:
        """Make the half behind a log."""
        self._forwarder = Forwarder(
            log, front.clock, front.verdicts, self._create, front.metrics, self._options
        )
        self.stages: Sequence[Actor] = (self._forwarder,)
        return self

    def _create(
        self,
        *,
        told: Callable[[Sequence[Report]], object],
        ended: Callable[[KafkaFailure], object],
    ) -> Producing:
        self._producer = Producer({}, told=told, ended=ended, ordered=True)
        return self._producer

    async def take_on(self) -> None:
        """Let the forwarder send what it has gathered, and report it."""
        self._clock.now += GATHER_SECONDS
        await trio.testing.wait_all_tasks_blocked()
        self._clock.now += FLIGHT_SECONDS
        self._end_part("trio")
        self._producer.work(self._topic)
        self._end_part("producer's thread")
        await trio.testing.wait_all_tasks_blocked()

    @property
    def backlog(self) -> int:
        """See `BackHalf.backlog`."""
        return self._forwarder.backlog

    async def leave_rest(self) -> None:
        """Do nothing."""

    def status(self) -> dict[str, dict[str, object]]:
        """Report nothing."""
        return {}

    def figures(self) -> dict[str, float]:
        """Report nothing."""
        return {}


class Folds(Holder):
    """The logs of a worker's partitions."""

    def __init__(self) -> None:
        """Own none."""
        self.held: list[Holding] = []
        self.logs: dict[Holding, KafkaLog] = {}

    def assigned(self, holding: Holding) -> None:
        """Note a partition."""
        self.held.append(holding)

    def received(self, holding: Holding, start: int, messages: Sequence[TopicMessage]) -> None:
        """Give a log its messages."""
        self.logs[holding].received(start, messages)

    def revoked(self, holding: Holding) -> None:
        """Do nothing: it does not happen."""

    def discarded(self, holding: Holding) -> None:
        """As `revoked`."""

    def out_of_range(self, holding: Holding, start: int) -> None:
        """As `revoked`."""

    def ended(self, failure: KafkaFailure | None) -> None:
        """As `revoked`."""


class Group(ConsumerThread):
    """A consumer whose thread's work is done when it is told to."""

    def join(self, client: Topic, folds: Folds, partitions: int) -> None:
        """Be given all partitions."""
        self._holder = folds
        self._token = trio.lowlevel.current_trio_token()
        self._assigned(cast("Any", client), [TopicPartition(TOPIC, n) for n in range(partitions)])

    @property
    def is_asked(self) -> bool:
        """Whether commits or orders wait."""
        return bool(self._commits or self._orders)

    def work(self, client: Topic) -> None:
        """Do what the thread does in a round."""
        self._poll(cast("Any", client))
        self._serve(cast("Any", client))


class FixedWorker:
    """A running worker's parts."""

    def __init__(
        self, group: Group, topic: Topic, clock: StandingClock, end_part: Callable[[str], None]
    ) -> None:
        """Read a topic."""
        self._group = group
        self._topic = topic
        self._clock = clock
        self._end_part = end_part

    async def receive(self) -> None:
        """Poll, and do what is asked for, until there is nothing to be done."""
        while self._topic.messages or self._group.is_asked:
            self._end_part("trio")
            self._group.work(self._topic)
            self._end_part("consumer's thread")
            await trio.testing.wait_all_tasks_blocked()

    async def flush(self) -> None:
        """Store all batches."""
        self._clock.now += FLUSH_SECONDS
        await trio.testing.wait_all_tasks_blocked()
        await self.receive()


@asynccontextmanager
async def fixed_worker(
    topic: Topic, clock: StandingClock, partitions: int, end_part: Callable[[str], None]
) -> AsyncIterator[FixedWorker]:
    """Run a worker that owns all partitions of a topic.

    Args:
        topic: The topic.
        clock: Is set when batches are to be due.
        partitions: Of the topic.
        end_part: Called with the thread's name when it has worked.
    """
    metrics = Metrics(lambda domain: True)
    outlet, flushes = trio.open_memory_channel[Flush](0)
    group, folds = Group({}, TOPIC, session_seconds=15), Folds()
    group.join(topic, folds, partitions)
    await trio.testing.wait_all_tasks_blocked()
    verdicts = FoldMetrics(metrics)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_run, Writer(flushes, EncodingSink(), no_letters(), metrics))
        for holding in folds.held:
            plan = Plan(LogPoint(0, 0), None, None, RULES, NOW)
            note = KafkaNote(
                group,
                holding,
                cast("CommittedOffsets", None),
                accepted=None,
                plan=plan,
                session_seconds=15,
            )
            log = folds.logs[holding] = KafkaLog(
                group,
                holding,
                cast("PartitionTopic", None),
                cast("MessageLetters", None),
                note,
                cluster_id="0123456789abcdef",
                first=0,
                start=plan.committed,
            )
            fold = Partition(
                log,
                FoldState(log.id, 0, 0, 0, DESCRIPTION, (), (), ()),
                outlet.clone(),
                verdicts,
                no_letters(),
                metrics,
                flush_rows=2000,
                flush_seconds=FLUSH_SECONDS,
            )
            for actor in fold.actors:
                nursery.start_soon(_run, actor)
        await trio.testing.wait_all_tasks_blocked()
        worker = FixedWorker(group, topic, clock, end_part)
        await worker.receive()
        yield worker
        nursery.cancel_scope.cancel()


async def _run(actor: Actor) -> None:
    await actor.run()


class NoLetters:
    """No letters: nothing is refused."""

    def set_aside_positions(self, log: str, partition: int) -> set[int]:
        """Return none."""
        return set()


def no_letters() -> Letters:
    """Return what is not used."""
    return cast("Letters", NoLetters())
