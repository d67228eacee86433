"""How far a log has come: a small file that is overwritten in place.

It needs no room that it does not have already, so that a full disk cannot keep the store's progress
from being noted, and with it the disk from becoming free.
"""

import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from actors.files.atomic import OWNER_ONLY
from actors.log.log import LogPoint

NOTE: Final = "note"
"""The file's name in the log's directory."""

MAGIC: Final = b"SLUICEN1"

_SLOT: Final = struct.Struct("<8sQ QQ QQ QQ QQ ??")
_CHECKSUM: Final = struct.Struct("<I")
SLOT_BYTES: Final = 256
"""Two slots are written in turn, so that a torn write leaves the one before it."""


@dataclass(frozen=True, slots=True)
class Note:
    """What is known of a log beside its records.

    Attributes:
        log_id: Which log's it is; 64 bits.
        source_id: Of the process that uses it, or used it last.
        committed: The store has everything before it.
        prepared: Where the batch ends that the store may have; None when there is none.
        synced: Everything before it was as durable as the setting asks for.
        clean: Whether the log was closed, and nothing had failed.
    """

    log_id: int
    source_id: int
    committed: LogPoint
    prepared: LogPoint | None
    synced: LogPoint
    clean: bool = False


class NoteFile:
    """The file, open. All calls block.

    Attributes:
        path: Where it is.
        descriptor: The open file.
    """

    def __init__(self, path: Path, descriptor: int, turn: int) -> None:
        """Own an open file; use `open`."""
        self.path = path
        self.descriptor = descriptor
        self._turn = turn

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the file, or make it, with all the room it will ever need.

        Raises:
            OSError: It cannot be made or read.
        """
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, OWNER_ONLY)
        try:
            data = os.pread(descriptor, 2 * SLOT_BYTES, 0)
            if len(data) < 2 * SLOT_BYTES:
                data = data.ljust(2 * SLOT_BYTES, b"\0")
                os.pwrite(descriptor, data, 0)
        except BaseException:
            os.close(descriptor)
            raise
        turn, _ = _latest(data)
        return cls(path, descriptor, turn)

    def write(self, note: Note) -> None:
        """Overwrite the older of the two slots.

        Raises:
            OSError: It is not noted; the file says what it said before.
        """
        turn = self._turn + 1
        slot = _SLOT.pack(
            MAGIC,
            turn,
            note.log_id,
            note.source_id,
            *note.committed,
            *(note.prepared or (0, 0)),
            *note.synced,
            note.prepared is not None,
            note.clean,
        )
        slot += _CHECKSUM.pack(zlib.crc32(slot))
        os.pwrite(self.descriptor, slot.ljust(SLOT_BYTES, b"\0"), turn % 2 * SLOT_BYTES)
        self._turn = turn

    def sync(self) -> None:
        """Have it on the disk.

        Raises:
            OSError: Nobody knows whether it is.
        """
        os.fdatasync(self.descriptor)

    def close(self) -> None:
        """Close the file."""
        os.close(self.descriptor)


def read_note(path: Path) -> Note | None:
    """What a file says, also while a server writes it.

    Returns:
        None when there is no such file, or neither slot is whole.

    Raises:
        OSError: It cannot be read.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    return _latest(data.ljust(2 * SLOT_BYTES, b"\0"))[1]


def _latest(data: bytes) -> tuple[int, Note | None]:
    """The later of the whole slots, with its turn."""
    found = [slot for start in (0, SLOT_BYTES) if (slot := _read(data[start : start + SLOT_BYTES]))]
    return max(found, key=lambda slot: slot[0], default=(0, None))


def _read(slot: bytes) -> tuple[int, Note] | None:
    magic, turn, log_id, source_id, *numbers, prepared, clean = _SLOT.unpack_from(slot)
    (checksum,) = _CHECKSUM.unpack_from(slot, _SLOT.size)
    if magic != MAGIC or checksum != zlib.crc32(slot[: _SLOT.size]):
        return None
    committed, end, synced = (LogPoint(*numbers[at : at + 2]) for at in (0, 2, 4))
    return turn, Note(log_id, source_id, committed, end if prepared else None, synced, clean)
