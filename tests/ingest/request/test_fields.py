from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from ingest.request.event_fields import EventFields
from ingest.request.field_values import (
    read_engagement_time,
    read_scroll_depth,
    read_tracker_version,
)
from ingest.request.fields import Values, find_mistakes, read_fields, values_of
from ingest.request.sent_event import ALIASES, SentEvent, select


def test_every_field_has_its_keys() -> None:
    assert {*ALIASES, "interactive"} == set(EventFields.model_fields)
    assert (*ALIASES, "interactive", "screen_width") == SentEvent.__struct_fields__


ANY_VALUE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False),
    st.text(max_size=20),
    st.sampled_from(["https://a.com/x?y", "data:x", "a.com,b.com", "36", "+7", " ", "x" * 3000]),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


@given(
    body=st.dictionaries(
        st.sampled_from([key for keys in ALIASES.values() for key in keys] + ["i", "other"]),
        ANY_VALUE,
    ),
    valid=st.booleans(),
)
def test_the_quick_check_is_the_models(body: dict[str, Any], valid: bool) -> None:
    if valid:
        body |= {"n": "x", "u": "https://a.com/"}
    sent = select(body)
    fields, mistakes = find_mistakes(sent)
    if mistakes:
        with pytest.raises(PydanticCustomError):
            read_fields(sent)
        return
    try:
        values = read_fields(sent)
    except PydanticCustomError:
        assert sent.hash_mode is False
        values = values_of(fields)
    assert _without_false(values) == _without_false(values_of(fields))
    assert read_tracker_version(sent.tracker_version) == fields.tracker_version
    assert read_scroll_depth(sent.scroll_depth) == fields.scroll_depth
    assert read_engagement_time(sent.engagement_time) == fields.engagement_time


def _without_false(values: Values) -> list[Any]:
    """The values, in which `false` is the same as none: no props, no revenue."""
    return [None if value is False else value for value in values[:7]] + [values[7]]


VALUES = {
    "event_name": "later",
    "url": "https://later.com",
    "domains": "later.com",
    "referrer": "later",
    "hash_mode": 7,
    "props": {"a": "b"},
    "revenue": {"amount": 1},
    "tracker_version": 7,
    "scroll_depth": 7,
    "engagement_time": 7,
}


@pytest.mark.parametrize("field", sorted(ALIASES))
def test_keys_are_tried_in_order(field: str) -> None:
    """The first that is neither absent, null nor false."""
    keys = ALIASES[field]
    for position, key in enumerate(keys):
        for nothing in (None, False):
            before = dict.fromkeys(keys[:position], nothing)
            sent = select({"n": "x", "u": "https://a.com", **before, key: VALUES[field]})
            fields, errors = find_mistakes(sent)
            assert not errors
            assert read_fields(sent) == values_of(fields)
            expected = VALUES[field]
            assert getattr(fields, field) == ((expected,) if field == "domains" else expected)


def test_one_mistake_does_not_hide_another() -> None:
    fields, errors = find_mistakes(select({"n": True, "h": "x", "sd": 5}))
    assert set(errors) == {"event_name", "url", "hash_mode"}
    assert fields.scroll_depth == 5


HUGE = 10**4299


@pytest.mark.parametrize(
    ("body", "field", "value"),
    [
        ({"v": 65_536}, "tracker_version", 65_535),
        ({"v": -1}, "tracker_version", 0),
        ({"v": HUGE}, "tracker_version", 65_535),
        ({"h": HUGE}, "hash_mode", HUGE),
        ({"sd": HUGE}, "scroll_depth", 100),
        ({"sd": -HUGE}, "scroll_depth", 255),
        ({"e": HUGE}, "engagement_time", 0),
        ({"e": "9" * 5000}, "engagement_time", 0),
        ({"n": 10**119}, "event_name", "1" + "0" * 119),
    ],
)
def test_numbers_of_any_size(body: dict[str, object], field: str, value: object) -> None:
    sent = select({"n": "x", "u": "https://a.com", **body})
    fields, errors = find_mistakes(sent)
    assert not errors
    assert getattr(fields, field) == value
    assert read_fields(sent) == values_of(fields)


@pytest.mark.parametrize("number", [10**120, -(10**119), HUGE, -HUGE])
def test_a_number_that_is_too_long_for_a_name(number: int) -> None:
    _, errors = find_mistakes(select({"n": number, "u": "https://a.com"}))
    assert errors == {"event_name": ["should be at most 120 character(s)"]}
