"""Compressed bodies, opened no further than their limit."""

import zlib
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from ingest.request.zstd import DecompressionParameter, ZstdDecompressor, ZstdError

_GZIP: Final = 16 + zlib.MAX_WBITS
"""`zlib`'s way to say that it is gzip."""

_WINDOW: Final[Mapping[int, int]] = {DecompressionParameter.window_log_max: 23}
"""A frame may ask for a window of any size; RFC 8878 §3.1.1.1.2 recommends 8 MB at least."""

PARTS_LIMIT: Final = 250
"""Members of gzip or frames of zstd that a body may consist of: each takes up to 40 µs, however
small it is."""

CHUNK: Final = 65_536
"""Bytes read at once: what follows the end of a part is copied, so it must not be all the rest."""


class UnknownCodingError(ValueError):
    """The body is coded in a way that is not known."""


class TooLargeError(ValueError):
    """The body would be larger than its limit."""


def decompress(coding: str | None, body: bytes, limit: int) -> bytes:
    """Undo the coding of a body, which may be a series of parts, coded one by one.

    Args:
        coding: The `Content-Encoding` header; None when absent.
        body: As it came.
        limit: Bytes beyond which it is not opened: some hundred bytes may become gigabytes.

    Raises:
        UnknownCodingError: The coding is neither gzip nor zstd nor none.
        TooLargeError: It has more bytes than the limit.
        ValueError: It is not what the header says, or has no end, or too many parts.
    """
    match (coding or "identity").strip().lower():
        case "identity":
            opened = body
        case "gzip" | "x-gzip":
            opened = _gunzip(body, limit)
        case "zstd":
            opened = _unzstd(body, limit)
        case _:
            raise UnknownCodingError("not a known coding")
    if len(opened) > limit:
        raise TooLargeError(f"more than {limit} bytes")
    return opened


def _gunzip(body: bytes, limit: int) -> bytes:
    try:
        return _open_parts(body, limit, lambda: zlib.decompressobj(_GZIP))
    except zlib.error:
        raise ValueError("not gzip") from None


def _unzstd(body: bytes, limit: int) -> bytes:
    try:
        return _open_parts(body, limit, lambda: ZstdDecompressor(options=_WINDOW))
    except ZstdError:
        raise ValueError("not zstd") from None


class _Part(Protocol):
    """One of the members or frames that a body is a series of."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: memoryview, max_length: int, /) -> bytes: ...


def _open_parts(body: bytes, limit: int, begin: Callable[[], _Part]) -> bytes:
    """Open all parts, up to one byte more than the limit.

    Raises:
        ValueError: The last one has no end, or there are too many.
    """
    opened = bytearray()
    rest = memoryview(body)
    for _ in range(PARTS_LIMIT):
        part = begin()
        while not part.eof:
            if not rest:
                raise ValueError("no end")
            read, rest = rest[:CHUNK], rest[CHUNK:]
            opened += part.decompress(read, limit + 1 - len(opened))
            if len(opened) > limit:
                return bytes(opened)
        position = len(body) - len(rest) - len(part.unused_data)
        if position == len(body):
            return bytes(opened)
        rest = memoryview(body)[position:]
    raise ValueError(f"more than {PARTS_LIMIT} parts")
