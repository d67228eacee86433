import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.past.json_array import LARGEST_GROWTH, OBJECT_CHARACTERS, JsonArrayLines, begins_array


def itself(found: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield found


def lines_of(content: bytes, size: int = 7) -> bytes:
    lines = JsonArrayLines(itself)
    pieces = [content[start : start + size] for start in range(0, len(content), size)]
    return b"".join(map(lines.feed, pieces)) + lines.end()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'[{"a":1},{"b":"]}\\""}]', b'{"a": 1}\n{"b": "]}\\""}\n'),
        (b'\xef\xbb\xbf [\n {"a": 1} ,\n {}\n]\n', b'{"a": 1}\n{}\n'),
        # Several files, one after the other.
        (b'[{"a":1}]\n[{"b":2}]', b'{"a": 1}\n{"b": 2}\n'),
        # The end is missing.
        (b'[{"a":1},{"b":', b'{"a": 1}\n{"b":'),
        # Not an object: everything from there is left as it is.
        (b'[{"a":1}, 5, {"b"\n', b'{"a": 1}\n5, {"b"\n'),
        ('[{"a":"é"}, x\udcc3é'.encode("utf-8", "surrogateescape"), None),
        (b'[{"a": "\xff\\ud800"}]', b'{"a": "\xed\xb3\xbf\xed\xa0\x80"}\n'),
    ],
)
def test_arrays(content: bytes, expected: bytes | None) -> None:
    whole = '{"a": "é"}\nx\udcc3é'.encode("utf-8", "surrogateescape")
    assert lines_of(content) == (whole if expected is None else expected)


def test_a_long_object_is_read_from_many_pieces() -> None:
    long = [{"a": ["x" * 1000] * 100}, {"b": 1}]
    assert lines_of(json.dumps(long).encode(), 100) == b"".join(
        json.dumps(each).encode() + b"\n" for each in long
    )


def test_an_object_does_not_become_many_times_as_long() -> None:
    taken = 0

    def repeated(found: dict[str, Any]) -> Iterator[dict[str, Any]]:
        nonlocal taken
        for _ in range(found["times"]):
            taken += 1
            yield found

    lines = JsonArrayLines(repeated)
    long, short = ({"times": times, "text": "x" * 1000} for times in (10_000, 2))
    feed = lines.feed(json.dumps([long, short]).encode())
    assert [json.loads(line) for line in feed.splitlines()] == [long, short, short]
    assert taken < 2 * LARGEST_GROWTH


@pytest.mark.parametrize("start", [b'[{"a":"', b"[" + b'{"a":' * 200_000])
def test_an_object_without_an_end_is_not_kept(start: bytes) -> None:
    lines = JsonArrayLines(itself)
    piece = b"x" * 65_536
    passed = len(lines.feed(start))
    for _ in range(2 * OBJECT_CHARACTERS // len(piece)):
        passed += len(lines.feed(piece))
    assert passed == len(start) - 1 + 2 * OBJECT_CHARACTERS
    assert lines.end() == b""


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'[{"a":1}]', True),
        (b'\xef\xbb\xbf\n[\n  {"a', True),
        (b"[22/Sep/2026:11:58:20 +0000] 203.0.113.9", False),
        (b"[1, 2]", False),
        (b'{"a":1}', False),
        (b"", False),
    ],
)
def test_beginnings(content: bytes, expected: bool) -> None:
    assert begins_array(content) is expected


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 10**6) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@given(
    st.lists(st.dictionaries(st.text(max_size=3), VALUES), min_size=1, max_size=5),
    st.integers(1, 50),
    st.booleans(),
)
def test_any_array_in_any_pieces(objects: list[dict[str, Any]], size: int, escaped: bool) -> None:
    content = json.dumps(objects, ensure_ascii=escaped, indent=1).encode("utf-8", "surrogatepass")
    found = [json.loads(line) for line in lines_of(content, size).splitlines()]
    # JSON lines: no line end within an object.
    assert found == objects


@given(st.binary(max_size=60), st.integers(1, 20))
def test_any_content_in_any_pieces(content: bytes, size: int) -> None:
    assert lines_of(b'[{"a":1}' + content, size) == lines_of(b'[{"a":1}' + content, 1000)
