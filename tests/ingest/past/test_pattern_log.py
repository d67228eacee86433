from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.past.past_event import BrokenLineError, PastEvent, SkipReason
from ingest.past.pattern_log import PatternLogReader
from tests.examples import NOON
from tests.ingest.past.lines import CHROME, COMBINED, COMBINED_VIEW, options, told

MAIN = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent '
    '"$http_referer" "$http_user_agent"'
)
COMBINED_OF_APACHE = r"%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\""


def read(pattern: str, line: str | bytes, **changes: Any) -> PastEvent | SkipReason:
    content = line.encode() if isinstance(line, str) else line
    return PatternLogReader(options(pattern=pattern, **changes)).read(content)


@pytest.mark.parametrize("pattern", [MAIN, COMBINED_OF_APACHE], ids=["nginx", "Apache"])
@pytest.mark.parametrize("prefix", ["", "Nov 12 13:55:36 web1 nginx: "])
def test_combined(pattern: str, prefix: str) -> None:
    assert told(read(pattern, prefix + COMBINED)) == COMBINED_VIEW


@pytest.mark.parametrize(
    ("pattern", "line", "expected"),
    [
        pytest.param(
            f'{MAIN} "$http_x_forwarded_for" $upstream_addr $request_time',
            f'10.0.0.1 - - {COMBINED.partition(" - - ")[2]} "198.51.100.1" 172.18.0.7:5000 0.01',
            {"client_ip": "198.51.100.1"},
            id="forwarded and upstream",
        ),
        pytest.param(
            "$time_iso8601 $scheme://$host$request_uri $request_method $status $remote_addr",
            "2026-09-22T11:58:20+00:00 https://blog.example.com/a?b=c GET 200 203.0.113.9",
            {"hostname": "blog.example.com", "pathname": "/a", "query": {"b": "c"}},
            id="a whole address",
        ),
        pytest.param(
            r"%v:%p %h %l %u %{%d/%b/%Y}t %{%T}t.%{msec_frac}t \"%m %U%q %H\" %s %O",
            'example.com:443 203.0.113.9 - - 22/Sep/2026 11:58:20.123 "GET /a?b=c HTTP/1.1" 200 5',
            {"timestamp": NOON - 100, "query": {"b": "c"}, "hostname": "example.com"},
            id="Apache's parts",
        ),
        pytest.param(
            '%{X-Forwarded-For}i %l %u %t "%r" %>s %b',
            '198.51.100.188, 10.0.0.1 - - [22/Sep/2026:11:58:20 +0000] "GET /a HTTP/1.1" 200 5',
            {"client_ip": "198.51.100.188"},
            id="addresses in the place of the peer's",
        ),
        pytest.param(
            "$msec|$remote_addr|$host|$http_host|$request|$status",
            f"{NOON - 100}.123|203.0.113.9|-|blog.example.com|GET /a HTTP/1.1|200",
            {"timestamp": NOON - 100, "hostname": "blog.example.com"},
            id="the one that says something",
        ),
        pytest.param(
            "%{usec}t %a %U %q %s",
            f"{(NOON - 100) * 1_000_000} 203.0.113.9 /a ?b=c 200",
            {"timestamp": NOON - 100, "query": {"b": "c"}},
            id="microseconds, no method",
        ),
        pytest.param(
            MAIN,
            COMBINED.replace(CHROME, r"a \x22b\x22 \"c\""),
            {"user_agent": 'a "b" "c"'},
            id="escapes",
        ),
    ],
)
def test_variants(pattern: str, line: str, expected: dict[str, Any]) -> None:
    assert expected.items() <= told(read(pattern, line)).items()


def test_skipped() -> None:
    assert read(MAIN, COMBINED.replace("GET", "POST")) is SkipReason.METHOD
    error = "2026/11/12 13:55:36 [error] 29#29: *1 open() failed"
    assert read(MAIN, error) is SkipReason.OTHER_MESSAGE


@pytest.mark.parametrize(
    "line", ["", "nonsense", COMBINED[:-1], COMBINED.replace("203.0.113.9", "Nov"), "{}"]
)
def test_broken(line: str) -> None:
    with pytest.raises(BrokenLineError):
        read(MAIN, line)


@pytest.mark.parametrize("pattern", ["", "$remote_addr $status", "%{%Q}t %h %s %U"])
def test_patterns_that_are_none(pattern: str) -> None:
    with pytest.raises(BrokenLineError):
        PatternLogReader(options(pattern=pattern))


@given(st.binary() | st.text().map(lambda text: COMBINED.replace("/a", text).encode()))
def test_any_line_is_an_event_skipped_or_broken(line: bytes) -> None:
    for pattern in (MAIN, "%{%F}t %h%U %s", "$time_local $remote_addr $uri $args $status"):
        try:
            assert isinstance(read(pattern, line), PastEvent | SkipReason)
        except BrokenLineError:
            continue


def test_every_line_is_a_record() -> None:
    assert PatternLogReader(options(pattern=MAIN)).is_whole(b'"')
