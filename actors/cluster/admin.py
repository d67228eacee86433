"""Questions and requests to the brokers: topics, settings, offsets, groups."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Final, NamedTuple, TypeVar

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, OffsetSpec, ResourceType

from actors.cluster.failure import KafkaFailure, Options, client_options
from actors.threads.serial_thread import SerialThread

T = TypeVar("T")

ANSWER_SECONDS: Final = 10.0
"""How long the brokers may take to answer."""

_OUTDATED: Final = frozenset(
    {"FENCED_LEADER_EPOCH", "UNKNOWN_LEADER_EPOCH", "NOT_LEADER_FOR_PARTITION"}
)
"""Failures after which the client must ask for the leaders of partitions. By itself it keeps what
it knows of a topic for 15 minutes, and asks the former leader again."""

_EARLIEST: Final = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
_LATEST: Final = OffsetSpec.latest()  # type: ignore[no-untyped-call]


class TopicShape(NamedTuple):
    """What a cluster says about a topic.

    Attributes:
        partitions: How many it has.
        replication: On how many brokers each is.
    """

    partitions: int
    replication: int


class Bounds(NamedTuple):
    """The messages of a partition.

    Attributes:
        low: Offset of the first.
        high: Offset after the last.
    """

    low: int
    high: int


class CommittedOffset(NamedTuple):
    """What a group has committed for a partition.

    Attributes:
        offset: Of the next message; negative if nothing is committed.
        metadata: The text that was committed with it.
    """

    offset: int
    metadata: str


class Admin:
    """Owns a thread and an administrator's connection, from the first question until `close`.

    All methods raise `KafkaFailure`. Its text says what is wrong with the connection, if that is
    why the brokers did not answer.
    """

    def __init__(self, options: Options) -> None:
        """Create it without connecting.

        Args:
            options: The client's, with those of the connection.
        """
        self._options = options
        self._thread = SerialThread("kafka-admin")
        self._client: AdminClient | None = None
        self._groups: dict[str, Consumer] = {}
        self._error: KafkaFailure | None = None

    async def cluster_id(self) -> str:
        """The id of the Kafka cluster."""

        def ask(client: AdminClient) -> str:
            return str(client.list_topics(timeout=ANSWER_SECONDS).cluster_id)

        return await self._ask(ask)

    async def topics(self) -> dict[str, TopicShape]:
        """All topics that the connection may see, by name."""

        def describe(client: AdminClient) -> dict[str, TopicShape]:
            found = client.list_topics(timeout=ANSWER_SECONDS).topics
            return {
                name: TopicShape(
                    len(topic.partitions),
                    min((len(each.replicas) for each in topic.partitions.values()), default=0),
                )
                for name, topic in found.items()
                if topic.error is None
            }

        return await self._ask(describe)

    async def create_topic(
        self, name: str, partitions: int, replication: int, settings: Mapping[str, str]
    ) -> bool:
        """Create a topic.

        Returns:
            False if there is one of that name.
        """
        topic = NewTopic(name, partitions, replication, config=dict(settings))

        def create(client: AdminClient) -> bool:
            try:
                client.create_topics([topic])[name].result(ANSWER_SECONDS)
            except KafkaException as error:
                failure = KafkaFailure.raised(error)
                if failure.name != "TOPIC_ALREADY_EXISTS":
                    raise failure from None
                return False
            return True

        return await self._ask(create)

    async def topic_settings(self, names: Iterable[str]) -> dict[str, dict[str, str]]:
        """The settings of topics, by topic and name."""
        return await self._settings(ResourceType.TOPIC, names)

    async def broker_settings(self) -> dict[str, dict[str, str]]:
        """The settings of the brokers, by broker and name."""
        brokers = await self._ask(lambda client: client.list_topics(timeout=ANSWER_SECONDS).brokers)
        return await self._settings(ResourceType.BROKER, map(str, brokers))

    async def _settings(
        self, kind: ResourceType, names: Iterable[str]
    ) -> dict[str, dict[str, str]]:
        resources = [ConfigResource(kind, name) for name in names]

        def describe(client: AdminClient) -> dict[str, dict[str, str]]:
            answers: dict[ConfigResource, Future[Any]] = {}
            for resource in resources:
                # The client takes one broker in a call, as only the broker itself can answer.
                answers |= client.describe_configs([resource], request_timeout=ANSWER_SECONDS)
            return {
                resource.name: {
                    name: str(entry.value) for name, entry in answer.result(ANSWER_SECONDS).items()
                }
                for resource, answer in answers.items()
            }

        return await self._ask(describe)

    async def bounds(self, topic: str, partitions: Sequence[int]) -> dict[int, Bounds]:
        """The first and last messages of partitions."""

        def ask(client: AdminClient, spec: OffsetSpec) -> dict[TopicPartition, Future[Any]]:
            places = {TopicPartition(topic, number): spec for number in partitions}
            return client.list_offsets(places, request_timeout=ANSWER_SECONDS)

        def offsets(answers: dict[TopicPartition, Future[Any]]) -> dict[int, int]:
            return {
                place.partition: answer.result(ANSWER_SECONDS).offset
                for place, answer in answers.items()
            }

        def describe(client: AdminClient) -> dict[int, Bounds]:
            first, last = ask(client, _EARLIEST), ask(client, _LATEST)
            low, high = offsets(first), offsets(last)
            return {number: Bounds(low[number], high[number]) for number in partitions}

        return await self._ask(describe)

    async def delete_records(self, topic: str, before: Mapping[int, int]) -> None:
        """Delete messages.

        Args:
            topic: The topic.
            before: For each partition the offset before which messages are deleted.
        """
        places = [TopicPartition(topic, number, offset) for number, offset in before.items()]

        def delete(client: AdminClient) -> None:
            for answer in client.delete_records(places).values():
                answer.result(ANSWER_SECONDS)

        await self._ask(delete)

    async def committed(
        self, group: str, topic: str, partitions: Sequence[int]
    ) -> dict[int, CommittedOffset]:
        """What a group has committed, by partition."""
        places = [TopicPartition(topic, number) for number in partitions]

        def ask(client: AdminClient) -> dict[int, CommittedOffset]:
            # A consumer that never joins. The administrator's own request ends the process by a
            # failed assertion if it outlives the group's coordinator.
            if group not in self._groups:
                self._groups[group] = Consumer(
                    client_options({**self._options, "group.id": group}, self._note_error)
                )
            found = self._groups[group].committed(places, timeout=ANSWER_SECONDS)
            for place in found:
                if place.error is not None:
                    raise KafkaException(place.error)
            return {
                place.partition: CommittedOffset(place.offset, place.metadata or "")
                for place in found
            }

        return await self._ask(ask)

    def close(self) -> None:
        """Close the connection and end the thread."""
        self._thread.close(self._close)

    async def _ask(self, question: Callable[[AdminClient], T]) -> T:
        def ask() -> T:
            self._error = None
            try:
                if self._client is None:
                    self._client = AdminClient(client_options(self._options, self._note_error))
                return question(self._client)
            except KafkaException as error:
                failure = KafkaFailure.raised(error)
                if failure.name in _OUTDATED and self._client is not None:
                    with suppress(KafkaException):
                        self._client.list_topics(timeout=ANSWER_SECONDS)
            except TimeoutError:
                failure = KafkaFailure("_TIMED_OUT", "the brokers did not answer")
            if failure.passing and self._client is not None:
                # Why there was no answer is only told here.
                self._client.poll(0)
                if self._error is not None:
                    failure = KafkaFailure(self._error.name, str(self._error))
            raise failure

        return await self._thread.call(ask)

    def _close(self) -> None:
        for consumer in self._groups.values():
            consumer.close()
        client, self._client = self._client, None
        if client is not None:
            # The traceback of a failure may still refer to it. It must not be collected while its
            # own thread runs, which ends the process.
            client.__exit__(None, None, None)

    def _note_error(self, error: KafkaError) -> None:
        failure = KafkaFailure.of(error)
        if self._error is None or _weight(failure) > _weight(self._error):
            self._error = failure


def _weight(failure: KafkaFailure) -> int:
    """How much a failure says. That all brokers are down follows every other failure."""
    return {"_ALL_BROKERS_DOWN": 0, "_TRANSPORT": 1}.get(failure.name, 2)
