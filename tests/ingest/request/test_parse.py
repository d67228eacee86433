"""Requests as a whole: every rule of spec/ingestion.md §2 to §8 that needs more than one field."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.model.event import EventRequest, Revenue
from ingest.request.invalid import InvalidRequest
from ingest.request.parse import parse_request

BASE = {"n": "x", "u": "https://a.com/p", "d": "a.com"}
CONTENT_TYPES = [
    None,
    "text/plain",
    "application/json",
    "application/ld+json",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "multipart/form-data; boundary=b",
]
BLANK = ["can't be blank"]


def parse(body: bytes, content_type: str | None = "text/plain") -> EventRequest:
    return parse_request(
        content_type,
        body,
        timestamp=5,
        client_ip="203.0.113.9",
        user_agent="agent",
        ip_type="dc_ip",
    )


def event(**fields: Any) -> EventRequest:
    return parse(json.dumps({**BASE, **fields}).encode())


def errors(**fields: Any) -> dict[str, list[str]]:
    with pytest.raises(InvalidRequest) as refused:
        event(**fields)
    return dict(refused.value.errors)


def test_what_surrounds_the_body_is_taken_over() -> None:
    request = event()
    assert (request.timestamp, request.client_ip, request.user_agent, request.ip_type) == (
        5,
        "203.0.113.9",
        "agent",
        "dc_ip",
    )


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({"n": 404}, {"name": "404"}, id="a number is a name"),
        pytest.param({"n": None, "name": "y"}, {"name": "y"}, id="null makes way"),
        pytest.param({"n": False, "name": "y"}, {"name": "y"}, id="false makes way"),
        pytest.param({"n": " a "}, {"name": " a "}, id="a name is not trimmed"),
        pytest.param({"n": "e\u0301" * 120}, {"name": "e\u0301" * 120}, id="120 graphemes"),
        pytest.param({"u": None, "url": "http://b.com"}, {"hostname": "b.com"}, id="url alias"),
        pytest.param({"u": "u" * 2000}, {"pathname": "u" * 2000}, id="2000 bytes"),
        pytest.param(
            {"d": "a.com, www.b.com,,a.com"}, {"domains": ("a.com", "b.com", "", "a.com")}
        ),
        pytest.param(
            {"d": None, "u": "https://www.q.com/"}, {"domains": ("q.com",)}, id="domain of the url"
        ),
        pytest.param({"d": 5}, {"domains": ("a.com",)}, id="a domain that is no text is absent"),
        pytest.param({"d": "A.com"}, {"domains": ("A.com",)}, id="case of a domain is kept"),
        pytest.param({"r": None}, {"referrer": None}, id="null referrer"),
        pytest.param({"r": 5}, {"referrer": None}, id="referrer of another type"),
        pytest.param({"r": "", "referrer": "x"}, {"referrer": ""}, id="empty text is a value"),
        pytest.param({"r": "x" * 3000}, {"referrer": "x" * 2000}, id="long referrer is cut"),
        pytest.param({"h": 1, "u": "https://a.com#b%20c "}, {"pathname": "/#b c "}, id="hash mode"),
        pytest.param({"h": "1", "u": "https://a.com/#b"}, {"pathname": "/#b"}, id="hash as text"),
        pytest.param({"hashMode": 1, "u": "https://a.com/#b"}, {"pathname": "/#b"}, id="hashMode"),
        pytest.param({"h": 2, "u": "https://a.com/#b"}, {"pathname": "/"}, id="h = 2 is not 1"),
        pytest.param({"h": "", "u": "https://a.com/#b"}, {"pathname": "/"}, id="h empty"),
        pytest.param({"v": 36}, {"tracker_version": 36}, id="version"),
        pytest.param({"v": "36"}, {"tracker_version": 0}, id="version as text"),
        pytest.param({"v": True}, {"tracker_version": 0}, id="version true"),
        pytest.param({}, {"interactive": True}, id="interactive by default"),
        pytest.param({"i": False}, {"interactive": False}, id="not interactive"),
        pytest.param({"i": None, "interactive": False}, {"interactive": False}, id="i null"),
        pytest.param({"i": "false"}, {"interactive": True}, id="only booleans count"),
        pytest.param({"n": "pageview", "i": False}, {"interactive": True}, id="system event"),
        pytest.param({"n": "Form: Submission", "i": False}, {"interactive": True}, id="form"),
        pytest.param(
            {"sd": 5, "e": 6}, {"scroll_depth": 0, "engagement_time": 0}, id="not an engagement"
        ),
        pytest.param(
            {"p": {"b": 1, "a": "x"}}, {"props": (("a", "x"), ("b", "1"))}, id="props are sorted"
        ),
        pytest.param({"m": None, "meta": False, "props": {"a": "b"}}, {"props": (("a", "b"),)}),
        pytest.param({"m": {"a": "1"}, "p": {"b": "2"}}, {"props": (("a", "1"),)}, id="m first"),
        pytest.param({"n": "404"}, {"props": (("path", "/p"),)}, id="path of a 404"),
        pytest.param(
            {"$": {"amount": 1, "currency": "EUR"}},
            {"revenue": Revenue(Decimal(1), "EUR")},
            id="revenue",
        ),
        pytest.param({"revenue": "none"}, {"revenue": None}, id="unusable revenue is ignored"),
        pytest.param({"w": 1200, "screen_width": 5, "z": []}, {"name": "x"}, id="unknown keys"),
    ],
)
def test_fields(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    request = event(**fields)
    assert {name: getattr(request, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"sd": 0}, (0, 0)),
        ({"sd": 100}, (100, 0)),
        ({"sd": 150}, (100, 0)),
        ({"sd": "50"}, (50, 0)),
        ({"sd": -1, "e": 5}, (255, 5)),
        ({"sd": "12asd", "e": 5}, (255, 5)),
        ({"sd": 1.5, "e": 5}, (255, 5)),
        ({"sd": True, "e": 5}, (255, 5)),
        ({"e": "3000"}, (255, 3000)),
        ({"e": 2_591_999_999}, (255, 2_591_999_999)),
        ({"sd": 1, "e": 2_592_000_000}, (1, 0)),
        ({"sd": 1, "e": -5}, (1, 0)),
        ({"sd": 1, "e": "x"}, (1, 0)),
        ({"sd": 1, "e": 10**400}, (1, 0)),
    ],
)
def test_engagement(fields: dict[str, Any], expected: tuple[int, int]) -> None:
    request = event(n="engagement", **fields)
    assert (request.scroll_depth, request.engagement_time) == expected


ENGAGEMENT_ERROR = [
    "engagement event requires a valid integer value for at least one of 'sd' or 'e' fields"
]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({"n": None}, {"event_name": BLANK}, id="no name"),
        pytest.param({"n": "", "name": "y"}, {"event_name": BLANK}, id="empty name wins"),
        pytest.param({"n": " \t"}, {"event_name": BLANK}, id="blank name"),
        pytest.param({"n": True}, {"event_name": ["is invalid"]}, id="true"),
        pytest.param({"n": 1.5}, {"event_name": ["is invalid"]}, id="float"),
        pytest.param({"n": ["x"]}, {"event_name": ["is invalid"]}, id="list"),
        pytest.param(
            {"n": "a" * 121}, {"event_name": ["should be at most 120 character(s)"]}, id="long"
        ),
        pytest.param(
            {"n": "e\u0301" * 121},
            {"event_name": ["should be at most 120 character(s)"]},
            id="121 graphemes",
        ),
        pytest.param({"u": None}, {"url": ["is required"]}, id="no url, but a domain"),
        pytest.param({"u": 5}, {"url": ["must be a valid url"]}, id="url of another type"),
        pytest.param({"u": "h" * 2001}, {"url": ["must be a valid url"]}, id="2001 bytes"),
        pytest.param({"u": "é" * 1001}, {"url": ["must be a valid url"]}, id="2002 bytes in 1001"),
        pytest.param({"u": "DATA:text/html,x"}, {"url": ["scheme is not allowed"]}, id="data"),
        pytest.param({"d": " "}, {"domain": BLANK}, id="blank domain"),
        pytest.param(
            {"d": None, "u": "about:config", "n": "pageview"}, {"domain": BLANK}, id="about:config"
        ),
        pytest.param(
            {"d": "," * 100}, {"domain": ["should have at most 100 item(s)"]}, id="commas"
        ),
        pytest.param({"h": True}, {"hash_mode": ["is invalid"]}, id="h true"),
        pytest.param({"h": "x"}, {"hash_mode": ["is invalid"]}, id="h text"),
        pytest.param({"h": 1.5}, {"hash_mode": ["is invalid"]}, id="h float"),
        pytest.param({"u": "foo:%20"}, {"pathname": BLANK}, id="path of a space"),
        pytest.param({"n": "engagement"}, {"event_name": ENGAGEMENT_ERROR}, id="engagement"),
        pytest.param({"n": "engagement", "e": 0}, {"event_name": ENGAGEMENT_ERROR}, id="e = 0"),
        pytest.param(
            {"n": "engagement", "e": 2_592_000_000}, {"event_name": ENGAGEMENT_ERROR}, id="30 days"
        ),
        pytest.param(
            {"p": {"k" * 301: "v"}},
            {"props": ["keys should have at most 300 bytes and values 2000 bytes"]},
            id="long key",
        ),
        pytest.param(
            {"n": 1.5, "u": 5, "d": "", "h": "x", "p": {"k": "v" * 2001}},
            {
                "event_name": ["is invalid"],
                "url": ["must be a valid url"],
                "domain": BLANK,
                "hash_mode": ["is invalid"],
                "props": ["keys should have at most 300 bytes and values 2000 bytes"],
            },
            id="all together",
        ),
        pytest.param(
            {"n": None, "u": None, "d": None},
            {"event_name": BLANK, "url": ["is required"], "domain": BLANK},
            id="nothing",
        ),
    ],
)
def test_errors(fields: dict[str, Any], expected: dict[str, list[str]]) -> None:
    assert errors(**fields) == expected


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(
            {"n": "pageview", "v": 36, "u": "https://a.com/", "d": "a.com", "r": None, "i": False},
            id="official",
        ),
        pytest.param(
            {"n": "Buy", "u": "https://a.com/", "d": "a.com", "w": 1, "h": 0, "p": '{"a":"b"}'},
            id="plausible-tracker",
        ),
        pytest.param(
            {"n": "Buy", "u": "https://a.com/", "d": "a.com", "m": '{"a":"b"}'}, id="older script"
        ),
        pytest.param(
            {"name": "x", "url": "app://localhost/x", "domain": "a.com", "props": {"a": "b"}},
            id="plausible-events",
        ),
    ],
)
def test_what_trackers_send(body: dict[str, Any]) -> None:
    request = parse(json.dumps(body).encode())
    assert request.domains == ("a.com",)
    assert request.props in ((), (("a", "b"),))


@given(st.binary(max_size=300), st.sampled_from(CONTENT_TYPES))
def test_any_bytes_are_parsed_or_refused(body: bytes, content_type: str | None) -> None:
    try:
        request = parse(body, content_type)
    except InvalidRequest:
        return
    assert request.name
    assert request.domains


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4)
    ),
    max_leaves=8,
)
KEYS = ["n", "name", "u", "d", "r", "h", "m", "p", "props", "revenue", "$", "i", "v", "sd", "e"]


@given(st.dictionaries(st.sampled_from(KEYS), JSON))
def test_any_value_of_any_field_is_parsed_or_refused(fields: dict[str, Any]) -> None:
    try:
        request = event(**fields)
    except InvalidRequest:
        return
    assert request.pathname
    assert 0 <= request.scroll_depth <= 255
    assert len(request.props) <= 30


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        pytest.param({"n": "a" + "\u0301" * 450_000}, "event_name", id="one endless cluster"),
        pytest.param({"n": "e\u0301" * 300_000}, "event_name", id="endless name"),
        pytest.param({"d": "," * 90_000}, "domain", id="many domains"),
        pytest.param({"d": "," * 900_000}, "request", id="commas without end"),
    ],
)
def test_hostile_sizes_are_refused(fields: dict[str, Any], field: str) -> None:
    assert list(errors(**fields)) == [field]


def test_props_nested_too_deeply_are_none() -> None:
    assert event(p="[" * 9_000).props == ()
