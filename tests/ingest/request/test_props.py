import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.model.event import Props
from ingest.request.props import (
    KEY_BYTES,
    PROPS_LIMIT,
    VALUE_BYTES,
    PropsTooLong,
    object_of,
    parse_props,
)


@pytest.mark.parametrize(
    ("value", "props"),
    [
        pytest.param(None, (), id="none"),
        pytest.param([], (), id="list"),
        pytest.param(5, (), id="number"),
        pytest.param("", (), id="empty text"),
        pytest.param("[1]", (), id="JSON of no object"),
        pytest.param("{", (), id="no JSON"),
        pytest.param('{"a":"b"}', (("a", "b"),), id="JSON"),
        pytest.param({"b": "2", "a": "1"}, (("a", "1"), ("b", "2")), id="sorted"),
        pytest.param({"a": True, "b": False}, (("a", "true"), ("b", "false")), id="booleans"),
        pytest.param({"a": 1, "b": -5}, (("a", "1"), ("b", "-5")), id="integers"),
        pytest.param({"a": 1.5, "b": 10.0}, (("a", "1.5"), ("b", "10.0")), id="floats"),
        pytest.param({"a": 1e22, "b": 1e-7}, (("a", "1.0e22"), ("b", "1.0e-7")), id="exponents"),
        pytest.param({"a": float("inf"), "b": "x"}, (("b", "x"),), id="no number"),
        pytest.param('{"a":1e999999,"b":-1e400,"c":1}', (("c", "1"),), id="beyond a float"),
        pytest.param('{"a":NaN}', (), id="NaN in JSON"),
        pytest.param('{"a":' + "9" * 5000 + "}", (), id="too many digits in JSON"),
        pytest.param('{"a":"\\ud800"}', (), id="half a character in JSON"),
        pytest.param('{"a":"\ud800"}', (), id="half a character around JSON"),
        pytest.param('\ufeff{"a":"b"}', (), id="byte order mark"),
        pytest.param('{"a":"b","a":"c"}', (("a", "c"),), id="the last of two"),
        pytest.param({"a": "x\x00y"}, (("a", "x\x00y"),), id="NUL"),
        pytest.param("[" * 100_000, (), id="deep"),
        pytest.param({"a": None, "b": [1], "c": {"d": 1}}, (), id="not for rows"),
        pytest.param({"a": " ", " ": "b", "": "c"}, (), id="blank"),
        pytest.param({"a": " b "}, (("a", " b "),), id="not trimmed"),
    ],
)
def test_props(value: object, props: Props) -> None:
    assert parse_props(value, "x", "/p") == props


@pytest.mark.parametrize(
    ("name", "value", "props"),
    [
        ("404", {}, (("path", "/p"),)),
        ("WP Form Completions", {"a": "b"}, (("a", "b"), ("path", "/p"))),
        ("Form: Submission", {"path": "/mine"}, (("path", "/mine"),)),
        ("404", {"path": " "}, (("path", "/p"),)),
        ("File Download", {}, ()),
        ("pageview", {}, ()),
    ],
)
def test_the_path_becomes_a_property(name: str, value: dict[str, str], props: Props) -> None:
    assert parse_props(value, name, "/p") == props


def test_more_than_thirty_are_cut() -> None:
    props = parse_props({f"k{number:02}": "v" for number in range(32)}, "x", "/p")
    assert [key for key, _ in props] == [f"k{number:02}" for number in range(2, 32)]


def test_the_path_counts_among_the_thirty() -> None:
    props = parse_props({f"k{number:02}": "v" for number in range(30)}, "404", "/p")
    assert len(props) == PROPS_LIMIT
    assert "path" not in dict(props)


@pytest.mark.parametrize(
    ("value", "fits"),
    [
        ({"k" * KEY_BYTES: "v"}, True),
        ({"k" * (KEY_BYTES + 1): "v"}, False),
        ({"é" * (KEY_BYTES // 2 + 1): "v"}, False),
        ({"k": "v" * VALUE_BYTES}, True),
        ({"k": "v" * (VALUE_BYTES + 1)}, False),
        ({"k": "é" * (VALUE_BYTES // 2 + 1)}, False),
        ({"k": 10**1999}, True),
        ({"k": 10**2000}, False),
        ({"k": -(10**1999)}, False),
        ({"k": 10**4299}, False),
        ({"a": 10**4299, **{f"k{number:02}": "v" for number in range(30)}}, True),
        ({"a": "v" * 3000, **{f"k{number:02}": "v" for number in range(30)}}, True),
    ],
)
def test_sizes_of_what_remains(value: dict[str, str], fits: bool) -> None:
    if fits:
        assert parse_props(value, "x", "/p")
    else:
        with pytest.raises(PropsTooLong):
            parse_props(value, "x", "/p")


TEXT = st.text(max_size=KEY_BYTES // 4)
"""Short enough for a key and a value, in whatever characters."""

VALUES = st.none() | st.booleans() | st.integers() | st.floats() | TEXT | st.lists(TEXT)


@given(st.dictionaries(TEXT, VALUES, max_size=50), st.booleans())
def test_props_are_few_sorted_and_not_blank(value: dict[str, Any], as_text: bool) -> None:
    props = parse_props(json.dumps(value) if as_text else value, "404", "/p")
    assert len(props) <= PROPS_LIMIT
    assert list(props) == sorted(props)
    assert all(key.strip() and text.strip() for key, text in props)


@given(st.text())
def test_any_text_is_an_object_or_nothing(text: str) -> None:
    assert object_of(text) is None or isinstance(object_of(text), dict)
