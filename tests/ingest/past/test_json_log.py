import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.past.json_log import JsonLogReader
from ingest.past.past_event import BrokenLineError, PastEvent, SkipReason
from tests.examples import NOON
from tests.ingest.past.lines import CHROME, options, told

CADDY: dict[str, Any] = {
    "level": "info",
    "ts": NOON - 99.5,
    "logger": "http.log.access.log0",
    "msg": "handled request",
    "request": {
        "remote_ip": "203.0.113.9",
        "remote_port": "41342",
        "client_ip": "203.0.113.9",
        "method": "GET",
        "host": "www.example.com",
        "uri": "/a?b=c",
        "headers": {"User-Agent": [CHROME], "Referer": ["https://t.co/x"]},
    },
    "status": 200,
    "resp_headers": {"Content-Type": ["text/html; charset=utf-8"]},
}
NGINX: dict[str, Any] = {
    "time_iso8601": "2026-09-22T11:58:20+00:00",
    "remote_addr": "203.0.113.9",
    "request": "GET /a?b=c HTTP/1.1",
    "status": "200",
    "host": "example.com",
    "http_user_agent": CHROME,
    "http_referer": "https://t.co/x",
}


def read(entry: Any, **changes: Any) -> PastEvent | SkipReason:
    line = entry if isinstance(entry, bytes) else json.dumps(entry).encode()
    return JsonLogReader(options(**changes)).read(line)


def caddy(**changes: Any) -> dict[str, Any]:
    return CADDY | {"request": CADDY["request"] | changes}


@pytest.mark.parametrize("entry", [CADDY, NGINX], ids=["Caddy", "nginx"])
def test_both(entry: dict[str, Any]) -> None:
    event = told(read(entry, site=None))
    assert event == {
        "timestamp": NOON - 100,
        "name": "pageview",
        "domains": ("example.com",),
        "hostname": "example.com",
        "pathname": "/a",
        "query": {"b": "c"},
        "referrer": "https://t.co/x",
        "client_ip": "203.0.113.9",
        "user_agent": CHROME,
        "props": (),
        "received": NOON,
    }


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        pytest.param(
            caddy(remote_ip="10.0.0.1", client_ip="198.51.100.1"),
            {"client_ip": "198.51.100.1"},
            id="Caddy knows its proxies",
        ),
        pytest.param(
            caddy(
                remote_ip="10.0.0.1",
                client_ip="10.0.0.1",
                headers={"X-Forwarded-For": ["198.51.100.1"]},
            ),
            {"client_ip": "198.51.100.1", "user_agent": None},
            id="Caddy does not",
        ),
        pytest.param(
            CADDY
            | {
                "request": {
                    "remote_addr": "[2001:db8::1]:5000",
                    "method": "GET",
                    "host": "example.com",
                    "uri": "/",
                }
            },
            {"client_ip": "2001:db8::1", "pathname": "/"},
            id="an old Caddy",
        ),
        pytest.param(CADDY | {"ts": "2026-09-22T11:58:20Z"}, {"pathname": "/a"}, id="time in text"),
        pytest.param(
            {**NGINX, "request": None, "request_method": "GET", "request_uri": "/b?d"},
            {"pathname": "/b"},
            id="method and address apart",
        ),
        pytest.param(
            {**NGINX, "request": "", "method": "GET", "uri": "/b", "args": "ref=d"},
            {"pathname": "/b", "query": {"ref": "d"}},
            id="arguments apart",
        ),
        pytest.param(
            {**NGINX, "time_iso8601": "", "msec": f"{NOON - 100}.250"},
            {"timestamp": NOON - 100},
            id="milliseconds",
        ),
        pytest.param(
            {**NGINX, "time_iso8601": None, "time_local": "22/Sep/2026:11:58:20 +0000"},
            {"timestamp": NOON - 100},
            id="local time",
        ),
        pytest.param(
            {**NGINX, "remote_addr": "127.0.0.1", "http_x_forwarded_for": "198.51.100.1"},
            {"client_ip": "198.51.100.1"},
            id="behind a proxy",
        ),
        pytest.param(
            {**NGINX, "http_referer": "-", "http_user_agent": "-"},
            {"referrer": None, "user_agent": None},
            id="nothing sent",
        ),
        pytest.param({**NGINX, "status": 304}, {"pathname": "/a"}, id="status as a number"),
    ],
)
def test_variants(entry: dict[str, Any], expected: dict[str, Any]) -> None:
    assert expected.items() <= told(read(entry)).items()


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"level": "info", "logger": "tls", "msg": "x", "ts": 1.0}, SkipReason.OTHER_MESSAGE),
        (caddy(method="HEAD"), SkipReason.METHOD),
        (caddy(headers={"Sec-Purpose": ["prefetch;prerender"]}), SkipReason.PREFETCH),
        (CADDY | {"resp_headers": {"Content-Type": ["image/webp"]}}, SkipReason.ASSET),
        ({**NGINX, "http_purpose": "prefetch"}, SkipReason.PREFETCH),
        ({**NGINX, "status": "abc"}, SkipReason.STATUS),
    ],
)
def test_skipped(entry: dict[str, Any], reason: SkipReason) -> None:
    assert read(entry) is reason


def test_bytes_that_are_no_text() -> None:
    line = json.dumps(NGINX).encode().replace(b"/a?", b"/\xff?")
    assert told(read(line))["pathname"] == "/\ufffd"


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        b"1",
        b'{"ts": 1',
        b"[" * 100_000,
        b"{}",
        json.dumps({**NGINX, "remote_addr": None}).encode(),
        json.dumps({**NGINX, "time_iso8601": None}).encode(),
        json.dumps(CADDY | {"request": {"method": "GET", "uri": "/"}}).encode(),
    ],
)
def test_broken(line: bytes) -> None:
    with pytest.raises(BrokenLineError):
        read(line)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(
    st.fixed_dictionaries({}, optional=dict.fromkeys(NGINX, ANYTHING)),
    st.fixed_dictionaries({}, optional=dict.fromkeys(CADDY["request"], ANYTHING)),
    st.booleans(),
)
def test_any_object_is_an_event_skipped_or_broken(
    changes: dict[str, Any], request: dict[str, Any], of_caddy: bool
) -> None:
    entry = caddy(**request) if of_caddy else {**NGINX, **changes}
    try:
        outcome = read(entry)
    except BrokenLineError:
        return
    assert isinstance(outcome, PastEvent | SkipReason)


def test_every_line_is_a_record() -> None:
    assert JsonLogReader(options()).is_whole(b'"')
