"""What workers could not handle, in the letters topic of the cluster."""

import secrets
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection
from contextlib import aclosing
from typing import Final, Protocol

import structlog
import trio

from actors.cluster.checkpoint_topic import Reader
from actors.cluster.failure import KafkaFailure
from actors.cluster.letter_reading import LetterRecord, RecordAssembler, find_records
from actors.cluster.topic_reader import TopicMessage
from actors.cluster.waiting_letters import WaitingLetters, WaitingRecord
from actors.letters.dead_letters import LETTERS_BYTES, LETTERS_LIMIT, size_of
from actors.letters.letter_queue import Told
from actors.letters.letters import Letters
from actors.pipeline.setting_aside import letter_of
from actors.supervision.actor import Actor
from ingest.engine.cluster_letters import ClusterLetters
from ingest.engine.letter_record import (
    LetterHeader,
    Mark,
    letter_frames,
    mark_frames,
    mark_of,
    message_frames,
    rows_partition,
)
from ingest.engine.parts import Packer
from ingest.letters.dead_letter import Content, DeadLetter, LogPosition, describe, kind_of
from ingest.model.event import EnrichedEvent
from ingest.rows.batch import Insert

log = structlog.get_logger()

RETRY_SECONDS: Final = 1.0

FRAMES_TOGETHER: Final = 64
"""Frames that are compressed between two checkpoints."""

Send = Callable[[bytes, bytes], Awaitable[int]]
"""Sends a key and a message to the letters topic; returns the offset once it is there."""


End = Callable[[], Awaitable[int]]
"""Asks for the offset after the last message of the letters topic; raises `KafkaFailure`.

The reader cannot be asked: it waits for messages."""


class FollowedReader(Reader, Protocol):
    """A reader of the letters topic from its beginning, see `TopicReader`."""

    @property
    def position(self) -> int | None:
        """Offset of the next message to be read."""


class LetterTopic(Actor, Letters):
    """The letters of all workers: follows the topic, and appends to it.

    Attributes:
        letters: The letters of the topic, as far as it was read.
        problem: Why it cannot be read or written; None if it can.
    """

    name = "cluster_letters"

    def __init__(
        self,
        reader: FollowedReader,
        end: End,
        readers: Callable[[int], Reader],
        send: Send,
        now: Callable[[], float] = time.time,
        on_keep: Callable[[str], None] = lambda actor: None,
    ) -> None:
        """Create it without reading.

        Args:
            reader: Reads the topic from its beginning.
            end: Asks where it ends.
            readers: Open readers of it from an offset.
            send: Appends to it.
            now: Gives Unix seconds.
            on_keep: Told the actor's name for each letter.
        """
        self.letters = ClusterLetters()
        self.problem: str | None = None
        self._reader = reader
        self._end = end
        self._readers = readers
        self._send = send
        self._now = now
        self._on_keep = on_keep
        self._records = RecordAssembler()
        self._read_to = 0
        self._waiting = WaitingLetters()
        self._read = trio.Event()

    # As an actor.

    @property
    def has_work(self) -> bool:
        """Whether letters wait to be sent; waiting for the brokers does not count."""
        return len(self._waiting) > 0 and self.problem is None

    @property
    def trouble(self) -> str | None:
        """See `Actor.trouble`."""
        return self.problem

    async def run(self) -> None:
        """Follow the topic, and send what is queued, forever."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._follow)
            nursery.start_soon(self._send_queued)

    async def _follow(self) -> None:
        while True:
            try:
                messages = await self._reader.read()
            except KafkaFailure as failure:
                self.problem = f"letters cannot be read: {failure}"
                await trio.sleep(RETRY_SECONDS)
                continue
            self.problem = None
            for message in messages:
                self._take(message)
                await trio.lowlevel.checkpoint()
            self.letters.expire(self._now())
            # The reader is further on as soon as it has messages, before they are taken.
            self._read_to = self._reader.position or 0
            self._read.set()
            self._read = trio.Event()

    def _take(self, message: TopicMessage) -> None:
        record = self._records.add(message)
        if record is not None:
            self.letters.take(record.header, record.offset, record.size)

    async def read_to_end(self) -> None:
        """Wait until everything is read that is in the topic now."""
        while True:
            try:
                end = await self._end()
                break
            except KafkaFailure as failure:
                self.problem = f"letters cannot be read: {failure}"
                await trio.sleep(RETRY_SECONDS)
        while self._read_to < end:
            await self._read.wait()

    async def _send_queued(self) -> None:
        while True:
            kept = await self._append(await self._waiting.first())
            self.progress += 1
            self._waiting.settle(kept)

    async def _append(self, record: WaitingRecord) -> bool:
        """Append a record; returns False if the brokers refuse it for good."""
        packer = Packer()
        for number, frame in enumerate(record.frames()):
            packer.add(frame)
            if number % FRAMES_TOGETHER == 0:
                await trio.lowlevel.checkpoint()
        for message in packer.finish(secrets.randbits(64)):
            while True:
                try:
                    await self._send(record.id.encode(), message)
                    self.problem = None
                    break
                except KafkaFailure as failure:
                    self.problem = f"letters cannot be sent: {failure}"
                    if not failure.passing:
                        log.critical("record of letters refused", id=record.id, error=str(failure))
                        return False
                await trio.sleep(RETRY_SECONDS)
        return True

    # As letters.

    def __len__(self) -> int:
        kept = self.letters.letters.keys()
        return len(kept) + len(self._waiting.letters.keys() - kept)

    @property
    def bytes(self) -> int:
        """Approximate size of all letters."""
        return self.letters.bytes + self._waiting.bytes

    @property
    def full(self) -> bool:
        """Whether no more letters are kept."""
        return len(self) >= LETTERS_LIMIT or self.bytes >= LETTERS_BYTES

    def keep(
        self,
        actor: str,
        content: Content,
        error: Exception | str | None,
        *,
        redrive: bool = False,
        key: str | None = None,
        letter: str | None = None,
        position: LogPosition | None = None,
        told: Told = lambda kept: None,
    ) -> bool:
        """See `Letters.keep`. A letter is durable when the topic has it.

        A redriven event that cannot be folded is the letter that it comes from.
        """
        now = int(self._now())
        letter_id = letter or key or f"{now}-{secrets.token_hex(4)}"
        redriven = 0 if letter is None else max(self.letters.redriven(letter), 0) + 1
        if position is not None:
            letter_id = position.letter_id
        source = content.source if isinstance(content, EnrichedEvent) else None
        if source is not None and (earlier := letter_of(source)) is not None:
            letter_id, redriven = earlier, source.number
        if letter_id in self._waiting.letters:
            self._waiting.letters[letter_id].told.append(told)
            return True
        if self.letters.has(letter_id, redriven):
            told(True)
            return True
        kept = self.letters.letters.get(letter_id)
        if kept is None and self.full and not redrive:
            log.critical("no room for dead letters", letters=len(self), bytes=self.bytes)
            return False
        dead_letter = DeadLetter(
            id=letter_id,
            kind=kind_of(content),
            actor=actor,
            created_at=now,
            error=error if isinstance(error, str) else describe(error),
            content=content,
            partition=_partition_of(content, position),
            redriven=redriven,
            position=position,
        )
        self._on_keep(actor)
        if kept is not None:
            kept.redrive = False
        self._waiting.put_letter(
            WaitingRecord(letter_id, lambda: letter_frames(dead_letter), size_of(content), [told])
        )
        return True

    async def keep_message(self, partition: int, message: TopicMessage, reason: str) -> bool:
        """Keep a message that cannot be decoded.

        Returns:
            Whether the topic has it; False if no more letters fit now.
        """
        letter_id = f"message-{partition}-{message.offset}"
        if self.letters.has(letter_id, 0):
            return True
        if self.full:
            return False
        value, now = message.value or b"", int(self._now())
        outcome: list[bool] = []
        self._waiting.put_letter(
            WaitingRecord(
                letter_id,
                lambda: message_frames(letter_id, partition, now, reason, value),
                len(value),
                [outcome.append],
            )
        )
        await self.written()
        return outcome == [True]

    async def written(self) -> None:
        """See `Letters.written`."""
        await self._waiting.settled()

    def set_aside_positions(self, log: str, partition: int) -> set[int]:
        """See `Letters.set_aside_positions`."""
        return self.letters.set_aside_positions(partition)

    def forget_marks(self, log: str, partition: int, before: int) -> None:
        """Do nothing: the topic deletes them after two weeks."""

    # For those who redrive.

    async def find(self, letter_ids: Collection[str]) -> AsyncGenerator[LetterRecord]:
        """The records of letters, oldest first; those that are gone meanwhile are left out."""
        found = [
            letter for letter in map(self.letters.letters.get, letter_ids) if letter is not None
        ]
        if not found:
            return
        reader = self._readers(min(letter.offset for letter in found))
        records = find_records(reader, [letter.header for letter in found])
        async with aclosing(records):
            async for record in records:
                yield record

    async def mark(self, letter: LetterHeader, mark: Mark) -> bool:
        """Append a mark.

        Returns:
            Whether the topic has it. This process acts on it in any case.
        """
        header = mark_of(letter, mark, int(self._now()))
        outcome: list[bool] = []
        self._waiting.put_mark(
            WaitingRecord(letter.id, lambda: mark_frames(header), 0, [outcome.append])
        )
        await self.written()
        self.letters.take(header, 0, 0)
        return outcome == [True]

    def status(self) -> dict[str, object]:
        """The letters' part of the readiness report."""
        status = "down" if self.full else "degraded" if self.problem else "ok"
        reason = {} if self.problem is None else {"reason": self.problem}
        return {"status": status, "kept": len(self), "full": self.full, **reason}

    def figures(self) -> dict[str, float]:
        """Gauges by their names in `/metrics`."""
        return {"sluice_dead_letters_kept": len(self)}

    def close(self) -> None:
        """Stop reading."""
        self._reader.close()


def _partition_of(content: Content, position: LogPosition | None) -> int:
    if isinstance(content, Insert):
        return rows_partition(content)
    return content.partition if position is None else position.partition
