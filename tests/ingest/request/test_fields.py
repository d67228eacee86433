import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from ingest.request.fields import ALIASES, EventFields, first_graphemes, read_fields


def test_every_field_has_its_keys() -> None:
    assert {*ALIASES, "interactive"} == set(EventFields.model_fields)


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
            body = {"n": "x", "u": "https://a.com", **before, key: VALUES[field]}
            fields, errors = read_fields(body)
            assert not errors
            expected = VALUES[field]
            assert getattr(fields, field) == ((expected,) if field == "domains" else expected)


def test_one_mistake_does_not_hide_another() -> None:
    fields, errors = read_fields({"n": True, "h": "x", "sd": 5})
    assert set(errors) == {"event_name", "url", "hash_mode"}
    assert fields.scroll_depth == 5


@given(st.text(max_size=60), st.integers(1, 20))
def test_graphemes_are_cut_whole(text: str, limit: int) -> None:
    assert first_graphemes(text, limit) == "".join(regex.findall(r"\X", text)[:limit])
