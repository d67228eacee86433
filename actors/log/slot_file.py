"""A small file of fixed size that is overwritten in place.

A write needs no additional disk space. A full disk therefore cannot keep the store's progress from
being saved, and with it segments from being deleted.
"""

import os
import struct
import zlib
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Final, Generic, Self, TypeVar

from actors.files.atomic import OWNER_ONLY

Content = TypeVar("Content")

SLOT_BYTES: Final = 256
"""A file has two slots of this size, written in turn: a torn write leaves the previous content."""

_HEAD: Final = struct.Struct("<8sQ")
_CHECKSUM: Final = struct.Struct("<I")


class SlotFile(ABC, Generic[Content]):
    """The open file. All calls block.

    Attributes:
        path: Path of the file.
        descriptor: File descriptor.
    """

    magic: ClassVar[bytes]
    """Eight bytes that name the content and its version."""
    fields: ClassVar[struct.Struct]
    """The content's fields. With magic, turn and checksum they fit in a slot."""

    def __init__(self, path: Path, descriptor: int, turn: int) -> None:
        """Own an open file; use `open`."""
        self.path = path
        self.descriptor = descriptor
        self._turn = turn

    @staticmethod
    @abstractmethod
    def pack(content: Content) -> tuple[int, ...]:
        """Return the values of the fields.

        Raises:
            ValueError: The content does not fit.
        """

    @staticmethod
    @abstractmethod
    def unpack(values: tuple[Any, ...]) -> Content:
        """Return the content that `pack` turned into these values."""

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the file or create it with its full size.

        Raises:
            OSError: It can be neither created nor read.
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
        return cls(path, descriptor, cls._latest(data)[0])

    @classmethod
    def read(cls, path: Path) -> Content | None:
        """Return the content, also while another process writes it.

        Returns:
            None if there is no such file, or neither slot is intact.

        Raises:
            OSError: It cannot be read.
        """
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        values = cls._latest(data.ljust(2 * SLOT_BYTES, b"\0"))[1]
        return None if values is None else cls.unpack(values)

    def write(self, content: Content) -> None:
        """Overwrite the older slot.

        Raises:
            OSError: The write failed; the file keeps its content.
            ValueError: The content does not fit.
        """
        turn = self._turn + 1
        slot = _HEAD.pack(self.magic, turn) + self.fields.pack(*self.pack(content))
        slot += _CHECKSUM.pack(zlib.crc32(slot))
        os.pwrite(self.descriptor, slot.ljust(SLOT_BYTES, b"\0"), turn % 2 * SLOT_BYTES)
        self._turn = turn

    def sync(self) -> None:
        """Sync the file to disk.

        Raises:
            OSError: The sync failed; the last write may not be durable.
        """
        os.fdatasync(self.descriptor)

    def close(self) -> None:
        """Close the file."""
        os.close(self.descriptor)

    @classmethod
    def _latest(cls, data: bytes) -> tuple[int, tuple[Any, ...] | None]:
        """Return turn and values of the newer intact slot."""
        slots = [data[:SLOT_BYTES], data[SLOT_BYTES:]]
        intact = [found for slot in slots if (found := cls._read_slot(slot))]
        return max(intact, key=lambda found: found[0], default=(0, None))

    @classmethod
    def _read_slot(cls, slot: bytes) -> tuple[int, tuple[Any, ...]] | None:
        magic, turn = _HEAD.unpack_from(slot)
        end = _HEAD.size + cls.fields.size
        (checksum,) = _CHECKSUM.unpack_from(slot, end)
        if magic != cls.magic or checksum != zlib.crc32(slot[:end]):
            return None
        return turn, cls.fields.unpack_from(slot, _HEAD.size)
