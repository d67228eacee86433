from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.past.access_log import AccessLogReader
from ingest.past.past_event import BrokenLineError, PastEvent, SkipReason
from tests.examples import NOON
from tests.ingest.past.lines import CHROME, COMBINED, COMBINED_VIEW, options, told

TIME = "[22/Sep/2026:11:58:20 +0000]"


def read(line: str | bytes, **changes: Any) -> PastEvent | SkipReason:
    content = line.encode("utf-8", "surrogateescape") if isinstance(line, str) else line
    return AccessLogReader(options(**changes)).read(content)


def test_combined() -> None:
    assert told(read(COMBINED)) == COMBINED_VIEW


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param(
            f'203.0.113.9 - - {TIME} "GET /a HTTP/1.1" 200 512',
            {"referrer": None, "user_agent": None},
            id="common",
        ),
        pytest.param(
            f'203.0.113.9 -  -  {TIME} "GET /a HTTP/1.1" 200 512  ',
            {"client_ip": "203.0.113.9", "hostname": "example.com", "user_agent": None},
            id="common, with Jetty's spaces",
        ),
        pytest.param(
            f'203.0.113.9 -  -  {TIME} "GET /a HTTP/1.1" 200 512  "-" "x" ',
            {"referrer": None, "user_agent": "x"},
            id="combined, with Jetty's spaces",
        ),
        pytest.param(
            f'203.0.113.9 - - {TIME} "GET /a HTTP/1.1" 200 - "-" "-"',
            {"referrer": None, "user_agent": None},
            id="nothing sent",
        ),
        pytest.param(
            f'blog.example.com:443 203.0.113.9 - - {TIME} "GET /a HTTP/1.1" 200 5 "-" "x"',
            {"hostname": "blog.example.com", "client_ip": "203.0.113.9"},
            id="vhost_combined",
        ),
        pytest.param(
            f'2001:db8::1 - alice {TIME} "GET /a HTTP/2.0" 304 0 "-" "x"',
            {"client_ip": "2001:db8::1"},
            id="IPv6 and user",
        ),
        pytest.param(
            f'[2001:db8::1]:4711 - alice {TIME} "GET /a HTTP/2.0" 304 0 "-" "x"',
            {"client_ip": "2001:db8::1"},
            id="IPv6 in brackets",
        ),
        pytest.param(
            f'example.com:443 [2001:db8::1], 10.0.0.1 - - {TIME} "GET /a HTTP/2.0" 200 0 "-" "x"',
            {"hostname": "example.com", "client_ip": "2001:db8::1"},
            id="a list with an IPv6 address in brackets",
        ),
        pytest.param(
            f'10.0.0.1 - - {TIME} "GET /a HTTP/1.1" 200 0 "-" "x" "unknown, 203.0.113.51"',
            {"client_ip": "203.0.113.51"},
            id="a list that begins with no address",
        ),
        pytest.param(
            f'203.0.113.9 - alice smith {TIME} "GET /a HTTP/1.1" 200 0 "-" "x"',
            {"client_ip": "203.0.113.9"},
            id="user of two words",
        ),
        pytest.param(
            f'host.example - - {TIME} "GET /a HTTP/1.1" 200 0 "-" "x"',
            {"client_ip": "host.example", "hostname": "example.com"},
            id="address looked up",
        ),
        pytest.param(
            f'198.51.100.188, 10.183.250.139 - - {TIME} "GET /a HTTP/1.1" 200 0 "-" "x"',
            {"client_ip": "198.51.100.188", "hostname": "example.com"},
            id="a list of addresses",
        ),
        pytest.param(
            f'import.example:443 198.51.100.188, 10.0.0.1 - - {TIME} "GET /a HTTP/1.1" 200 0',
            {"client_ip": "198.51.100.188", "hostname": "import.example"},
            id="host and a list of addresses",
        ),
        pytest.param(
            f'import.example:443 ip-203-0-113-28.isp.example - - {TIME} "GET /a HTTP/1.1" 200 0',
            {"client_ip": "ip-203-0-113-28.isp.example", "hostname": "import.example"},
            id="host and an address looked up",
        ),
        pytest.param(
            f'import.example:443 ip-203-0-113-29.isp.example - - {TIME} "GET /a HTTP/1.1" 200 0',
            {"client_ip": "ip-203-0-113-29.isp.example", "hostname": "import.example"},
            id="another one",
        ),
        pytest.param(
            f'Nov 12 13:55:36 web1 nginx: 203.0.113.5 - - {TIME} "GET /a HTTP/1.1" 200 0 "-" "x"',
            {"client_ip": "203.0.113.5", "hostname": "example.com"},
            id="syslog",
        ),
        pytest.param(
            f'import.example 192.168.178.202 - - {TIME} "GET /a HTTP/1.1" 200 70 "-" "x" '
            '"172.18.0.7:5000"',
            {"client_ip": "192.168.178.202", "hostname": "import.example"},
            id="an upstream's address",
        ),
        pytest.param(
            f'192.168.178.202 - - {TIME} "GET /a HTTP/1.1" 200 70 "-" "x" 1 "web@docker" '
            '"http://172.18.0.7:80" 3ms',
            {"client_ip": "192.168.178.202"},
            id="Traefik's",
        ),
        pytest.param(
            f'_ 203.0.113.9 - - {TIME} "GET /a HTTP/1.1" 200 0',
            {"client_ip": "203.0.113.9", "hostname": "example.com"},
            id="nginx' default server",
        ),
        pytest.param(
            f'unix: - - {TIME} "GET /a HTTP/1.1" 200 0 "-" "x" "198.51.100.1"',
            {"client_ip": "198.51.100.1"},
            id="a Unix socket behind a proxy",
        ),
        pytest.param(
            f'host.example - - {TIME} "GET /a HTTP/1.1" 200 0 "-" "x" "198.51.100.1"',
            {"client_ip": "host.example"},
            id="a name vouches for nobody",
        ),
        pytest.param(
            '203.0.113.9 - - [2026-09-22T11:58:20+00:00] "GET /a HTTP/1.1" 200 0',
            {"pathname": "/a"},
            id="time in ISO 8601",
        ),
        pytest.param(
            f'10.0.0.1 - - {TIME} "GET /a HTTP/1.1" 200 0 "-" "x" "198.51.100.1"',
            {"client_ip": "198.51.100.1"},
            id="nginx' main format",
        ),
        pytest.param(
            f'10.0.0.1 - - {TIME} "GET /a HTTP/1.1" 200 0 "-" "x" "gzip" 0.003',
            {"client_ip": "10.0.0.1"},
            id="something else behind",
        ),
        pytest.param(
            f'10.0.0.1 - - {TIME} "GET /a HTTP/1.1" 200 0 "-" "x" 1234 rt=0.1 "y"',
            {"client_ip": "10.0.0.1"},
            id="more behind",
        ),
        pytest.param(
            rf'203.0.113.9 - - {TIME} "GET /\"a\" HTTP/1.1" 200 0 "-" "a \"b\" \\ \x22"',
            {"pathname": '/"a"', "user_agent": 'a "b" \\ "'},
            id="escapes",
        ),
        pytest.param(
            rf'203.0.113.9 - - {TIME} "GET /\xc3\xa9 HTTP/1.1" 200 0 "-" "x"',
            {"pathname": "/é"},
            id="escaped bytes",
        ),
        pytest.param(
            f'203.0.113.9 - - {TIME} "GET /a" 200 0 "-" "x"', {"pathname": "/a"}, id="HTTP/0.9"
        ),
        pytest.param(
            f'203.0.113.9 - - {TIME} "GET /a b HTTP/1.1" 200 0 "-" "x"',
            {"pathname": "/a b"},
            id="a space in the path",
        ),
    ],
)
def test_variants(line: str, expected: dict[str, Any]) -> None:
    event = told(read(line))
    assert expected.items() <= event.items()
    assert event["timestamp"] == NOON - 100


def test_other_messages_of_the_server() -> None:
    line = "web-1  | 2026/11/12 13:55:36 [notice] 1#1: start worker processes"
    assert read(line) is SkipReason.OTHER_MESSAGE


def test_bytes_that_are_no_text_are_kept() -> None:
    line = COMBINED.encode().replace(b"/a?", b"/\xff?")
    assert told(read(line))["pathname"] == "/\udcff"


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ("POST /a HTTP/1.1", SkipReason.METHOD),
        ("-", SkipReason.METHOD),
        ("", SkipReason.METHOD),
        (r"\x16\x03\x01", SkipReason.METHOD),
        ("GET /a.png HTTP/1.1", SkipReason.ASSET),
    ],
)
def test_skipped(request_: str, reason: SkipReason) -> None:
    assert read(f'203.0.113.9 - - {TIME} "{request_}" 200 5 "-" "x"') is reason


@pytest.mark.parametrize(
    "line",
    [
        "",
        "nonsense",
        COMBINED[:80],
        COMBINED[:-1],
        COMBINED.replace("Sep", "Xxx"),
        COMBINED.replace(" 200 ", " abc "),
        COMBINED.replace("203.0.113.9 - -", "203.0.113.9"),
        "{}",
        f"INFO {COMBINED}",
        f"web1 nginx {COMBINED}",
        COMBINED.replace("203.0.113.9", "unix:"),
        COMBINED.replace("203.0.113.9", "-"),
        COMBINED.replace("203.0.113.9", "Nov"),
    ],
)
def test_broken(line: str) -> None:
    with pytest.raises(BrokenLineError) as broken:
        read(line)
    assert "203.0.113.9" not in str(broken.value)


@given(st.binary(max_size=300) | st.text().map(lambda text: COMBINED.replace("/a", text).encode()))
def test_any_line_is_an_event_skipped_or_broken(line: bytes) -> None:
    try:
        outcome = read(line)
    except BrokenLineError:
        return
    assert isinstance(outcome, PastEvent | SkipReason)


@given(st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters='"\\')))
def test_what_stands_between_quotes_is_kept(agent: str) -> None:
    event = told(read(COMBINED.replace(CHROME, f"x{agent}")))
    assert event["user_agent"] == f"x{agent}"


def test_every_line_is_a_record() -> None:
    assert AccessLogReader(options()).is_whole(b'"')
