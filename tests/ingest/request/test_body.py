from typing import Any

import pytest

from ingest.request.body import FIELDS_LIMIT, parse_body, reads_raw
from ingest.request.invalid import UNPARSABLE, InvalidRequest

MULTIPART = "multipart/form-data; boundary=b"
FORM = "application/x-www-form-urlencoded"


def part(name: str, value: str) -> str:
    return f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'


@pytest.mark.parametrize(
    ("content_type", "raw"),
    [
        (None, True),
        ("", True),
        ("text/plain;charset=UTF-8", True),
        ("image/png", True),
        ("nonsense", True),
        ("application/json", False),
        ("Application/JSON; charset=utf-8", False),
        ("application/vnd.api+json", False),
        (FORM, False),
        (MULTIPART, False),
    ],
)
def test_which_types_are_read_as_they_are(content_type: str | None, raw: bool) -> None:
    assert reads_raw(content_type) is raw


@pytest.mark.parametrize(
    ("content_type", "body", "parsed"),
    [
        (None, b'{"n":1}', {"n": 1}),
        ("text/plain", b' {"n":"a","n":"b"} ', {"n": "b"}),
        ("application/json", b'{"n":1}', {"n": 1}),
        ("application/json", b"", {}),
        ("application/json", b"[1]", {}),
        ("application/json", b"5", {}),
        ("application/ld+json", b'"x"', {}),
        (FORM, b"", {}),
        (FORM, b"n=a+b&n=%63&u=", {"n": "c", "u": ""}),
        (FORM, b"p[a]=1&p[b]=2", {"p": {"a": "1", "b": "2"}}),
        (FORM, b"p=1&p[b]=2", {"p": "1"}),
        (FORM, b"p[a][b]=1&p[]=2", {"p[a][b]": "1", "p[]": "2"}),
        (FORM, b"\xff=%ff", {"\ufffd": "\ufffd"}),
        (MULTIPART, (part("n", "x") + part("p[a]", "é") + "--b--\r\n").encode(), None),
    ],
)
def test_bodies(content_type: str | None, body: bytes, parsed: dict[str, Any] | None) -> None:
    expected = {"n": "x", "p": {"a": "é"}} if parsed is None else parsed
    assert parse_body(content_type, body) == expected


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/plain", b""),
        ("text/plain", b"[]"),
        ("text/plain", b"null"),
        ("text/plain", b"{"),
        ("text/plain", b"{}x"),
        ("text/plain", b'{"n":NaN}'),
        ("text/plain", b'{"n":"\xff"}'),
        ("text/plain", b'{"n":"\\ud800"}'),
        ("text/plain", b"\xef\xbb\xbf{}"),
        ("text/plain", b"[" * 100_000),
        ("text/plain", b'{"n":' + b"1" * 5000 + b"}"),
        ("application/json", b"{"),
        ("multipart/form-data", b"x"),
        (MULTIPART, b"garbage"),
        (FORM, b"a=b&" * (FIELDS_LIMIT + 1)),
    ],
)
def test_unparsable_bodies(content_type: str, body: bytes) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse_body(content_type, body)
    assert refused.value.errors == UNPARSABLE


def test_too_many_parts() -> None:
    body = part("n", "x") * (FIELDS_LIMIT + 1) + "--b--\r\n"
    with pytest.raises(InvalidRequest):
        parse_body(MULTIPART, body.encode())
