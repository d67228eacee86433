import json
import math
from typing import Any

import pytest

from ingest.request.batch import (
    COMMAS_LIMIT,
    ITEMS_LIMIT,
    RECENT_SECONDS,
    Sender,
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
        pytest.param("application/json", b'[{"n": "a"}, 5]', [{"n": "a"}, 5], id="an array"),
        pytest.param(None, b' \n[{"n": "a"}]', [{"n": "a"}], id="an array without a type"),
        pytest.param(LINES, b'{"n": 1}\n\n{"n": 2}\n', [{"n": 1}, {"n": 2}], id="lines"),
        pytest.param(
            "text/plain", b'{"n": 1}\r\n{"n": 2}', [{"n": 1}, {"n": 2}], id="lines by sight"
        ),
        pytest.param(LINES, b'{"n": 1}\n{', [{"n": 1}, None], id="a broken line"),
        pytest.param(LINES, b"[1]", [[1]], id="an array on a line"),
        pytest.param("application/json", b'{"n": 1}', [{"n": 1}], id="one object"),
    ],
)
def test_items(content_type: str | None, body: bytes, items: list[Any]) -> None:
    assert split_batch(content_type, body) == items


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "has no events"),
        (b"[]", "has no events"),
        (b"\n\n", "has no events"),
        (b"[", "Unable to parse request body as a JSON array or JSON lines"),
        (b"nothing", "Unable to parse request body as a JSON array or JSON lines"),
        (b"[" + b"1," * ITEMS_LIMIT + b"1]", "has more than 5000 events"),
        (b"1\n" * (ITEMS_LIMIT + 1), "has more than 5000 events"),
        (b"[[" + b"," * (COMMAS_LIMIT + 1), "has more than 500000 commas"),
        (b'{"n": [' + b"," * (COMMAS_LIMIT + 1), "has more than 500000 commas"),
    ],
)
def test_no_batch(body: bytes, message: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        split_batch(None, body)
    assert refused.value.errors == {"request": [message]}


def test_as_many_as_may_be() -> None:
    assert len(split_batch(None, b"1\n" * ITEMS_LIMIT)) == ITEMS_LIMIT


def test_an_item_is_an_event_of_the_sender() -> None:
    request = read_item(EVENT, a_sender())
    assert (request.timestamp, request.received) == (NOON, None)
    assert (request.client_ip, request.user_agent, request.ip_type) == (
        "203.0.113.9",
        "sender/1",
        "dc_ip",
    )


def test_who_has_the_key_sends_for_others() -> None:
    item = {**EVENT, "ip": "2001:DB8::1", "user_agent": "Firefox", "timestamp": NOON - YEAR}
    request = read_item(item, OWNER)
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
    assert read_item({**EVENT, "timestamp": timestamp}, OWNER).timestamp == seconds


@pytest.mark.parametrize(
    ("seconds_ago", "past"), [(0, False), (RECENT_SECONDS, False), (RECENT_SECONDS + 1, True)]
)
def test_what_happened_just_now_is_not_the_past(seconds_ago: int, past: bool) -> None:
    request = read_item({**EVENT, "timestamp": NOON - seconds_ago}, OWNER)
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
            # JSON's 1e400 is read as infinity.
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
        read_item(item, OWNER)
    assert refused.value.errors == errors


@pytest.mark.parametrize("field", [{"timestamp": NOON}, {"ip": "192.0.2.1"}, {"user_agent": "x"}])
@pytest.mark.parametrize("domains", ["example.com", "own.example,example.com"])
def test_without_the_key_of_every_site_nothing_is_believed(
    field: dict[str, Any], domains: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_item({**EVENT, "d": domains, **field}, a_sender("own.example"))
    (key,) = field
    assert refused.value.errors == {key: ["needs the admin token or the site's server key"]}
