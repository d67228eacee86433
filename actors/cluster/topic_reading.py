"""Reads of topics that end: all of a small topic, or single messages of a large one."""

import time
from collections.abc import Mapping
from typing import Final

import trio
from confluent_kafka import Consumer, KafkaException, TopicPartition

from actors.cluster.failure import KafkaFailure, Options, client_options
from actors.cluster.topic_reader import TopicMessage, TopicReader
from actors.threads.serial_thread import SerialThread

READ_SECONDS: Final = 30.0
"""Limit of reading a topic to its end."""

LOOK_SECONDS: Final = 10.0
"""Limit of looking for single messages."""

_LITTLE: Final = 65_536
"""Bytes that are fetched of a partition when one message is wanted; a longer one comes, too."""


async def read_to_end(options: Options, topic: str) -> list[TopicMessage]:
    """All messages of a topic with one partition.

    Args:
        options: A consumer's, with those of the connection.
        topic: The topic.

    Raises:
        KafkaFailure: It cannot be read, or not in `READ_SECONDS`.
    """
    reader = TopicReader(options, topic)
    messages: list[TopicMessage] = []
    try:
        with trio.fail_after(READ_SECONDS):
            while not reader.caught_up:
                messages += await reader.read()
    except trio.TooSlowError:
        reason = reader.problem or "the brokers did not answer"
        raise KafkaFailure("_TIMED_OUT", f"{topic} was not read: {reason}") from None
    finally:
        reader.close()
    return messages


async def append_times(
    options: Options, topic: str, offsets: Mapping[int, int]
) -> dict[int, float]:
    """When messages of a topic were appended, Unix seconds.

    Args:
        options: A consumer's, with those of the connection.
        topic: The topic.
        offsets: One for each partition; if the message is no longer there, the next one is taken.

    Returns:
        By partition; without those that did not come in `LOOK_SECONDS`.

    Raises:
        KafkaFailure: The client cannot be used.
    """

    def look() -> dict[int, float]:
        consumer = Consumer(
            client_options(
                {**options, "max.partition.fetch.bytes": _LITTLE, "auto.offset.reset": "earliest"},
                lambda error: None,
            )
        )
        try:
            return _first_times(consumer, topic, offsets)
        except KafkaException as error:
            raise KafkaFailure.raised(error) from None
        finally:
            consumer.close()

    if not offsets:
        return {}
    thread = SerialThread("kafka-look")
    try:
        return await thread.call(look)
    finally:
        thread.close()


def _first_times(consumer: Consumer, topic: str, offsets: Mapping[int, int]) -> dict[int, float]:
    consumer.assign([TopicPartition(topic, *place) for place in offsets.items()])
    times: dict[int, float] = {}
    deadline = time.monotonic() + LOOK_SECONDS
    while len(times) < len(offsets) and (left := deadline - time.monotonic()) > 0:
        message = consumer.poll(left)
        if message is None or message.error() is not None:
            continue
        partition = message.partition() or 0
        if partition not in times:
            times[partition] = max(message.timestamp()[1], 0) / 1000
            consumer.incremental_unassign([TopicPartition(topic, partition)])
    return times
