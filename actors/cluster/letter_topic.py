"""What workers could not handle, in the letters topic of the cluster."""

import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeVar

import structlog
import trio
from msgspec.structs import replace

from actors.cluster.checkpoint_topic import Reader, read_contents
from actors.cluster.failure import KafkaFailure
from actors.cluster.topic_reader import TopicMessage
from actors.letters.dead_letters import LETTERS_BYTES, LETTERS_LIMIT
from actors.letters.letter_queue import Told
from actors.letters.letters import Letters
from actors.log.log import Log
from actors.pipeline.flush import Flush
from actors.supervision.actor import Actor
from ingest.engine.letter_record import (
    LetterHeader,
    Mark,
    letter_frames,
    mark_frames,
    message_frames,
    read_header,
    read_letter,
    rows_partition,
)
from ingest.engine.parts import Assembler, Packer, read_part, unpack
from ingest.letters.dead_letter import Content, DeadLetter, LogPosition, describe, kind_of
from ingest.rows.batch import Insert

log = structlog.get_logger()

Key = TypeVar("Key")

RETENTION_SECONDS: Final = 14 * 86_400
"""How long the topic keeps letters."""

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


class LetterNotFoundError(Exception):
    """There is no letter of this id."""


@dataclass(slots=True)
class _Entry:
    """A letter that waits for an operator."""

    header: LetterHeader
    offset: int
    bytes: int
    redrive: bool = False


@dataclass(eq=False, slots=True)
class _Record:
    """A record to be sent."""

    id: str
    frames: Callable[[], Iterator[bytes]]
    told: list[Told] = field(default_factory=list)
    over: bool = False


class LetterTopic(Actor, Letters):
    """The letters of all workers: follows the topic, and appends to it.

    A letter is named by the position of its record, or by the token of its rows; so what is kept
    twice, by two workers or after a crash, is one letter. Marks say what became of it.
    """

    name = "letters"

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
        self.problem: str | None = None
        self._reader = reader
        self._end = end
        self._readers = readers
        self._send = send
        self._now = now
        self._on_keep = on_keep
        self._assembler = Assembler()
        self._first_offsets: dict[int, int] = {}
        self._entries: dict[str, _Entry] = {}
        self._marked: dict[str, int] = {}
        self._positions: dict[tuple[int, int], int] = {}
        self._bytes = 0
        self._queue: deque[_Record] = deque()
        self._waiting: dict[str, _Record] = {}
        self._event = trio.Event()

    # As an actor.

    @property
    def has_work(self) -> bool:
        """Whether letters wait to be sent; waiting for the brokers does not count."""
        return bool(self._queue) and self.problem is None

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
            self._expire()
            self._wake()

    def _take(self, message: TopicMessage) -> None:
        try:
            part = read_part(message.value or b"")
            if part.number == 0:
                self._first_offsets[part.content_id] = message.offset
            pieces = self._assembler.add(part)
            if pieces is None:
                return
            offset = self._first_offsets.pop(part.content_id, message.offset)
            header = read_header(next(unpack(pieces), b""))
        except ValueError as error:
            log.error("record of letters cannot be read", offset=message.offset, error=str(error))
            return
        if header.mark is None:
            self._add(header, offset, sum(map(len, pieces)))
        else:
            self._mark(header.id, header.mark, header.created_at)

    def _add(self, header: LetterHeader, offset: int, size: int) -> None:
        if header.position is not None:
            self._positions[header.partition, header.position] = header.created_at
        if header.id in self._marked and header.kind != "rows":
            return
        # Rows that were redriven and refused again wait for an operator again.
        self._marked.pop(header.id, None)
        self._remove(header.id)
        self._entries[header.id] = _Entry(header, offset, size)
        self._bytes += size

    def _mark(self, letter_id: str, mark: Mark, created_at: int) -> None:
        entry = self._entries.get(letter_id)
        if mark == "redrive":
            if entry is not None:
                entry.redrive = True
            return
        self._remove(letter_id)
        self._marked[letter_id] = created_at

    def _remove(self, letter_id: str) -> None:
        entry = self._entries.pop(letter_id, None)
        if entry is not None:
            self._bytes -= entry.bytes

    def _expire(self) -> None:
        """Forget what the topic has deleted."""
        before = self._now() - RETENTION_SECONDS
        while self._entries:
            letter_id, entry = next(iter(self._entries.items()))
            if entry.header.created_at >= before:
                break
            self._remove(letter_id)
        _forget_before(self._marked, before)
        _forget_before(self._positions, before)

    async def read_to_end(self) -> None:
        """Wait until everything is read that is in the topic now."""
        while True:
            try:
                end = await self._end()
                break
            except KafkaFailure as failure:
                self.problem = f"letters cannot be read: {failure}"
                await trio.sleep(RETRY_SECONDS)
        while (self._reader.position or 0) < end:
            await self._event.wait()

    async def _send_queued(self) -> None:
        while True:
            while not self._queue:
                await self._event.wait()
            record = self._queue[0]
            kept = await self._append(record)
            self._queue.popleft()
            self._waiting.pop(record.id, None)
            record.over = True
            self.progress += 1
            for told in record.told:
                told(kept)
            self._wake()

    async def _append(self, record: _Record) -> bool:
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
                        log.critical("dead letter not kept", id=record.id, error=str(failure))
                        return False
                await trio.sleep(RETRY_SECONDS)
        return True

    def _put(self, record: _Record) -> None:
        self._queue.append(record)
        self._waiting[record.id] = record
        self._wake()

    def _wake(self) -> None:
        self._event.set()
        self._event = trio.Event()

    # As letters.

    def __len__(self) -> int:
        return len(self._entries) + len(self._waiting.keys() - self._entries.keys())

    @property
    def full(self) -> bool:
        """Whether no more letters are kept."""
        return len(self) >= LETTERS_LIMIT or self._bytes >= LETTERS_BYTES

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
        """See `Letters.keep`. A letter is durable when the topic has it."""
        now = int(self._now())
        letter_id = letter or key or f"{now}-{secrets.token_hex(4)}"
        if position is not None:
            letter_id = position.letter_id
        if letter_id in self._waiting:
            self._waiting[letter_id].told.append(told)
            return True
        if letter is None and (letter_id in self._entries or letter_id in self._marked):
            told(True)
            return True
        if self.full and letter is None:
            log.critical("no room for dead letters", letters=len(self), bytes=self._bytes)
            return False
        partition = rows_partition(content) if isinstance(content, Insert) else 0
        dead_letter = DeadLetter(
            id=letter_id,
            kind=kind_of(content),
            actor=actor,
            created_at=now,
            error=error if isinstance(error, str) else describe(error),
            content=content,
            partition=partition if position is None else position.partition,
            position=position,
        )
        self._on_keep(actor)
        if letter is not None and letter in self._entries:
            self._entries[letter].redrive = False
        self._put(_Record(letter_id, lambda: letter_frames(dead_letter), [told]))
        return True

    async def keep_message(self, partition: int, message: TopicMessage, reason: str) -> bool:
        """Keep a message that cannot be decoded.

        Returns:
            Whether the topic has it; False if no more letters fit now.
        """
        letter_id = f"message-{partition}-{message.offset}"
        if letter_id in self._entries or letter_id in self._marked:
            return True
        if self.full:
            return False
        value, now = message.value or b"", int(self._now())
        outcome: list[bool] = []
        self._put(
            _Record(
                letter_id,
                lambda: message_frames(letter_id, partition, now, reason, value),
                [outcome.append],
            )
        )
        await self.written()
        return outcome == [True]

    async def written(self) -> None:
        """See `Letters.written`."""
        for record in list(self._queue):
            while not record.over:
                await self._event.wait()

    def set_aside_positions(self, log: str, partition: int) -> set[int]:
        """See `Letters.set_aside_positions`."""
        return {position for number, position in self._positions if number == partition}

    def forget_marks(self, log: str, partition: int, before: int) -> None:
        """Do nothing: the topic deletes them after two weeks."""

    # For those who redrive.

    def headers(self) -> list[LetterHeader]:
        """The letters that wait, oldest first."""
        return [entry.header for entry in self._entries.values()]

    def to_redrive(self, kind: str, partition: int | None = None) -> list[str]:
        """The ids of letters of a kind that are to be redriven, oldest first."""
        return [
            letter_id
            for letter_id, entry in self._entries.items()
            if entry.redrive
            and entry.header.kind == kind
            and partition in (None, entry.header.partition)
        ]

    async def read(self, letter_id: str) -> DeadLetter:
        """Read a letter.

        Raises:
            LetterNotFoundError: There is none of this id, or the topic has deleted it.
            ValueError: It is damaged, or a message that cannot be decoded.
        """
        entry = self._entries.get(letter_id)
        if entry is None:
            raise LetterNotFoundError(letter_id)
        reader = self._readers(entry.offset)
        try:
            async with aclosing(read_contents(reader)) as contents:
                async for _, pieces in contents:
                    header, *frames = unpack(pieces)
                    if read_header(header).id == letter_id:
                        return read_letter(frames)
        finally:
            reader.close()
        raise LetterNotFoundError(letter_id)

    async def redrive_rows(
        self, letter_id: str, outlet: trio.MemorySendChannel[Flush], source: Log
    ) -> None:
        """Have the rows of a letter stored, as the owner of their partition.

        Raises:
            KafkaFailure: The letter cannot be read now.
            ValueError: It is damaged, or has no rows.
        """
        try:
            content = (await self.read(letter_id)).content
        except LetterNotFoundError:
            self._remove(letter_id)
            return
        if not isinstance(content, Insert):
            raise ValueError("the letter has no rows")
        # An earlier owner may have stored them without marking the letter.
        insert = replace(content, attempted=True)
        flush = Flush((insert,), letter=letter_id, lease=source.lease)
        await outlet.send(flush)
        await flush.stored.wait()
        entry = self._entries.get(letter_id)
        # If they were refused again, the letter waits for the operator again.
        if entry is not None and entry.redrive and letter_id not in self._waiting:
            await self.mark(letter_id, "redriven")
            log.info("dead letter redriven", id=letter_id, kind="rows")

    async def mark(self, letter_id: str, mark: Mark) -> bool:
        """Append a mark.

        Returns:
            Whether the topic has it.
        """
        now = int(self._now())
        outcome: list[bool] = []
        self._put(
            _Record(
                f"mark {letter_id}", lambda: mark_frames(letter_id, mark, now), [outcome.append]
            )
        )
        await self.written()
        self._mark(letter_id, mark, now)
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


def _forget_before(times: dict[Key, int], before: float) -> None:
    while times:
        oldest = next(iter(times))
        if times[oldest] >= before:
            return
        del times[oldest]
