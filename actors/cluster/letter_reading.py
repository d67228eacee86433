"""Reads the records of the letters topic."""

from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing
from typing import NamedTuple

import structlog
import trio

from actors.cluster.checkpoint_topic import Reader
from actors.cluster.failure import KafkaFailure
from actors.cluster.topic_reader import TopicMessage
from ingest.engine.letter_record import LetterHeader, read_header, read_letter, read_text
from ingest.engine.parts import Assembler, read_part, unpack
from ingest.letters.dead_letter import DeadLetter

log = structlog.get_logger()

RETRY_SECONDS = 1.0


class LetterRecord(NamedTuple):
    """A whole record.

    Attributes:
        header: Its header.
        offset: Of its first message.
        pieces: Its bytes.
    """

    header: LetterHeader
    offset: int
    pieces: list[bytes]

    @property
    def size(self) -> int:
        """Its size in the topic, in bytes."""
        return sum(map(len, self.pieces))

    async def letter(self) -> DeadLetter:
        """Decode the letter in a thread, because it may have many rows.

        Raises:
            ValueError: It is damaged, or a message that cannot be decoded.
        """
        return await trio.to_thread.run_sync(lambda: read_letter(unpack(self.pieces)))

    async def text(self) -> bytes:
        """The letter's text, or the bytes of a message, decoded in a thread.

        Raises:
            ValueError: It is damaged.
        """
        return await trio.to_thread.run_sync(lambda: read_text(unpack(self.pieces)))


class RecordAssembler:
    """Puts the messages of the topic together."""

    def __init__(self) -> None:
        """Start without messages."""
        self._parts = Assembler()
        self._first_offsets: dict[int, int] = {}

    def add(self, message: TopicMessage) -> LetterRecord | None:
        """Take a message.

        Returns:
            Its record, if that is whole now and can be read.
        """
        try:
            part = read_part(message.value or b"")
            if part.number == 0:
                self._first_offsets[part.content_id] = message.offset
            pieces = self._parts.add(part)
            if pieces is None:
                return None
            offset = self._first_offsets.pop(part.content_id, message.offset)
            return LetterRecord(read_header(next(unpack(pieces), b"")), offset, pieces)
        except ValueError as error:
            log.error("record of letters cannot be read", offset=message.offset, error=str(error))
            return None


async def read_records(reader: Reader) -> AsyncGenerator[LetterRecord]:
    """The records of the topic, from where the reader starts to the end.

    Waits while Kafka is away. The reader is closed at the end.

    Raises:
        KafkaFailure: The topic must not be read.
    """
    records = RecordAssembler()
    try:
        while not reader.caught_up:
            try:
                messages = await reader.read()
            except KafkaFailure as failure:
                if not failure.passing:
                    raise
                log.warning("letters cannot be read", error=str(failure))
                await trio.sleep(RETRY_SECONDS)
                continue
            for message in messages:
                record = records.add(message)
                if record is not None:
                    yield record
                await trio.lowlevel.checkpoint()
    finally:
        reader.close()


async def find_records(
    reader: Reader, letters: Collection[LetterHeader]
) -> AsyncGenerator[LetterRecord]:
    """The records of letters, from where the reader starts; those that are gone are left out."""
    wanted = {(letter.id, letter.redriven) for letter in letters}
    async with aclosing(read_records(reader)) as records:
        async for record in records:
            key = record.header.id, record.header.redriven
            if record.header.mark is None and key in wanted:
                wanted.discard(key)
                yield record
                if not wanted:
                    return
