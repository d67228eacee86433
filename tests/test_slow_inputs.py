"""The slowest inputs that were found take a bounded number of calls and bytes."""

import sys
import tracemalloc
from typing import Any

import pytest

from tests.slow_inputs import PARSERS, Parser

SOME_BYTES = 1_000_000
"""What any input may take, however small."""


@pytest.mark.parametrize(
    ("parser", "unit"),
    [
        pytest.param(parser, unit, id=f"{parser.name} {number}")
        for parser in PARSERS
        for number, unit in enumerate(parser.worst)
    ],
)
def test_slow_inputs(parser: Parser, unit: bytes) -> None:
    data = parser.fill(unit)
    assert count_calls(parser, data) <= parser.calls
    assert peak_memory(parser, data) <= parser.memory * len(data) + SOME_BYTES


def count_calls(parser: Parser, data: bytes) -> int:
    """The calls of functions, in Python and C, that an input takes."""
    calls = 0

    def count(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    parser.forget()
    before = sys.getprofile()
    sys.setprofile(count)
    try:
        parser.run(data)
    finally:
        sys.setprofile(before)
    return calls


def peak_memory(parser: Parser, data: bytes) -> int:
    """The bytes that an input takes at most at any time."""
    parser.forget()
    tracemalloc.start()
    try:
        parser.run(data)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_parser_that_looks_at_each_byte_is_found() -> None:
    looks = Parser("", lambda data: [byte.bit_length() for byte in data], 10_000, ())
    assert count_calls(looks, looks.fill(b"a")) >= looks.size
    assert peak_memory(looks, looks.fill(b"a")) >= 8 * looks.size
