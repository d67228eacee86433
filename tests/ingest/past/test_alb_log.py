from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.past.alb_log import AlbLogReader
from ingest.past.past_event import BrokenLineError, PastEvent, SkipReason
from tests.ingest.past.lines import CHROME, PAGE_VIEW, options, told

ALB = (
    "h2 2026-09-22T11:58:20.186641Z app/web/50dc6c495c0c9188 203.0.113.9:2817 10.0.0.1:80 "
    '0.086 0.048 0.037 200 200 0 57 "GET https://www.example.com:443/a?b=c HTTP/2.0" '
    f'"{CHROME}" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 arn:aws:elasticloadbalancing:x '
    '"Root=1-58337281-1d84f3d73c47ec4e58577259" "www.example.com" "arn:aws:acm:x" 1 '
    '2026-09-22T11:58:20.100000Z "forward" "-" "-" "10.0.0.1:80" "200" "-" "-"'
)
CLASSIC = (
    "2026-09-22T11:58:20.186641Z web 203.0.113.9:2817 10.0.0.1:80 0.000073 0.001048 0.000057 "
    f'200 200 0 29 "GET https://www.example.com:443/a?b=c HTTP/1.1" "{CHROME}" - -'
)


def read(line: str | bytes, **changes: Any) -> PastEvent | SkipReason:
    content = line.encode() if isinstance(line, str) else line
    return AlbLogReader(options(**changes)).read(content)


@pytest.mark.parametrize("line", [ALB, CLASSIC], ids=["application", "classic"])
def test_both(line: str) -> None:
    assert told(read(line, site=None)) == PAGE_VIEW | {"referrer": None}


@pytest.mark.parametrize("address", ["2001:db8::1:2817", "[2001:db8::1]:2817", "[2001:db8::1]"])
def test_ipv6(address: str) -> None:
    assert told(read(ALB.replace("203.0.113.9:2817", address)))["client_ip"] == "2001:db8::1"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (
            ALB.replace("GET https://www.example.com:443/a?b=c HTTP/2.0", "- http://x:80- - "),
            "method",
        ),
        (ALB.replace("200 200 0", "302 302 0"), "status"),
        (ALB.replace("200 200 0", "460 - 0"), "status"),
        (ALB.replace("10.0.0.1:80 0.086 0.048 0.037 200 200", "- -1 -1 -1 503 -"), "status"),
        (ALB.replace("/a?b=c", "/a.png"), "asset"),
    ],
)
def test_skipped(line: str, reason: str) -> None:
    assert read(line) == reason


@pytest.mark.parametrize(
    "line",
    [
        "",
        "nonsense",
        ALB[:120],
        ALB.replace("203.0.113.9", "nobody"),
        ALB.replace("2026-09-22", "2026-19-22"),
        ALB.replace("200 200", "abc 200"),
    ],
)
def test_broken(line: str) -> None:
    with pytest.raises(BrokenLineError):
        read(line)


@given(st.binary() | st.text().map(lambda text: ALB.replace("/a", text).encode()))
def test_any_line_is_an_event_skipped_or_broken(line: bytes) -> None:
    try:
        assert isinstance(read(line), PastEvent | SkipReason)
    except BrokenLineError:
        return


def test_every_line_is_a_record() -> None:
    assert AlbLogReader(options()).is_whole(b'"')
