import gzip
import hashlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.request.compression import (
    CHUNK,
    PARTS_LIMIT,
    TooLargeError,
    UnknownCodingError,
    decompress,
)
from ingest.request.zstd import CompressionParameter, ZstdCompressor

LIMIT = 1000
CODERS: dict[str | None, Callable[[bytes], bytes]] = {
    None: bytes,
    "identity": bytes,
    "gzip": gzip.compress,
    "X-GZIP ": gzip.compress,
    "zstd": lambda data: ZstdCompressor().compress(data, ZstdCompressor.FLUSH_FRAME),
}


@given(st.binary(max_size=LIMIT), st.sampled_from(list(CODERS)))
def test_what_was_coded_comes_back(data: bytes, coding: str | None) -> None:
    assert decompress(coding, CODERS[coding](data), LIMIT) == data


@pytest.mark.parametrize("coding", CODERS)
def test_a_body_beyond_the_limit_is_refused(coding: str | None) -> None:
    with pytest.raises(TooLargeError):
        decompress(coding, CODERS[coding](b"a" * 10_000_000), LIMIT)
    assert len(decompress(coding, CODERS[coding](b"a" * LIMIT), LIMIT)) == LIMIT


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
@pytest.mark.parametrize("cut", [1, 4, 10])
def test_a_body_that_is_cut_off_is_refused(coding: str, cut: int) -> None:
    data = CODERS[coding](bytes(range(200)))
    with pytest.raises(ValueError, match=r"no end|not "):
        decompress(coding, data[:-cut], LIMIT)


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
@given(data=st.binary(max_size=100))
def test_garbage_is_refused(coding: str, data: bytes) -> None:
    with pytest.raises(ValueError, match=r"no end|not "):
        decompress(coding, b"\x00" + data, LIMIT)


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
@given(parts=st.lists(st.binary(max_size=100), min_size=1, max_size=10))
def test_all_parts_are_opened(coding: str, parts: list[bytes]) -> None:
    # Both may be a series: RFC 1952 §2.2, RFC 8878 §3.1. Senders append one for each flush.
    body = b"".join(map(CODERS[coding], parts))
    assert decompress(coding, body, LIMIT) == b"".join(parts)


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_parts_that_are_longer_than_what_is_read_at_once(coding: str) -> None:
    parts = [hashlib.shake_128(b"x").digest(size) for size in (CHUNK, 3 * CHUNK, 9)]
    body = b"".join(map(CODERS[coding], parts))
    assert decompress(coding, body, 5 * CHUNK) == b"".join(parts)


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_the_limit_is_of_all_parts_together(coding: str) -> None:
    body = CODERS[coding](b"a" * 600)
    with pytest.raises(TooLargeError):
        decompress(coding, body + body, LIMIT)


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
@pytest.mark.parametrize("cut", [1, 4, 10])
def test_a_later_part_that_is_cut_off_is_refused(coding: str, cut: int) -> None:
    part = CODERS[coding](bytes(range(200)))
    with pytest.raises(ValueError, match=r"no end|not "):
        decompress(coding, part + part[:-cut], LIMIT)


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_what_follows_and_is_no_part_is_refused(coding: str) -> None:
    with pytest.raises(ValueError, match="not "):
        decompress(coding, CODERS[coding](b"a") + b'{"n": "pageview"}', LIMIT)


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_far_too_many_parts_are_refused(coding: str) -> None:
    empty = CODERS[coding](b"")
    assert decompress(coding, empty * PARTS_LIMIT, LIMIT) == b""
    with pytest.raises(ValueError, match="more than 250 parts"):
        decompress(coding, empty * (PARTS_LIMIT + 1), LIMIT)


@pytest.mark.parametrize("coding", ["br", "deflate", "gzip, gzip", "unknown"])
def test_other_codings_are_refused(coding: str) -> None:
    with pytest.raises(UnknownCodingError):
        decompress(coding, b"", LIMIT)


def test_a_frame_that_asks_for_much_memory_is_refused() -> None:
    compressor = ZstdCompressor(options={CompressionParameter.window_log: 27})
    frame = compressor.compress(b"a" * 10_000) + compressor.flush()
    with pytest.raises(ValueError, match="not zstd"):
        decompress("zstd", frame, LIMIT)
