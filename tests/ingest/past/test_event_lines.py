import json
from typing import Any

import pytest

from ingest.past.event_lines import EventLinesReader
from ingest.past.past_event import BrokenLineError, PastEvent, SkipReason
from tests.examples import NOON
from tests.ingest.past.lines import options, told

ITEM: dict[str, Any] = {
    "n": "Signup",
    "u": "https://example.com/a",
    "d": "example.com",
    "p": {"plan": "pro"},
    "timestamp": NOON - 100,
    "ip": "2001:DB8::1",
    "user_agent": "x",
}


def read(line: bytes, **changes: Any) -> PastEvent | SkipReason:
    return EventLinesReader(options(**changes)).read(line)


def item(**changes: Any) -> bytes:
    return json.dumps(ITEM | changes).encode()


def test_an_event() -> None:
    assert told(read(item(), site=None)) == {
        "timestamp": NOON - 100,
        "name": "Signup",
        "domains": ("example.com",),
        "hostname": "example.com",
        "pathname": "/a",
        "query": {},
        "referrer": None,
        "client_ip": "2001:db8::1",
        "user_agent": "x",
        "props": (("plan", "pro"),),
        "received": NOON,  # though it is recent: it must not join the visits of now
    }


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"timestamp": "2026-09-22T11:58:20Z"}, {"timestamp": NOON - 100}),
        ({"timestamp": 86_400}, {"timestamp": 86_400}),
        ({"ip": None, "user_agent": None}, {"client_ip": "", "user_agent": None}),
        ({"d": "a.example,b.example"}, {"domains": ("a.example", "b.example")}),
        ({"d": None}, {"domains": ("example.com",)}),
        ({"d": None, "u": "https://blog.example.com/"}, {"domains": ("example.com",)}),
    ],
)
def test_fields(changes: dict[str, Any], expected: dict[str, Any]) -> None:
    assert expected.items() <= told(read(item(**changes))).items()


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"", "not a JSON object"),
        (b"[]", "not a JSON object"),
        (b'{"a": [' + b"[]," * 10_000 + b"1]}", "too many values"),
        (item(n=None), "has no name of an event"),
        (item(timestamp=None), "timestamp: is required"),
        (item(timestamp=NOON + 1), "timestamp: must not be in the future"),
        (item(timestamp=0), "timestamp: is longer ago than events are taken for"),
        (item(ip="x"), "ip: expected an IPv4 or IPv6 address"),
        (item(u=None), "url: is required"),
    ],
)
def test_broken(line: bytes, problem: str) -> None:
    with pytest.raises(BrokenLineError) as broken:
        read(line)
    assert str(broken.value) == problem


def test_every_line_is_a_record() -> None:
    assert EventLinesReader(options()).is_whole(b'"')
