import json
from typing import Any

import pytest

from ingest.observation.request_summary import (
    KEY_LENGTH,
    KEYS_SHOWN,
    describe_body,
    describe_keys,
    describe_mistakes,
    describe_request,
)
from ingest.request.invalid import InvalidRequest
from ingest.request.parse import parse_request
from tests.examples import a_request


@pytest.mark.parametrize(
    ("content_type", "read_as"),
    [
        ("application/json", "JSON"),
        ("application/vnd.api+json; charset=utf-8", "JSON"),
        ("text/plain", "JSON, whatever its type"),
        (None, "JSON, whatever its type"),
        ("application/x-www-form-urlencoded", "a form"),
        ("multipart/form-data; boundary=x", "a form"),
    ],
)
def test_bodies(content_type: str | None, read_as: str) -> None:
    told = describe_body(content_type, b"{}")
    assert (told["read_as"], told["bytes"]) == (read_as, 2)


def test_keys() -> None:
    body = json.dumps({"n": "a", "props": {}, "i": False, "dd": 1, "w": None}).encode()
    assert describe_keys("text/plain", body) == {
        "keys": {"n": "event_name", "props": "props", "i": "interactive"},
        "keys_ignored": ["dd", "w"],
    }
    assert describe_keys("text/plain", b"{") == {}


def test_keys_without_meaning_are_bounded() -> None:
    body = json.dumps({"k" * 9999 + str(number): 1 for number in range(99)}).encode()
    ignored = describe_keys("text/plain", body)["keys_ignored"]
    assert len(ignored) == KEYS_SHOWN
    assert {len(key) for key in ignored} == {KEY_LENGTH}


def test_a_valid_request_is_shown_without_its_visitor() -> None:
    shown = describe_request(a_request(props=(("a", "b"),), client_ip="198.51.100.77"))
    assert shown["props"] == {"a": "b"}
    assert shown["name"] == "pageview"
    assert not {"client_ip", "user_agent", "ip_type"} & shown.keys()
    assert "198.51" not in str(shown)


@pytest.mark.parametrize(
    ("sent", "fields"),
    [
        pytest.param(
            {"n": "", "u": "https://example.com/a"}, {"url": "https://example.com/a"}, id="name"
        ),
        pytest.param(
            {"n": "a", "u": 7, "d": "x.y"}, {"event_name": "a", "domains": ["x.y"]}, id="url"
        ),
        pytest.param(
            {"n": "a", "u": "https://x.y/", "d": " ", "r": "https://r.s/"},
            {"event_name": "a", "url": "https://x.y/", "referrer": "https://r.s/"},
            id="domain",
        ),
        pytest.param(
            {"n": "a", "u": "https://x.y/", "p": {"k" * 301: "v"}},
            {"event_name": "a", "url": "https://x.y/"},
            id="props",
        ),
    ],
)
def test_what_was_understood_beside_the_mistakes(
    sent: dict[str, Any], fields: dict[str, Any]
) -> None:
    body = json.dumps(sent).encode()
    with pytest.raises(InvalidRequest) as refused:
        parse_request(None, body, timestamp=1, client_ip="", user_agent=None, ip_type=None)
    told = describe_mistakes(None, body, refused.value.errors)
    assert told["fields"] == fields
    assert set(told["keys"]) == set(sent)


def test_nothing_was_understood() -> None:
    assert describe_mistakes("text/plain", b"{", {"request": ["no"]}) == {
        "content_type": "text/plain",
        "bytes": 1,
        "read_as": "JSON, whatever its type",
    }
