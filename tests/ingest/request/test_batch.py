import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import from_json

from ingest.model.event import EventRequest
from ingest.request.batch import (
    COUNTED,
    FEW_BYTES,
    ITEMS_LIMIT,
    RECENT_SECONDS,
    Item,
    Sender,
    check_count,
    read_item,
    split_batch,
)
from ingest.request.invalid import InvalidRequest
from tests.examples import NOON

EVENT = {"n": "pageview", "u": "https://example.com/a", "d": "example.com"}
YEAR = 365 * 86_400


def a_sender(*domains: str) -> Sender:
    return Sender(
        received=NOON,
        oldest=NOON - YEAR,
        client_ip="203.0.113.9",
        user_agent="sender/1",
        ip_type="dc_ip",
        may_set=lambda domain: domain in domains,
    )


LINES = "application/x-ndjson"
OWNER = a_sender("example.com")


def body_of(*items: object) -> bytes:
    return b"\n".join(json.dumps(item).encode() for item in items)


@pytest.mark.parametrize(
    ("content_type", "body", "items"),
    [
        pytest.param("application/json", b'[{"n": "a"}, 5]', [b'{"n": "a"}', b"5"], id="an array"),
        pytest.param(None, b' \n[{"n": "a"}]', [b'{"n": "a"}'], id="an array without a type"),
        pytest.param(LINES, b'{"n": 1}\n\n{"n": 2}\n', [b'{"n": 1}', b'{"n": 2}'], id="lines"),
        pytest.param(
            "text/plain", b'{"n": 1}\r\n{"n": 2}', [b'{"n": 1}\r', b'{"n": 2}'], id="lines by sight"
        ),
        pytest.param(LINES, b'{"n": 1}\n{', [b'{"n": 1}', b"{"], id="a broken line"),
        pytest.param(LINES, b"[1]", [b"[1]"], id="an array on a line"),
        pytest.param("application/json", b'{"n": 1}', [b'{"n": 1}'], id="one object"),
        pytest.param(None, b'["\xff", {}]', [b'"\xff"', b"{}"], id="an item that is not UTF-8"),
        pytest.param(LINES, b"{" * 1_000_001, [b"{" * 1_000_001], id="a large line"),
    ],
)
def test_items(content_type: str | None, body: bytes, items: list[bytes]) -> None:
    assert list(map(bytes, split_batch(content_type, body))) == items


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "has no events"),
        (b"[]", "has no events"),
        (b"\n\n", "has no events"),
        (b"[", "Unable to parse request body as a JSON array or JSON lines"),
        (b"[{}", "Unable to parse request body as a JSON array or JSON lines"),
        (b"[{}]]", "Unable to parse request body as a JSON array or JSON lines"),
        (b"[{},]", "Unable to parse request body as a JSON array or JSON lines"),
        (b"[" * 90_000, "Unable to parse request body as a JSON array or JSON lines"),
        (b"[1" + b",1" * FEW_BYTES, "Unable to parse request body as a JSON array or JSON lines"),
        (b"nothing", "Unable to parse request body as a JSON array or JSON lines"),
        (b"[" + b"1," * ITEMS_LIMIT + b"1]", "has more than 5000 events"),
        (b"[" + b"{}," * 90_000 + b"1]", "has more than 5000 events"),
        (b"1\n" * (ITEMS_LIMIT + 1), "has more than 5000 events"),
    ],
)
def test_no_batch(body: bytes, message: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        split_batch(None, body)
    assert refused.value.errors == {"request": [message]}


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda values: st.lists(values) | st.dictionaries(st.text(), values),
)


@given(st.lists(JSON, min_size=1), st.booleans(), st.booleans())
def test_any_array_is_split(values: list[Any], ascii_only: bool, many: bool) -> None:
    body = json.dumps([*values, "," * FEW_BYTES * many], ensure_ascii=ascii_only)
    items = split_batch(None, body.encode("utf-8", "replace"))
    assert [from_json(bytes(item)) for item in items[:-1]] == from_json(body)[:-1]


@pytest.mark.parametrize(("character", "limit"), COUNTED.items())
def test_too_many_of_a_character(character: bytes, limit: int) -> None:
    check_count(character * limit, character)
    with pytest.raises(InvalidRequest) as refused:
        check_count(character * (limit + 1), character)
    message = f"has the character {character.decode()} more than {limit} times"
    assert refused.value.errors == {"request": [message]}


@pytest.mark.parametrize("extra", [b"", b'{"p": [' + b"1," * 20_000 + b"1]}"])
def test_as_many_as_may_be(extra: bytes) -> None:
    assert len(split_batch(None, b"1\n" * ITEMS_LIMIT)) == ITEMS_LIMIT
    items = [b"1"] * (ITEMS_LIMIT - 1) + [extra or b"1"]
    assert list(map(bytes, split_batch(None, b"[" + b",".join(items) + b"]"))) == items


def read(item: object, sender: Sender) -> EventRequest:
    text: Item = json.dumps(item).replace("Infinity", "1e400").encode()
    return read_item(text, sender)


def test_a_large_item_is_no_event() -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_item(b'"' + b"a" * 1_000_000 + b'"', OWNER)
    assert refused.value.errors == {"event": ["must be at most 1000000 bytes"]}


@pytest.mark.parametrize(
    "item", [b"{", b'{"n": "\xff"}', b'{"n": "\\ud800"}', b'{"a": [' + b"[]," * 9_999 + b"1]}"]
)
def test_an_item_is_read_as_a_single_event_is(item: bytes) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_item(item, OWNER)
    assert refused.value.errors == {"event": ["expected a JSON object"]}


def test_an_item_is_an_event_of_the_sender() -> None:
    request = read(EVENT, a_sender())
    assert (request.timestamp, request.received) == (NOON, None)
    assert (request.client_ip, request.user_agent, request.ip_type) == (
        "203.0.113.9",
        "sender/1",
        "dc_ip",
    )


def test_who_has_the_key_sends_for_others() -> None:
    item = {**EVENT, "ip": "2001:DB8::1", "user_agent": "Firefox", "timestamp": NOON - YEAR}
    request = read(item, OWNER)
    assert (request.timestamp, request.received) == (NOON - YEAR, NOON)
    assert (request.client_ip, request.user_agent, request.ip_type) == (
        "2001:db8::1",
        "Firefox",
        None,
    )


@pytest.mark.parametrize(
    ("timestamp", "seconds"),
    [
        (NOON - 5000, NOON - 5000),
        (NOON - 5000.9, NOON - 5001),
        ("2026-09-22T12:00:00Z", NOON),
        ("2026-09-22T14:00:00+02:00", NOON),
        ("2026-09-22T11:00:00", NOON - 3600),
        ("2026-09-22 11:59:59.5", NOON - 1),
        ("2026-09-21", NOON - 36 * 3600),
        (None, NOON),
    ],
)
def test_times(timestamp: object, seconds: int) -> None:
    assert read({**EVENT, "timestamp": timestamp}, OWNER).timestamp == seconds


@pytest.mark.parametrize(
    ("seconds_ago", "past"), [(0, False), (RECENT_SECONDS, False), (RECENT_SECONDS + 1, True)]
)
def test_what_happened_just_now_is_not_the_past(seconds_ago: int, past: bool) -> None:
    request = read({**EVENT, "timestamp": NOON - seconds_ago}, OWNER)
    assert (request.received is not None) is past


@pytest.mark.parametrize(
    ("item", "errors"),
    [
        pytest.param(5, {"event": ["expected a JSON object"]}, id="a number"),
        pytest.param(None, {"event": ["expected a JSON object"]}, id="no JSON"),
        pytest.param({**EVENT, "u": None}, {"url": ["is required"]}, id="no address"),
        pytest.param(
            {**EVENT, "timestamp": NOON + 1},
            {"timestamp": ["must not be in the future"]},
            id="future",
        ),
        pytest.param(
            {**EVENT, "timestamp": NOON - YEAR - 1},
            {"timestamp": ["is longer ago than events are taken for"]},
            id="long ago",
        ),
        *(
            pytest.param(
                {**EVENT, "timestamp": value},
                {"timestamp": ["expected Unix seconds or a time in ISO 8601"]},
                id=f"the time {value!r}",
            )
            for value in ("yesterday", True, [1], "", math.inf, -math.inf)
        ),
        pytest.param(
            {**EVENT, "ip": "localhost"}, {"ip": ["expected an IPv4 or IPv6 address"]}, id="no ip"
        ),
        pytest.param(
            {**EVENT, "ip": True}, {"ip": ["expected an IPv4 or IPv6 address"]}, id="ip of a type"
        ),
        pytest.param(
            {**EVENT, "user_agent": 5},
            {"user_agent": ["expected text of at most 2000 characters"]},
            id="no agent",
        ),
        pytest.param(
            {**EVENT, "n": " ", "ip": "?"},
            {"event_name": ["can't be blank"], "ip": ["expected an IPv4 or IPv6 address"]},
            id="several",
        ),
    ],
)
def test_mistakes(item: object, errors: dict[str, list[str]]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read(item, OWNER)
    assert refused.value.errors == errors


@pytest.mark.parametrize("field", [{"timestamp": NOON}, {"ip": "192.0.2.1"}, {"user_agent": "x"}])
@pytest.mark.parametrize("domains", ["example.com", "own.example,example.com"])
def test_without_the_key_of_every_site_nothing_is_believed(
    field: dict[str, Any], domains: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read({**EVENT, "d": domains, **field}, a_sender("own.example"))
    (key,) = field
    assert refused.value.errors == {key: ["needs the admin token or the site's server key"]}
