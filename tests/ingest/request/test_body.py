import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.request.body import parse_body, reads_raw
from ingest.request.form import FIELDS_LIMIT, HEAD_BYTES
from ingest.request.invalid import UNPARSABLE, InvalidRequest

MULTIPART = "multipart/form-data; boundary=b"
FORM = "application/x-www-form-urlencoded"


UNQUOTED = {"n": "", "u": "a\r\nb"}


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
        ("text/plain", b'{"n":"a\\u0000b"}', {"n": "a\x00b"}),
        ("text/plain", b'{"n":1e999999}', {"n": float("inf")}),
        ("text/plain", b'{"n":1e-999999}', {"n": 0.0}),
        ("text/plain", b'{"n":"\\ud83d\\ude00"}', {"n": "\U0001f600"}),
        ("text/plain", b'{"n":' + b"9" * 4300 + b"}", {"n": 10**4300 - 1}),
        (FORM, b"", {}),
        (FORM, b"n=a+b&n=%63&u=", {"n": "c", "u": ""}),
        (FORM, b"p[a]=1&p[b]=2", {"p": {"a": "1", "b": "2"}}),
        (FORM, b"p=1&p[b]=2", {"p": "1"}),
        (FORM, b"p[a][b]=1&p[]=2", {"p[a][b]": "1", "p[]": "2"}),
        (FORM, b"\xff=%ff", {"\ufffd": "\ufffd"}),
        (MULTIPART, (part("n", "x") + part("p[a]", "é") + "--b--\r\n").encode(), None),
        (MULTIPART, f"preamble\r\n{part('n', 'x')}--b--epilogue".encode(), {"n": "x"}),
        (MULTIPART, b"--b--", {}),
        (MULTIPART, f"{part('n', 'x')}--b--{part('u', 'y')}".encode(), {"n": "x"}),
        (MULTIPART, (part("n", "x").replace("--b\r", "--b \t\r") + "--b--").encode(), {"n": "x"}),
        (MULTIPART, (part("n", "") + part("u", "a\r\nb") + "--b--").encode(), UNQUOTED),
        (MULTIPART, (part("n", "x").upper() + "--b--").replace("--B", "--b").encode(), {"N": "X"}),
        (MULTIPART, part("n", "x").encode() + b"--b\r\n\r\nno head\r\n--b--", {"n": "x"}),
        (MULTIPART, part("n", "x").replace("name=", "x=").encode() + b"--b--", {}),
        (MULTIPART, part("f", "x").replace('"f"', '"f"; filename="y"').encode() + b"--b--", {}),
        (MULTIPART, part("n", "\xff").encode("latin-1") + b"--b--", {"n": "\ufffd"}),
        ('multipart/form-data; boundary="b"', f"{part('n', 'x')}--b--".encode(), {"n": "x"}),
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
        ("text/plain", b'{"n":-Infinity}'),
        ("text/plain", b'{"n":"\xed\xa0\x80"}'),
        ("text/plain", b'{"n":"\xc0\xaf"}'),
        ("text/plain", b'{"n":"\x00"}'),
        ("text/plain", b'{"n":"x"}\x00'),
        ("text/plain", b'{"n":"\\udc00\\ud800"}'),
        ("text/plain", b"\xef\xbb\xbf{}"),
        ("text/plain", '{"n":1}'.encode("utf-16")),
        ("text/plain", b"[" * 900_000),
        ("text/plain", b'{"a":' * 150_000),
        ("text/plain", b'{"a":' + b"[" * 201 + b"]" * 201 + b"}"),
        ("text/plain", b'{"n":' + b"9" * 4301 + b"}"),
        ("text/plain", b'{"n":-' + b"9" * 900_000 + b"}"),
        ("text/plain", b'{"n":0x10}'),
        ("application/json", b"{"),
        ("multipart/form-data", b"x"),
        (MULTIPART, b"garbage"),
        (MULTIPART, b""),
        (MULTIPART, part("n", "x").encode()),
        (MULTIPART, b"--bc\r\n\r\n\r\n--b--"),
        (MULTIPART, b"--b\r\nno end of the head\r\n--b--"),
        (MULTIPART, part("n" * HEAD_BYTES, "x").encode() + b"--b--"),
        (MULTIPART, f"--b\r\nA:{'a=b;' * HEAD_BYTES}\r\n\r\n\r\n--b--".encode()),
        ("multipart/form-data; boundary=" + "b" * 71, b"--" + b"b" * 71 + b"--"),
        ("multipart/form-data; boundary=", b"----"),
        ('multipart/form-data; boundary="', b"----"),
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


def test_as_many_parts_as_allowed() -> None:
    body = "".join(part(f"n{number}", "x") for number in range(FIELDS_LIMIT)) + "--b--"
    assert len(parse_body(MULTIPART, body.encode())) == FIELDS_LIMIT


MULTIPART_PIECES = st.sampled_from(
    [b"\r\n", b"--b", b"--", b"Content-Disposition: form-data; ", b'name="n"', b"filename=f", b"x"]
)


@given(
    st.binary() | st.lists(MULTIPART_PIECES).map(b"".join),
    st.sampled_from([None, "application/json", FORM, MULTIPART]),
)
def test_any_bytes_are_read_or_refused(body: bytes, content_type: str | None) -> None:
    with contextlib.suppress(InvalidRequest):
        assert all(isinstance(key, str) for key in parse_body(content_type, body))
