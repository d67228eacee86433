"""The checkpoints of a partition, in the partition of the same number of the checkpoints topic.

A checkpoint is in several messages (`ingest.engine.parts`). It is valid when an accepted commit
names it.
"""

import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import Final, Protocol, Self

import structlog
import trio

from actors.cluster.failure import KafkaFailure
from actors.cluster.topic_reader import TopicMessage
from actors.log.log import LogError
from ingest.engine.parts import Assembler, Packer, read_part, unpack
from ingest.engine.plan import CheckpointPlace
from ingest.fold.checkpoint import FoldState, read_parts, write_parts

log = structlog.get_logger()

SEND_SECONDS: Final = 60.0
"""How long a message may take to be acknowledged."""

RETRY_SECONDS: Final = 1.0

Send = Callable[[int, bytes], Awaitable[int]]
"""Sends a message to a partition of the checkpoints topic; returns its offset once it is there.

Raises `KafkaFailure` if it may not be there."""


class Reader(Protocol):
    """Reads one partition of a topic, see `TopicReader`."""

    @property
    def caught_up(self) -> bool:
        """Whether the end was reached."""

    async def read(self) -> Sequence[TopicMessage]:
        """The next messages; none if there are none for a while.

        Raises:
            KafkaFailure: They cannot be read now.
        """

    def close(self) -> None:
        """Stop."""


class WrittenCheckpoint:
    """A checkpoint in the topic, but for its last part.

    So a checkpoint that is whole is never ahead of the store, also if no commit names it.
    """

    def __init__(
        self,
        checkpoint_id: int,
        position: int,
        offset: int | None,
        send_last: Callable[[], Awaitable[int]],
        name: Callable[[CheckpointPlace], Awaitable[None]],
    ) -> None:
        """Know how to complete it.

        Args:
            checkpoint_id: Its id.
            position: Of the fold.
            offset: Of its first part; None if it has only one.
            send_last: Sends the last part.
            name: Names it in a commit.
        """
        self._id = f"{checkpoint_id:016x}"
        self._position = position
        self._offset = offset
        self._send_last = send_last
        self._name = name

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave it in the topic: nobody reads it if it is not named."""

    async def publish(self) -> None:
        """Complete it, and name it in a commit. Never returns if the partition is lost.

        Raises:
            LogError: It cannot be completed.
            trio.TooSlowError: The brokers do not answer.
        """
        last = await self._send_last()
        first = last if self._offset is None else self._offset
        await self._name(CheckpointPlace(self._id, first, self._position))


class CheckpointTopic:
    """Writes the checkpoints of one partition."""

    def __init__(
        self,
        partition: int,
        send: Send,
        name: Callable[[CheckpointPlace], Awaitable[None]],
    ) -> None:
        """Write to a partition.

        Args:
            partition: The partition.
            send: Sends a message.
            name: Names a checkpoint in a commit.
        """
        self._partition = partition
        self._send = send
        self._name = name

    async def write(self, state: FoldState) -> WrittenCheckpoint:
        """Write a checkpoint, in slices of a few milliseconds.

        Raises:
            LogError: It cannot be written.
            trio.TooSlowError: The brokers do not answer.
        """
        packer = Packer()
        for part in write_parts(state):
            packer.add(part)
            await trio.lowlevel.checkpoint()
        content_id = secrets.randbits(64)
        *messages, last = packer.finish(content_id)
        offsets = [await self._append(message) for message in messages]
        return WrittenCheckpoint(
            content_id,
            state.position,
            offsets[0] if offsets else None,
            lambda: self._append(last),
            self._name,
        )

    async def _append(self, message: bytes) -> int:
        try:
            with trio.fail_after(SEND_SECONDS):
                return await self._send(self._partition, message)
        except KafkaFailure as failure:
            raise LogError(str(failure)) from None

    def forget(self) -> None:
        """Do nothing: records are deleted only before a valid checkpoint."""


async def load_checkpoint(reader: Reader, place: CheckpointPlace) -> FoldState | None:
    """Load the checkpoint that a commit names.

    Args:
        reader: Reads its partition, from the checkpoint's first message on.
        place: Where it is.

    Returns:
        None if it is not whole.
    """
    async with aclosing(read_contents(reader)) as contents:
        async for content_id, pieces in contents:
            if f"{content_id:016x}" == place.checkpoint_id:
                state = await _decode(pieces)
                return state if state is not None and state.position == place.position else None
    return None


async def newest_checkpoint(
    reader: Reader, log_id: str, first: int, last: int | None
) -> FoldState | None:
    """The newest whole checkpoint of a log.

    Args:
        reader: Reads its partition from the beginning.
        log_id: Of the log.
        first: The lowest position that is of use.
        last: The highest; None for any.
    """
    newest: FoldState | None = None
    async with aclosing(read_contents(reader)) as contents:
        async for _, pieces in contents:
            state = await _decode(pieces)
            if state is None or state.log_id != log_id or state.position < first:
                continue
            if (last is None or state.position <= last) and (
                newest is None or state.position >= newest.position
            ):
                newest = state
    return newest


async def read_contents(reader: Reader) -> AsyncGenerator[tuple[int, list[bytes]]]:
    """The ids and pieces of what is whole in a partition, to its end."""
    assembler = Assembler()
    while not reader.caught_up:
        try:
            messages = await reader.read()
        except KafkaFailure as failure:
            log.warning("checkpoints cannot be read", error=str(failure))
            await trio.sleep(RETRY_SECONDS)
            continue
        for message in messages:
            try:
                part = read_part(message.value or b"")
            except ValueError as error:
                log.error("part of a checkpoint cannot be read", error=str(error))
                continue
            pieces = assembler.add(part)
            if pieces is not None:
                yield part.content_id, pieces


async def _decode(pieces: list[bytes]) -> FoldState | None:
    try:
        # It may take seconds; the thread gives way to the loop every few milliseconds.
        return await trio.to_thread.run_sync(lambda: read_parts(unpack(pieces)))
    except ValueError as error:
        log.error("checkpoint cannot be read", error=str(error))
        return None
