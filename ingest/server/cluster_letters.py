"""The letters topic of a cluster, for fronts and for the command line."""

import contextlib
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing, closing
from functools import partial
from typing import Final

import trio

from actors.cluster.admin import Admin
from actors.cluster.failure import KafkaFailure
from actors.cluster.letter_reading import LetterRecord, find_records, read_records
from actors.cluster.letter_topic import LetterTopic
from actors.cluster.producer_thread import Message, ProducerThread
from actors.cluster.topic_reader import TopicReader
from ingest.engine.cluster_letters import ClusterLetters, KeptLetter
from ingest.engine.connection import admin_options, consumer_options, producer_options
from ingest.engine.letter_record import LetterHeader, Mark, mark_frames, mark_of
from ingest.engine.parts import Packer
from ingest.engine.topics import topic_names
from ingest.server.cluster_survey import NoClusterError
from ingest.settings import Settings

READ_SECONDS: Final = 120.0
"""How long a command may read the topic, which has up to some hundred megabytes."""

SEND_SECONDS: Final = 15.0
"""How long Kafka may take to accept the marks of a command."""


def letters_of_front(
    settings: Settings, send: Callable[[Message], Awaitable[int]], now: Callable[[], float]
) -> LetterTopic:
    """The letters of the cluster as a front follows them; closed by the caller.

    Args:
        settings: The front's.
        send: Sends a message.
        now: Gives Unix seconds.
    """
    topic = topic_names(settings.kafka_prefix).letters
    readers = partial(_reader, settings)

    async def send_letter(key: bytes, data: bytes) -> int:
        return await send(Message(topic, 0, data, key))

    async def end() -> int:
        with closing(Admin(admin_options(settings))) as admin:
            return (await admin.bounds(topic, [0]))[0].high

    return LetterTopic(readers(), end, readers, send_letter, now)


def _reader(settings: Settings, start: int | None = None) -> TopicReader:
    options, topic = consumer_options(settings), topic_names(settings.kafka_prefix).letters
    if start is None:
        return TopicReader(options, topic, name="letters")
    return TopicReader(options, topic, start=start, name="letters")


async def survey_letters(settings: Settings) -> ClusterLetters:
    """Read what letters there are.

    Raises:
        NoClusterError: There is no letters topic.
        SettingsError: The settings cannot be used for a connection.
        KafkaFailure: It cannot be read.
    """
    topic = topic_names(settings.kafka_prefix).letters
    with closing(Admin(admin_options(settings))) as admin:
        if topic not in await admin.topics():
            raise NoClusterError(
                f"there is no topic {topic}: make the cluster with `sluice engine create`"
            )
    letters = ClusterLetters()
    reader = _reader(settings)
    with _limited(reader):
        async with aclosing(read_records(reader)) as records:
            async for record in records:
                letters.take(record.header, record.offset, record.size)
    letters.expire(time.time())
    return letters


async def read_letter(settings: Settings, letter: KeptLetter) -> bytes | None:
    """Read a letter's text, or the bytes of a message that cannot be decoded.

    Returns:
        None if the topic has deleted it meanwhile.

    Raises:
        KafkaFailure: It cannot be read.
        ValueError: It is damaged.
    """
    reader = _reader(settings, letter.offset)
    found: LetterRecord | None = None
    with _limited(reader):
        async with aclosing(find_records(reader, [letter.header])) as records:
            async for record in records:
                found = record
    return None if found is None else await found.text()


@contextlib.contextmanager
def _limited(reader: TopicReader) -> Iterator[None]:
    try:
        with trio.fail_after(READ_SECONDS):
            yield
    except trio.TooSlowError:
        reason = reader.problem or "the brokers did not answer"
        raise KafkaFailure("_TIMED_OUT", f"letters were not read: {reason}") from None


async def mark_letters(settings: Settings, letters: Sequence[LetterHeader], mark: Mark) -> None:
    """Append marks.

    Raises:
        KafkaFailure: Kafka does not have all of them, as far as is known.
    """
    topic = topic_names(settings.kafka_prefix).letters
    with closing(ProducerThread(producer_options(settings), name="marks")) as producer:
        producer.start()
        try:
            with trio.fail_after(SEND_SECONDS):
                for letter in letters:
                    for data in _pack(mark_of(letter, mark, int(time.time()))):
                        await producer.send(Message(topic, 0, data, letter.id.encode()))
        except trio.TooSlowError:
            reason = producer.problem or "the brokers did not answer"
            raise KafkaFailure("_TIMED_OUT", f"the mark was not sent: {reason}") from None


def _pack(mark: LetterHeader) -> list[bytes]:
    packer = Packer()
    for frame in mark_frames(mark):
        packer.add(frame)
    return packer.finish(secrets.randbits(64))
