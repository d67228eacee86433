import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.request.fields import read_fields
from ingest.request.json_text import BRACKETS_LIMIT, read_json
from ingest.request.sent_event import SentEvent, decode, select

KEYS = {field.name: field.encode_name for field in msgspec.structs.fields(SentEvent)}


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param({"n": "pageview", "v": 1, "u": "https://a.com/ü", "d": "a.com", "r": None}),
        pytest.param({"n": "engagement", "sd": 5, "d": "a.com", "u": "https://a.com/", "e": 7}),
        pytest.param({"n": "a", "u": "", "d": "a.com", "r": None, "w": 1440, "h": 0}),
        pytest.param({"n": "a", "u": "", "h": 1, "i": False, "p": {"a": "b", "c": 1, "d": True}}),
        pytest.param(
            {"n": "a", "u": "", "p": '{"a":[1.5]}', "$": {"amount": 5, "currency": "USD"}}
        ),
    ],
)
def test_what_trackers_send_is_decoded(sent: dict[str, Any]) -> None:
    decoded = decode(json.dumps(sent, separators=(",", ":")).encode())
    assert decoded is not None
    assert read_fields(decoded) == read_fields(select(sent))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"n":"a","x":5}', id="another key"),
        pytest.param(b'{"n":"a","name":"b"}', id="an alias"),
        pytest.param(b'{"name":"a"}', id="no key of trackers first"),
        pytest.param(b'{"n":"a","v":1.0}', id="a fraction"),
        pytest.param(b'{"n":"a","p":{"b":1.5}}', id="a fraction in an object"),
        pytest.param(b'{"n":"a","p":[]}', id="a list"),
        pytest.param(b'{"n":"a","p":{"b":{}}}', id="an object in an object"),
        pytest.param(b'{"n":"a","v":1' + b"0" * 4300 + b"}", id="too many digits"),
        pytest.param(b'{"n":"' + b"a" * BRACKETS_LIMIT + b'"}', id="long"),
        pytest.param(b'{"n":"\\udc00"}', id="half of a pair"),
        pytest.param(b'{"n":"\xff"}', id="not UTF-8"),
        pytest.param(b'{"n":"a"}}', id="no JSON"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_anything_else_is_not(body: bytes) -> None:
    assert decode(body) is None


SCALAR = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**30), 10**30)
    | st.floats()
    | st.text(max_size=10)
)
OBJECTS = st.dictionaries(
    st.sampled_from([*KEYS.values(), "x"]), SCALAR | st.dictionaries(st.text(max_size=3), SCALAR)
)
PIECES = st.sampled_from(
    [
        *(b'"', b'"a"', b'"n":', b'"p":{', b'"v":', b"{", b"}", b"[", b"]", b",", b":", b" "),
        *(b"1", b"-", b"0", b".5", b"e1", b"9" * 20, b"null", b"true", b"false", b"NaN", b"'"),
        *(b"\\ud83d", b"\\ude00", b"\\u0000", b"\\n", b"\\", b"\\/", b"/", b"\n", b"\x0b"),
        *(b"\x00", b"\x1f", b"\x7f", b"\xa0", b"\xc3\xa9", b"\xff", b"\xed\xa0\x80"),
        b"\xf0\x9f\x98\x80",
    ]
)


@given(
    OBJECTS,
    st.booleans(),
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 3), PIECES), max_size=3),
)
def test_what_is_decoded_is_what_is_read(
    sent: dict[str, Any], ascii_only: bool, changes: list[tuple[int, int, bytes]]
) -> None:
    text = json.dumps({"n": "a", **sent}, ensure_ascii=ascii_only, separators=(",", ":"))
    body = text.encode()
    for place, removed, piece in changes:
        body = body[:place] + piece + body[place + removed :]
    _compare(body)


@given(st.lists(PIECES, max_size=12).map(b"".join), st.sampled_from([b"", b'"}', b"}", b"}}"]))
def test_pieces_are_decoded_as_they_are_read(middle: bytes, end: bytes) -> None:
    for start in (b'{"n":', b'{"n":"', b'{"n":"a","p":{"', b'{"v":'):
        _compare(start + middle + end)


def _compare(body: bytes) -> None:
    """Types count: 1 is neither 1.0 nor true."""
    decoded = decode(body)
    if decoded is None:
        return
    params = read_json(body)
    assert params.keys() <= set(KEYS.values())
    expected = {field: params.get(key) for field, key in KEYS.items()}
    assert repr(msgspec.structs.asdict(decoded)) == repr(expected)
