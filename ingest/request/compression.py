"""Compressed bodies, opened no further than their limit."""

import zlib
from typing import Final

import zstandard

_GZIP: Final = 16 + zlib.MAX_WBITS
"""`zlib`'s way to say that it is gzip."""


class UnknownCodingError(ValueError):
    """The body is coded in a way that is not known."""


class TooLargeError(ValueError):
    """The body would be larger than its limit."""


def decompress(coding: str | None, body: bytes, limit: int) -> bytes:
    """Undo the coding of a body.

    Args:
        coding: The `Content-Encoding` header; None when absent.
        body: As it came.
        limit: Bytes beyond which it is not opened: some hundred bytes may become gigabytes.

    Raises:
        UnknownCodingError: The coding is neither gzip nor zstd nor none.
        TooLargeError: It has more bytes than the limit.
        ValueError: It is not what the header says, or has no end.
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
    decoder = zlib.decompressobj(_GZIP)
    try:
        opened = decoder.decompress(body, limit + 1)
    except zlib.error:
        raise ValueError("not gzip") from None
    if not decoder.eof and len(opened) <= limit:
        raise ValueError("no end")
    return opened


def _unzstd(body: bytes, limit: int) -> bytes:
    # A frame may ask for a window of any size; RFC 8878 §3.1.1.1.2 recommends 8 MB at least.
    decoder = zstandard.ZstdDecompressor(max_window_size=8 * 1024 * 1024)
    try:
        with decoder.stream_reader(body, read_across_frames=False) as reader:
            opened = reader.read(limit + 1)
            if len(opened) <= limit and not _is_whole(body):
                raise ValueError("no end")
            return opened
    except zstandard.ZstdError:
        raise ValueError("not zstd") from None


def _is_whole(body: bytes) -> bool:
    decoder = zstandard.ZstdDecompressor(max_window_size=8 * 1024 * 1024).decompressobj()
    decoder.decompress(body)
    return decoder.eof
