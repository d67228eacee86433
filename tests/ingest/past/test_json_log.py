import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.past.json_log import JsonLogReader
from ingest.past.past_event import BrokenLineError, PastEvent, SkipReason
from tests.examples import NOON
from tests.ingest.past.lines import CHROME, PAGE_VIEW, options, told

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
TRAEFIK: dict[str, Any] = {
    "ClientAddr": "203.0.113.9:41342",
    "ClientHost": "203.0.113.9",
    "ClientPort": "41342",
    "DownstreamStatus": 200,
    "Duration": 1_234_567,
    "RequestAddr": "example.com",
    "RequestHost": "example.com",
    "RequestMethod": "GET",
    "RequestPath": "/a?b=c",
    "RequestProtocol": "HTTP/2.0",
    "StartUTC": "2026-09-22T11:58:20.123456789Z",
    "downstream_Content-Type": "text/html; charset=utf-8",
    "entryPointName": "websecure",
    "level": "info",
    "msg": "",
    "request_Referer": "https://t.co/x",
    "request_User-Agent": CHROME,
    "time": "2026-09-22T11:58:21Z",
}
MATOMO: dict[str, Any] = {
    "ip": "203.0.113.9",
    "host": "example.com",
    "path": "/a?b=c",
    "status": "200",
    "referrer": "https://t.co/x",
    "user_agent": CHROME,
    "length": 512,
    "generation_time_milli": 0.01,
    "date": "2026-09-22T11:58:20+00:00",
}
RENAMED: dict[str, Any] = {
    "when": "2026-09-22T11:58:20Z",
    "who": "203.0.113.9",
    "req": {"verb": "GET", "address": "/a?b=c", "to": "example.com"},
    "code": 200,
    "from": "https://t.co/x",
    "browser": [CHROME],
}
NAMES = (
    "time=when,address=who,method=req.verb,path=req.address,host=req.to,status=code,referrer=from,"
    "user_agent=browser"
)


def read(entry: Any, **changes: Any) -> PastEvent | SkipReason:
    line = entry if isinstance(entry, bytes) else json.dumps(entry).encode()
    return JsonLogReader(options(**changes)).read(line)


def caddy(**changes: Any) -> dict[str, Any]:
    return CADDY | {"request": CADDY["request"] | changes}


@pytest.mark.parametrize(
    ("entry", "names"),
    [(CADDY, ""), (NGINX, ""), (TRAEFIK, ""), (MATOMO, ""), (RENAMED, NAMES)],
    ids=["Caddy", "nginx", "Traefik", "Matomo's for nginx", "names of its own"],
)
def test_all(entry: dict[str, Any], names: str) -> None:
    event = told(read(entry, site=None, names=names))
    assert event == PAGE_VIEW


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
        pytest.param(
            {
                "time": "17/May/2026:08:05:32 +0000",
                "remote_ip": "203.0.113.3",
                "request": "GET /x HTTP/1.1",
                "response": 200,
                "agent": CHROME,
            },
            {"client_ip": "203.0.113.3", "pathname": "/x", "user_agent": CHROME},
            id="status called response",
        ),
        pytest.param(
            {**NGINX, "uri": "/index.php"}, {"pathname": "/a"}, id="rewritten: as it was sent"
        ),
        pytest.param(
            {**NGINX, "remote_addr": "198.51.100.188, 10.0.0.1"},
            {"client_ip": "198.51.100.188"},
            id="a list of addresses",
        ),
        pytest.param(
            {key: value for key, value in TRAEFIK.items() if key != "ClientHost"},
            {"client_ip": "203.0.113.9"},
            id="Traefik without ClientHost",
        ),
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
        ({**NGINX, "status": "000"}, SkipReason.STATUS),
        ({**NGINX, "request": "", "status": "400"}, SkipReason.METHOD),
        ({**MATOMO, "request_method": ""}, SkipReason.METHOD),
        ({"level": "error", "msg": "x", "time": "2026-09-22T11:58:20Z"}, SkipReason.OTHER_MESSAGE),
    ],
)
def test_skipped(entry: dict[str, Any], reason: SkipReason) -> None:
    assert read(entry) is reason


def test_bytes_that_are_no_text() -> None:
    line = json.dumps(NGINX).encode().replace(b"/a?", b"/\xff?")
    assert told(read(line))["pathname"] == "/\ufffd"


def test_names_change_what_is_read_of_caddy() -> None:
    entry = caddy(headers={"Cf-Connecting-Ip": ["198.51.100.7"], "User-Agent": ["x"]})
    event = told(read(entry, names="address=request.headers.Cf-Connecting-Ip"))
    assert (event["client_ip"], event["user_agent"]) == ("198.51.100.7", "x")


def test_names_that_are_not_understood() -> None:
    with pytest.raises(BrokenLineError, match="'code' is no field"):
        JsonLogReader(options(names="code=x"))


@pytest.mark.parametrize(
    "prefix", ["web-1  | ", "Nov 12 13:55:36 web1 traefik[1]: ", "2026-11-12T13:55:36Z stdout F "]
)
def test_prefixes(prefix: str) -> None:
    assert told(read(prefix.encode() + json.dumps(TRAEFIK).encode()))["pathname"] == "/a"


def test_an_object_within_an_object() -> None:
    line = json.dumps({"log": json.dumps(CADDY) + "\n"}, separators=(",", ":"))
    assert told(read(line.encode()))["pathname"] == "/a"


@pytest.mark.parametrize(
    ("missing", "problem"),
    [
        ({"status": None}, "has no status"),
        ({"status": "abc"}, "has a status that is no number"),
        ({"remote_addr": None}, "has no address of the client"),
        ({"remote_addr": "nobody"}, "neither an address nor a host's name"),
        ({"request": None}, "has no path"),
        ({"time_iso8601": None}, "the time is neither"),
        ({"host": "a b"}, "has a host that is neither"),
    ],
)
def test_what_a_line_misses(missing: dict[str, Any], problem: str) -> None:
    with pytest.raises(BrokenLineError, match=problem):
        read(NGINX | missing)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        b"1",
        b'{"ts": 1',
        b"[" * 100_000,
        b"{}",
        b'{"log":1}',
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
    st.fixed_dictionaries({}, optional=dict.fromkeys((*NGINX, "status_code", "args"), ANYTHING)),
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
