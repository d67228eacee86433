import pytest

from ingest.request.form import (
    BOUNDARY_BYTES,
    ESCAPES_LIMIT,
    FIELDS_LIMIT,
    HEAD_BYTES,
    PARAMETERS_LIMIT,
    URLENCODED_BYTES,
    read_multipart,
    read_urlencoded,
)


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b"", []),
        (b"n=a+b&u=&&d", [("n", "a b"), ("u", ""), ("d", "")]),
        (b"a=b=c&=d", [("a", "b=c"), ("", "d")]),
        (b"%6e=%C3%A9%2B%26", [("n", "é+&")]),
        (b"n=%&u=%4&d=%zz%41", [("n", "%"), ("u", "%4"), ("d", "%zzA")]),
        (b"n=%ff\xff\xc3%a9", [("n", "\ufffd\ufffdé")]),
        (b"n=" + b"%41" * ESCAPES_LIMIT, [("n", "A" * ESCAPES_LIMIT)]),
        (b"&" * (FIELDS_LIMIT - 1), []),
    ],
)
def test_urlencoded(body: bytes, fields: list[tuple[str, str]]) -> None:
    assert read_urlencoded(body) == fields


@pytest.mark.parametrize(
    "body",
    [
        b"a&" * FIELDS_LIMIT,
        b"n=" + b"%41" * (ESCAPES_LIMIT + 1),
        b"%" * 100_000,
        b"n=" + b"a" * URLENCODED_BYTES,
    ],
)
def test_no_urlencoded_form_of_an_event(body: bytes) -> None:
    with pytest.raises(ValueError, match="too many"):
        read_urlencoded(body)


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ("; name=n", "n"),
        (';name="n"', "n"),
        (' ; NAME = "a;b" ; x', "a;b"),
        (r'; name="a\"b\c"', r'a"b\c'),
        ("; name=", ""),
        ("; name=a; name=b", "b"),
        ("; name='n'", "'n'"),
        ('; name="n', ""),
        ("; name*=utf-8''n", None),
        ("name=n", None),
        ('; name=n; filename="f"', None),
        ("; name=n; filename*=utf-8''f", None),
        ("; a=b" * PARAMETERS_LIMIT + "; name=n", None),
        ("", None),
    ],
)
def test_names_of_parts(parameters: str, name: str | None) -> None:
    body = f"--b\r\nContent-Disposition: form-data{parameters}\r\n\r\nx\r\n--b--"
    fields = list(read_multipart("multipart/form-data; boundary=b", body.encode()))
    assert fields == ([] if name is None else [(name, "x")])


@pytest.mark.parametrize(
    ("parameters", "boundary"),
    [
        ("; boundary=b", "b"),
        ('; charset=utf-8; Boundary="b c"', "b c"),
        ("; boundary=" + "b" * BOUNDARY_BYTES, "b" * BOUNDARY_BYTES),
    ],
)
def test_boundaries(parameters: str, boundary: str) -> None:
    body = f"--{boundary}\r\nContent-Disposition: form-data; name=n\r\n\r\nx\r\n--{boundary}--"
    fields = list(read_multipart(f"multipart/form-data{parameters}", body.encode()))
    assert fields == [("n", "x")]


@pytest.mark.parametrize(
    "parameters",
    [
        "",
        "; boundary=",
        "; boundary=" + "b" * (BOUNDARY_BYTES + 1),
        "; a=b" * PARAMETERS_LIMIT + "; boundary=b",
        " " * HEAD_BYTES + "; boundary=b",
    ],
)
def test_no_boundary(parameters: str) -> None:
    with pytest.raises(ValueError, match="no boundary"):
        list(read_multipart(f"multipart/form-data{parameters}", b"--b--"))
