"""How far the store has come: a small file that is overwritten in place.

It needs no room that it does not have already, so that a full disk cannot keep the store's progress
from being noted, and with it the disk from becoming free.
"""

import os
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from actors.files.atomic import OWNER_ONLY

PROGRESS: Final = "progress"
"""The file's name in the log's directory."""

MAGIC: Final = b"SLUICEP1"
PLANS: Final = 16
"""Batches that may be planned and not yet stored; the pipeline has two or three at a time."""

_SLOT: Final = struct.Struct(f"<8sQQQI{PLANS}Q")
_CHECKSUM: Final = struct.Struct("<I")
SLOT_BYTES: Final = 256
"""Two slots are written in turn, so that a torn write leaves the one before it."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a journal's events have come.

    Attributes:
        journal_id: Which journal's.
        stored: Position after the last event whose rows the store has acknowledged.
        planned: Ends of the batches beyond `stored` that the store may have been given, ascending.
            They are cut at the same positions again, so that it recognises those it has.
    """

    journal_id: int
    stored: int = 0
    planned: tuple[int, ...] = ()


class ProgressFile:
    """The file, open. All calls block."""

    def __init__(self, descriptor: int, turn: int) -> None:
        """Own an open file; use `open`."""
        self.descriptor = descriptor
        self._turn = turn

    @classmethod
    def open(cls, path: Path) -> tuple[Self, Progress | None]:
        """Open the file, or make it, with all the room it will ever need.

        Returns:
            The file, and what it says; None when it is new or was damaged.

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
        turn, progress = _latest(data)
        return cls(descriptor, turn), progress

    def write(self, progress: Progress) -> None:
        """Note progress.

        Raises:
            OSError: It is not noted; the file says what it said before.
            ValueError: More batches are planned than fit.
        """
        if len(progress.planned) > PLANS:
            raise ValueError("too many planned batches")
        turn = self._turn + 1
        plans: Sequence[int] = (*progress.planned, *[0] * (PLANS - len(progress.planned)))
        slot = _SLOT.pack(
            MAGIC, turn, progress.journal_id, progress.stored, len(progress.planned), *plans
        )
        slot += _CHECKSUM.pack(zlib.crc32(slot))
        os.pwrite(self.descriptor, slot.ljust(SLOT_BYTES, b"\0"), turn % 2 * SLOT_BYTES)
        self._turn = turn

    def close(self) -> None:
        """Close the file."""
        os.close(self.descriptor)


def read_progress(path: Path) -> Progress | None:
    """What a file says, also while a server writes it.

    Returns:
        None when there is no such file, or it says nothing.

    Raises:
        OSError: It cannot be read.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    return _latest(data.ljust(2 * SLOT_BYTES, b"\0"))[1]


def _latest(data: bytes) -> tuple[int, Progress | None]:
    """The later of the whole slots, with its turn."""
    found = [slot for start in (0, SLOT_BYTES) if (slot := _read(data[start : start + SLOT_BYTES]))]
    return max(found, key=lambda slot: slot[0], default=(0, None))


def _read(slot: bytes) -> tuple[int, Progress] | None:
    magic, turn, journal_id, stored, plans, *ends = _SLOT.unpack_from(slot)
    (checksum,) = _CHECKSUM.unpack_from(slot, _SLOT.size)
    if magic != MAGIC or plans > PLANS or checksum != zlib.crc32(slot[: _SLOT.size]):
        return None
    return turn, Progress(journal_id, stored, tuple(ends[:plans]))
