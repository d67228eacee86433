"""Lines are read strictly; few are remembered, and none that tells who sent it."""

import sys

import pytest

from ingest.http.fast_path.header_lines import (
    LINE_LENGTH,
    LINES,
    REMEMBERED,
    Header,
    HeaderLines,
    NotPlainError,
)
from ingest.request.client_address import ADDRESS_HEADERS


@pytest.mark.parametrize(
    ("line", "header"),
    [
        ("Accept: */*", ("accept", "*/*")),
        ("accept:*/*", ("accept", "*/*")),
        ("ACCEPT: \t */* \t ", ("accept", "*/*")),
        ("accept:", ("accept", "")),
        ("accept: \t", ("accept", "")),
        ("user-agent: a:b", ("user-agent", "a:b")),
        ("user-agent: \x80\x85\xa0\xe9\xff", ("user-agent", "\x80\x85\xa0\xe9\xff")),
        ("X-Forwarded-For: 198.51.100.7", ("x-forwarded-for", "198.51.100.7")),
        ("Content-Length: 007", ("content-length", "007")),
        ("Connection: Close", ("connection", "Close")),
        ("Connection: keep-alive ", ("connection", "keep-alive")),
        ("Cookie: a=b", None),
        ("!#$%&'*+-.^_`|~0aZ: b", None),
        ("Origin: https://example.com", None),
    ],
)
def test_headers(line: str, header: Header | None) -> None:
    lines = HeaderLines()
    assert lines[line] == header
    assert lines[line] == header  # also when it is remembered


@pytest.mark.parametrize(
    "line",
    [
        "",
        "accept",
        ": a",
        " accept: a",
        "\taccept: a",
        "accept : a",
        "acc\x00ept: a",
        "x\x00: a",
        "x\xe9: a",
        'x": a',
        "x(: a",
        "accept: a\tb",
        *(f"accept: a{chr(code)}b" for code in (*range(32), 127) if code != 9),
        *(f"x-forwarded-for: {chr(code)}" for code in (*range(32), 127) if code not in (9, 32)),
        "content-length:",
        "content-length: +1",
        "content-length: 1 1",
        "content-length: \xb2",
        "content-length: 1,1",
        "content-length: 1234567890",
        "connection:",
        "connection: upgrade",
        "connection: keep-alive, close",
        "transfer-encoding: identity",
        "Expect: 100-continue",
        "Upgrade: h2c",
    ],
)
def test_left_to_hypercorn(line: str) -> None:
    lines = HeaderLines()
    with pytest.raises(NotPlainError):
        lines[line]
    assert not lines


@pytest.mark.parametrize("name", sorted(REMEMBERED - {"connection", "content-length"}))
def test_remembered(name: str) -> None:
    lines = HeaderLines()
    lines[f"{name}: a"]
    assert len(lines) == 1


@pytest.mark.parametrize(
    "name",
    ["cookie", "authorization", "referer", "x-real-ip", "x-request-id", "traceparent", "x-a"],
)
def test_what_tells_who_sent_it_is_forgotten(name: str) -> None:
    lines = HeaderLines()
    lines[f"{name}: a"]
    assert not lines


def test_no_address_is_remembered() -> None:
    assert not REMEMBERED & {*ADDRESS_HEADERS, "x-real-ip", "true-client-ip", "x-client-ip"}


def test_memory_is_bounded() -> None:
    lines = HeaderLines()
    most = 0
    for number in range(3 * LINES):
        start = f"user-agent: \xe9{number}"
        lines[start + "a" * (LINE_LENGTH - len(start))]
        lines[start + "a" * (LINE_LENGTH - len(start) + 1)]  # too long
        assert len(lines) <= LINES
        if len(lines) == LINES:
            parts = [
                part for item in lines.items() for part in (item[0], item[1], *(item[1] or ()))
            ]
            unique = {id(part): sys.getsizeof(part) for part in parts}
            most = max(most, sys.getsizeof(lines) + sum(unique.values()))
    assert 0 < most < 2_000_000


def test_a_forgotten_line_is_read_again() -> None:
    lines = HeaderLines()
    for number in range(LINES + 1):
        assert lines[f"Host: {number}"] == ("host", str(number))
    assert len(lines) == 1
    assert lines["Host: 0"] == ("host", "0")
