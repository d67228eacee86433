"""Content of any size as messages of limited size: a checkpoint, or a letter with its rows.

    message  version (1 byte), id (8), number (4), count (4), CRC-32 of the rest (4), piece
    content  the pieces one after another: a Zstandard stream of frames
    frame    length (4), bytes

Numbers are little-endian. The id is random, so the parts of a writer that was interrupted, or that
come late, are told from others.
"""

import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from ingest.request.zstd import ZstdCompressor, ZstdDecompressor, ZstdError

VERSION: Final = 1

PIECE_BYTES: Final = 512 * 1024 - 1024
"""Maximum size of a piece; brokers take messages of 1 MB by default."""

CONTENT_BYTES: Final = 1 << 30
"""Maximum size of the content, against damaged data."""

_HEADER: Final = struct.Struct("<BQIII")
_LENGTH: Final = struct.Struct("<I")


class Part(NamedTuple):
    """A part of a content.

    Attributes:
        content_id: Of the content.
        number: Of the part, from 0.
        parts: How many there are.
        piece: Its bytes.
    """

    content_id: int
    number: int
    parts: int
    piece: bytes


class Packer:
    """Compresses frames one by one, and cuts the result into messages."""

    def __init__(self) -> None:
        """Start without frames."""
        self._stream = ZstdCompressor(level=3)
        self._pieces: list[bytes] = []
        self._rest = b""

    def add(self, frame: bytes) -> None:
        """Add a frame. 100 kB take half a millisecond."""
        self._keep(self._stream.compress(_LENGTH.pack(len(frame)) + frame))

    def finish(self, content_id: int) -> list[bytes]:
        """The messages, in their order; nothing can be added after that."""
        self._keep(self._stream.flush())
        if self._rest or not self._pieces:
            self._pieces.append(self._rest)
        count = len(self._pieces)
        return [
            _HEADER.pack(VERSION, content_id, number, count, zlib.crc32(piece)) + piece
            for number, piece in enumerate(self._pieces)
        ]

    def _keep(self, data: bytes) -> None:
        self._rest += data
        while len(self._rest) > PIECE_BYTES:
            self._pieces.append(self._rest[:PIECE_BYTES])
            self._rest = self._rest[PIECE_BYTES:]


def read_part(data: bytes) -> Part:
    """Read a message.

    Raises:
        ValueError: It is no part of a known version, or damaged.
    """
    if len(data) < _HEADER.size:
        raise ValueError("not a part: it is too short")
    version, content_id, number, count, checksum = _HEADER.unpack_from(data)
    if version != VERSION:
        raise ValueError(f"part version {version} is not known, only {VERSION}")
    piece = data[_HEADER.size :]
    if zlib.crc32(piece) != checksum or not number < count:
        raise ValueError("a part is damaged")
    return Part(content_id, number, count, piece)


def unpack(pieces: Sequence[bytes]) -> Iterator[bytes]:
    """The frames of a whole content.

    Raises:
        ValueError: It is damaged.
    """
    stream = ZstdDecompressor()
    rest, total = bytearray(), 0
    try:
        for piece in pieces:
            data = stream.decompress(piece, CONTENT_BYTES + 1 - total)
            total += len(data)
            if total > CONTENT_BYTES:
                raise ValueError("the content is too large")
            rest += data
            begin = 0
            while len(rest) - begin >= _LENGTH.size:
                (length,) = _LENGTH.unpack_from(rest, begin)
                end = begin + _LENGTH.size + length
                if end > len(rest):
                    break
                yield bytes(rest[begin + _LENGTH.size : end])
                begin = end
            del rest[:begin]
    except (ZstdError, EOFError) as error:
        raise ValueError(f"the content is damaged: {error}") from None
    if rest:
        raise ValueError("the content ends within a frame")


class Assembler:
    """Puts parts together that come in order, mixed with those of other contents."""

    def __init__(self) -> None:
        """Start without parts."""
        self._parts: dict[int, list[Part]] = {}

    def add(self, part: Part) -> list[bytes] | None:
        """Take a part.

        Returns:
            The pieces of its content if that is whole now.
        """
        parts = self._parts.setdefault(part.content_id, [])
        if part.number == 0:
            parts.clear()
        if part.number != len(parts) or (parts and parts[0].parts != part.parts):
            if part.number >= len(parts):
                self._parts.pop(part.content_id)
            return None  # a repetition, or some are missing
        parts.append(part)
        if len(parts) < part.parts:
            return None
        del self._parts[part.content_id]
        return [each.piece for each in parts]
