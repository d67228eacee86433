import gzip
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from ingest.request.compression import TooLargeError, UnknownCodingError, decompress

LIMIT = 1000
CODERS: dict[str | None, Callable[[bytes], bytes]] = {
    None: bytes,
    "identity": bytes,
    "gzip": gzip.compress,
    "X-GZIP ": gzip.compress,
    "zstd": zstandard.ZstdCompressor().compress,
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


@pytest.mark.parametrize("coding", ["br", "deflate", "gzip, gzip", "unknown"])
def test_other_codings_are_refused(coding: str) -> None:
    with pytest.raises(UnknownCodingError):
        decompress(coding, b"", LIMIT)


def test_a_frame_that_asks_for_much_memory_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=27, enable_ldm=True)
    compressor = zstandard.ZstdCompressor(compression_params=parameters)
    frame = compressor.compressobj().compress(b"a" * 300_000_000)
    with pytest.raises(ValueError, match="not zstd"):
        decompress("zstd", frame, LIMIT)
