"""Reads one partition of a topic from an offset on, without a group."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as ReadMessage

from actors.cluster.failure import KafkaFailure, Options, client_options
from actors.threads.serial_thread import SerialThread

WAIT_SECONDS: Final = 1.0
"""How long a read waits for messages."""

BATCH: Final = 500
"""Maximum number of messages of a read."""


class TopicMessage(NamedTuple):
    """A message of a topic.

    Attributes:
        offset: Where it is.
        timestamp: When it was appended, or made, as the topic is set; Unix seconds.
        key: Its key, if it has one.
        value: Its content; None in a mark that deletes the key.
    """

    offset: int
    timestamp: float
    key: bytes | None
    value: bytes | None


class TopicReader:
    """Owns a thread and its consumer, from the first read until `close`.

    A read takes what is there, or waits for a second, so a reader that waits for messages costs
    nothing. Only one task reads at a time.

    Attributes:
        position: Offset of the next message to be read; None before the first.
        caught_up: Whether the end of the partition was reached at least once.
        problem: The last error of a connection, until messages are read again; None if there is
            none.
    """

    def __init__(
        self,
        options: Options,
        topic: str,
        partition: int = 0,
        *,
        start: int = OFFSET_BEGINNING,
        name: str = "reader",
    ) -> None:
        """Create the reader without starting it.

        Args:
            options: The client's, with those of the connection.
            topic: The topic.
            partition: Of the topic.
            start: Offset of the first message to read. If it is no longer there, reading starts at
                the first one that is.
            name: Of the thread.
        """
        self.position: int | None = None
        self.caught_up = False
        self.problem: str | None = None
        self._options: Options = {
            **options,
            # A consumer must have a group, also if it never joins it.
            "group.id": "sluice-readers",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
        }
        self._place = TopicPartition(topic, partition, start)
        self._thread = SerialThread(name)
        self._consumer: Consumer | None = None
        self._error: KafkaFailure | None = None

    async def read(self) -> Sequence[TopicMessage]:
        """The next messages; none if there are none within a second, or the end was reached.

        Raises:
            KafkaFailure: They cannot be read. The next read tries again, after a fatal failure with
                a new consumer.
        """
        return await self._thread.call(self._read)

    def close(self) -> None:
        """Close the consumer, and end the thread after a read that still runs."""
        self._thread.close(self._close)

    def _open(self) -> Consumer:
        if self._consumer is None:
            self._consumer = Consumer(client_options(self._options, self._note_error))
            # If the client does not know the leader yet, it waits for half a second before it asks
            # where the partition begins.
            with suppress(KafkaException):
                self._consumer.list_topics(self._place.topic, timeout=WAIT_SECONDS)
            self._consumer.assign([self._place])
        return self._consumer

    def _close(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.close()

    def _read(self) -> Sequence[TopicMessage]:
        try:
            consumer = self._open()
            messages = self._poll(consumer)
        except KafkaException as error:
            failure = KafkaFailure.raised(error)
            if failure.fatal:
                self._close()
            raise failure from None
        return self._take(messages)

    def _poll(self, consumer: Consumer) -> list[ReadMessage]:
        """Messages, as soon as there is one."""
        first = consumer.poll(WAIT_SECONDS)
        error, self._error = self._error, None
        if error is not None:
            self.problem = str(error)
            if error.fatal:
                self._close()
                raise error
        if first is None:
            return []
        return [first, *consumer.consume(BATCH - 1, 0)]

    def _take(self, messages: Sequence[ReadMessage]) -> Sequence[TopicMessage]:
        taken: list[TopicMessage] = []
        failure: KafkaFailure | None = None
        for message in messages:
            error = message.error()
            if error is None:
                taken.append(message_of(message))
            elif error.code() == KafkaError._PARTITION_EOF:
                self.caught_up = True
                self._move_to(message.offset() or 0)
            else:
                failure = KafkaFailure.of(error)
        if taken:
            self._move_to(taken[-1].offset + 1)
            self.problem = None
        elif failure is not None:
            raise failure
        return taken

    def _move_to(self, position: int) -> None:
        self.position = max(self.position or 0, position)
        self._place = TopicPartition(self._place.topic, self._place.partition, self.position)

    def _note_error(self, error: KafkaError) -> None:
        self._error = KafkaFailure.of(error)


def message_of(message: ReadMessage) -> TopicMessage:
    key, value = message.key(), message.value()
    _, milliseconds = message.timestamp()
    return TopicMessage(
        message.offset() or 0,
        max(milliseconds, 0) / 1000,
        key.encode() if isinstance(key, str) else key,
        value.encode() if isinstance(value, str) else value,
    )
