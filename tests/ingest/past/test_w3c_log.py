from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.past.past_event import BrokenLineError, PastEvent, SkipReason
from ingest.past.w3c_log import W3cLogReader
from tests.ingest.past.lines import CHROME, PAGE_VIEW, options, told

IIS_HEADER = [
    b"#Software: Microsoft Internet Information Services 10.0",
    b"#Version: 1.0",
    b"#Date: 2026-09-22 11:00:00",
    b"#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip "
    b"cs(User-Agent) cs(Referer) sc-status sc-substatus sc-win32-status time-taken",
]
IIS = (
    f"2026-09-22 11:58:20 10.0.0.4 GET /a b=c 443 - 203.0.113.9 {CHROME.replace(' ', '+')} "
    "https://t.co/x 200 0 0 15"
).encode()
CLOUDFRONT_HEADER = [
    b"#Version: 1.0",
    b"#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status "
    b"cs(Referer) cs(User-Agent) cs-uri-query cs(Cookie) x-edge-result-type x-edge-request-id "
    b"x-host-header cs-protocol cs-bytes time-taken x-forwarded-for ssl-protocol ssl-cipher "
    b"x-edge-response-result-type cs-protocol-version fle-status fle-encrypted-fields c-port "
    b"time-to-first-byte x-edge-detailed-result-type sc-content-type sc-content-len "
    b"sc-range-start sc-range-end",
]
CLOUDFRONT = "\t".join(
    (
        *("2026-09-22", "11:58:20", "FRA2-C1", "2390", "203.0.113.9", "GET", "d1.cloudfront.net"),
        *("/a", "200", "https://t.co/x", CHROME.replace(" ", "%20"), "b=c", "-", "Hit", "ID=="),
        *("example.com", "https", "23", "0.001", "-", "TLSv1.3", "TLS_AES", "Hit", "HTTP/2.0"),
        *("-", "-", "11040", "0.001", "Hit", "text/html;%20charset=utf-8", "78", "-", "-"),
    )
).encode()


def iis(line: bytes = IIS, header: list[bytes] = IIS_HEADER) -> PastEvent | SkipReason:
    return W3cLogReader(options(), header).read(line)


def cloudfront(line: bytes = CLOUDFRONT, **changes: Any) -> PastEvent | SkipReason:
    return W3cLogReader(options(**changes), CLOUDFRONT_HEADER).read(line)


def test_iis() -> None:
    assert told(iis()) == PAGE_VIEW


def test_cloudfront() -> None:
    assert told(cloudfront(site=None)) == PAGE_VIEW


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param(
            IIS.replace(CHROME.replace(" ", "+").encode(), b"x;++http://a/b+c"),
            {"user_agent": "x; +http://a/b c"},
            id="a plus of its own",
        ),
        pytest.param(IIS.replace(b" b=c ", b" - "), {"query": {}}, id="no query"),
        pytest.param(IIS.replace(b"https://t.co/x", b"-"), {"referrer": None}, id="no referrer"),
    ],
)
def test_variants_of_iis(line: bytes, expected: dict[str, Any]) -> None:
    assert expected.items() <= told(iis(line)).items()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param(
            CLOUDFRONT.replace(b"%20", b"%2520"), {"user_agent": CHROME}, id="encoded twice"
        ),
        pytest.param(
            CLOUDFRONT.replace(b"\t/a\t", b"\t/a%2520b\t"), {"pathname": "/a b"}, id="path"
        ),
        pytest.param(
            CLOUDFRONT.replace(b"\tb=c\t", b"\tb=c%2526d\t"), {"query": {"b": "c&d"}}, id="query"
        ),
    ],
)
def test_variants_of_cloudfront(line: bytes, expected: dict[str, Any]) -> None:
    assert expected.items() <= told(cloudfront(line)).items()


@pytest.mark.parametrize("line", [*IIS_HEADER, b"#Remark: x", b"#"])
def test_headers(line: bytes) -> None:
    assert iis(line) is SkipReason.HEADER


def test_columns_may_change() -> None:
    reader = W3cLogReader(options(), IIS_HEADER)
    fields = b"#Fields: date time c-ip cs-uri-stem sc-status cs-host"
    line = b"2026-09-22 11:58:20 203.0.113.9 /b 200 blog.example.com"
    assert reader.read(fields) is SkipReason.HEADER
    assert {"hostname": "blog.example.com", "pathname": "/b"}.items() <= told(
        reader.read(line)
    ).items()
    with pytest.raises(BrokenLineError, match="not as many columns"):
        reader.read(IIS)


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ([], "has no line that begins with #Fields"),
        ([IIS], "has no line that begins with #Fields"),
        ([b"#Fields: time c-ip cs-uri-stem"], "names no date, sc-status"),
        ([b"#Fields: "], "names no date, time, c-ip, cs-uri-stem, sc-status"),
    ],
)
def test_headers_that_are_none(header: list[bytes], problem: str) -> None:
    with pytest.raises(BrokenLineError, match=problem):
        W3cLogReader(options(), header)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"nonsense",
        IIS[:60],
        IIS.replace(b"203.0.113.9", b"nobody"),
        IIS.replace(b" 200 ", b" OK "),
        IIS.replace(b"11:58:20", b"11:58"[:3]),
        b"#Fields: date",
    ],
)
def test_broken(line: bytes) -> None:
    with pytest.raises(BrokenLineError):
        iis(line)


CELLS = st.text(st.characters(codec="utf-8", exclude_characters=" \t\n"), min_size=1)


@given(st.binary() | st.lists(CELLS, min_size=15, max_size=15).map(lambda x: " ".join(x).encode()))
def test_any_line_is_an_event_skipped_or_broken(line: bytes) -> None:
    for read in (iis, cloudfront):
        try:
            assert isinstance(read(line), PastEvent | SkipReason)
        except BrokenLineError:
            continue


@given(st.integers(0, 14), CELLS)
def test_any_cell(number: int, cell: str) -> None:
    cells = IIS.split(b" ")
    cells[number] = cell.encode()
    try:
        assert isinstance(iis(b" ".join(cells)), PastEvent | SkipReason)
    except BrokenLineError:
        return


def test_every_line_is_a_record() -> None:
    assert W3cLogReader(options(), IIS_HEADER).is_whole(b'"')
