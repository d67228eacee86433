"""The file of a checkpoint: a fold's state at one position of the log.

    file    magic (8 bytes), then a frame for each part
    frame   length of the part (4), CRC-32 of the part (4), part

Numbers are little-endian. `ingest.fold.checkpoint` says what the parts are.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import structlog
import trio

from actors.files.atomic import OWNER_ONLY, sync_directory, write_state
from ingest.fold.checkpoint import FoldState, read_parts, write_parts

log = structlog.get_logger()

MAGIC: Final = b"SLUICEC1"

DAMAGED: Final = ".damaged"

SYNC_SECONDS: Final = 30.0
"""How long writing and syncing the file may take before the attempt is abandoned."""

_HEAD: Final = struct.Struct("<II")


class CheckpointFile:
    """The checkpoint on disk."""

    def __init__(self, path: Path) -> None:
        """Use a file; it is created with mode 0600 when a checkpoint is first saved."""
        self._path = path

    def load(self) -> FoldState | None:
        """Load the last checkpoint; None if there is none. A damaged one is moved aside. Blocks.

        Raises:
            OSError: It exists and cannot be read.
        """
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            return read_parts(_parts(data))
        except ValueError as error:
            aside = self._path.with_suffix(DAMAGED)
            log.critical(
                "checkpoint is damaged, open sessions begin anew",
                error=str(error),
                kept_as=aside.name,
            )
            self._path.replace(aside)
            return None

    async def write(self, state: FoldState) -> "WrittenCheckpoint":
        """Write a checkpoint to a temporary file. Close it, or use it as a context manager.

        Raises:
            OSError: It cannot be written; the last one is unchanged.
            trio.TooSlowError: The disk hangs.
        """
        temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}.tmp")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, OWNER_ONLY)
        try:
            with open(descriptor, "wb") as file:  # noqa: ASYNC230 - as short as the parts
                file.write(MAGIC)
                for part in write_parts(state):
                    file.write(_HEAD.pack(len(part), zlib.crc32(part)))
                    file.write(part)
                    await trio.lowlevel.checkpoint()
                file.flush()
                with trio.fail_after(SYNC_SECONDS):
                    await trio.to_thread.run_sync(
                        _sync_and_close, os.dup(file.fileno()), abandon_on_cancel=True
                    )
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        return WrittenCheckpoint(temporary, self._path)

    def save(self, state: FoldState) -> None:
        """Replace the last checkpoint, durably, before the pipeline runs. Blocks.

        Raises:
            OSError: The last one is unchanged.
        """
        parts = [_HEAD.pack(len(part), zlib.crc32(part)) + part for part in write_parts(state)]
        write_state(self._path, MAGIC + b"".join(parts), durable=True)

    def forget(self) -> None:
        """Delete the checkpoint, because the log after it will be deleted.

        Raises:
            OSError: It cannot be deleted.
        """
        self._path.unlink(missing_ok=True)


class WrittenCheckpoint:
    """A checkpoint in a temporary file, to be published once the store has everything before it."""

    def __init__(self, temporary: Path, path: Path) -> None:
        """Own a temporary file."""
        self._temporary = temporary
        self._path = path

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._temporary.unlink(missing_ok=True)

    async def publish(self) -> None:
        """Replace the last checkpoint, durably.

        Raises:
            OSError: The last one is unchanged, or the replacement may not be durable.
            trio.TooSlowError: The disk hangs; either one may be in place.
        """
        self._temporary.replace(self._path)
        with trio.fail_after(SYNC_SECONDS):
            await trio.to_thread.run_sync(sync_directory, self._path.parent, abandon_on_cancel=True)


def _parts(data: bytes) -> Iterator[bytes]:
    if not data.startswith(MAGIC):
        raise ValueError("not a checkpoint")
    offset = len(MAGIC)
    while offset < len(data):
        if len(data) - offset < _HEAD.size:
            raise ValueError("it ends within a part")
        length, checksum = _HEAD.unpack_from(data, offset)
        part = data[offset + _HEAD.size : offset + _HEAD.size + length]
        if len(part) < length or zlib.crc32(part) != checksum:
            raise ValueError("a part does not match its checksum")
        yield part
        offset += _HEAD.size + length


def _sync_and_close(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
