"""What the fast path reads, h11 reads as well; everything else it leaves alone."""

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.http.fast_path.event_request import BODY_BYTES, STARTS, read_head
from ingest.http.fast_path.header_lines import USED, NotPlainError
from ingest.http.fast_path.request_head import RequestHead
from ingest.http.hypercorn.protocol import HEAD_BYTES, HEADERS
from ingest.request.batch import BATCH_BYTES
from ingest.request.client_address import JOINED_HEADERS

HEAD = b"POST /api/event HTTP/1.1\r\nHost: a\r\n"
BATCH = b"POST /api/events HTTP/1.1\r\nHost: a\r\n"
PLAIN = HEAD + b"User-Agent: Mozilla\r\nContent-Length: 2\r\n\r\n{}"


def read(data: bytes) -> RequestHead | None:
    return read_head(bytearray(data))


def test_a_plain_request() -> None:
    request = read(PLAIN + b"POST more")
    assert request == RequestHead(
        "/api/event",
        {"host": "a", "user-agent": "Mozilla", "content-length": "2"},
        None,
        len(PLAIN) - 2,
        2,
        is_large=False,
        closes=False,
    )


def test_a_plain_batch() -> None:
    sent = BATCH + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n[]"
    assert read(sent + b"POST more") == RequestHead(
        "/api/events",
        {"host": "a", "content-encoding": "gzip", "content-length": "2"},
        None,
        len(sent) - 2,
        2,
        is_large=False,
        closes=False,
    )


@pytest.mark.parametrize("length", range(len(PLAIN) - 2))
def test_part_of_it_is_not_yet_enough(length: int) -> None:
    assert read(PLAIN[:length]) is None


@pytest.mark.parametrize(
    ("sent", "closes"),
    [
        (HEAD + b"content-length: 0\r\n\r\n", False),
        (HEAD + b"content-length: 0\r\nconnection: keep-alive\r\n\r\n", False),
        (HEAD + b"content-length: 0\r\nConnection: Close\r\n\r\n", True),
        (b"POST /api/event HTTP/1.0\r\ncontent-length: 0\r\n\r\n", True),
        (b"POST /api/event HTTP/1.0\r\nconnection: keep-alive\r\ncontent-length: 0\r\n\r\n", True),
    ],
)
def test_who_closes(sent: bytes, closes: bool) -> None:
    request = read(sent)
    assert request is not None
    assert request.closes is closes


def test_the_first_of_each_header_counts_and_lists_are_joined() -> None:
    lines = b"X-Forwarded-For: 1\r\nuser-agent: \xe9\r\nx-forwarded-for: 2, 3\r\nUSER-AGENT: b\r\n"
    request = read(HEAD + lines + b"Forwarded: for=4\r\ncookie: no\r\ncontent-length: 0\r\n\r\n")
    assert request is not None
    first = {"host": "a", "user-agent": "é", "forwarded": "for=4", "content-length": "0"}
    assert request.headers == first | {"x-forwarded-for": "1"}
    assert request.lists == first | {"x-forwarded-for": "1,2, 3"}


@pytest.mark.parametrize("lines", [b"accept: a\r\n" * 2, b"x: a\r\n" * 2, b"forwarded: a\r\n"])
def test_without_repeated_lists_they_are_in_the_headers(lines: bytes) -> None:
    request = read(HEAD + lines + b"content-length: 0\r\n\r\n")
    assert request is not None
    assert request.lists is None


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"GET /health HTTP/1.1\r\n", id="another method"),
        pytest.param(b"POST /api/eventss HTTP/1.1\r\n", id="another path"),
        pytest.param(b"POST /api/events/ HTTP/1.1\r\n", id="a longer path"),
        pytest.param(b"POST /api/event?a HTTP/1.1\r\n", id="a query"),
        pytest.param(b"POST  /api/event HTTP/1.1\r\n", id="two spaces"),
        pytest.param(b"post /api/event HTTP/1.1\r\n", id="small letters"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="HTTP/2"),
        pytest.param(b"\x16\x03\x01\x02\x00", id="TLS"),
        pytest.param(b"POST /api/event HTTP/1.2\r\nhost: a\r\n\r\n", id="HTTP/1.2"),
        pytest.param(HEAD + b"\r\n", id="no length"),
        pytest.param(HEAD + b"content-length: 2\r\n" * 2 + b"\r\n{}", id="two lengths"),
        pytest.param(HEAD + b"content-length: %d\r\n\r\n" % (BODY_BYTES + 1), id="a large body"),
        pytest.param(
            BATCH + b"content-length: %d\r\n\r\n" % (BATCH_BYTES + 1), id="a batch too large"
        ),
        pytest.param(HEAD + b"content-length: +2\r\n\r\n{}", id="a signed length"),
        pytest.param(HEAD + b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n", id="chunks"),
        pytest.param(HEAD + b"expect: 100-continue\r\ncontent-length: 2\r\n\r\n", id="expect"),
        pytest.param(HEAD + b"upgrade: h2c\r\ncontent-length: 2\r\n\r\n{}", id="an upgrade"),
        pytest.param(
            HEAD + b"connection: upgrade\r\ncontent-length: 2\r\n\r\n{}", id="an option unknown"
        ),
        pytest.param(HEAD + b"host: b\r\ncontent-length: 2\r\n\r\n{}", id="two hosts"),
        pytest.param(b"POST /api/event HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}", id="no host"),
        pytest.param(
            HEAD + b"x: 1\r\n" * HEADERS + b"content-length: 0\r\n\r\n", id="many headers"
        ),
        pytest.param(HEAD + b"x: " + b"a" * HEAD_BYTES, id="a head without end"),
        pytest.param(HEAD + b"x : a\r\ncontent-length: 0\r\n\r\n", id="a space before the colon"),
        pytest.param(HEAD + b"x: a\r\n b\r\ncontent-length: 0\r\n\r\n", id="a folded header"),
        pytest.param(HEAD + b"x: a\x00\r\ncontent-length: 0\r\n\r\n", id="NUL"),
        pytest.param(
            HEAD + b"connection: close\r\n" * 2 + b"content-length: 0\r\n\r\n", id="two options"
        ),
        pytest.param(
            b"POST /api/event HTTP/1.1\nhost: a\ncontent-length: 0\n\n\r\n\r\n", id="line feeds"
        ),
        pytest.param(HEAD + b"content-length: 0\n\r\n\r\n", id="a line feed"),
    ],
)
def test_left_to_hypercorn(sent: bytes) -> None:
    with pytest.raises(NotPlainError):
        read(sent)


LINES = st.sampled_from(
    [
        b"Content-Length: 2", b"content-length: 0", b"Content-Length: 02", b"content-length:2 ",
        b"content-length: \xb2", b"content-length: 0000000000002", b"Host: b", b"Accept: */*",
        b"aCCEPT:\t*/* \t", b"accept:", b"X-Forwarded-For: 1.2", b"x-forwarded-for:  3 ",
        b"X-FORWARDED-FOR:", b"Forwarded: for=4", b"User-Agent: Mozilla/5.0 (\xe9) ", b"Origin: b",
        b"user-agent: \xa0a\x85", b"user-agent: a\tb", b"user-agent: a\x1c", b"Cookie: a=\xff",
        b"User-Agent: " + b"a" * 300, b'sec-ch-ua: "Chromium";v="131"', b"authorization: Bearer a ",
        b"Connection: close", b"connection:keep-alive ", b"Connection: keep-alive, close",
        b"Expect: 100-continue", b"Transfer-Encoding: chunked", b"x:", b"x:y", b"x\xe9: y",
    ]
)  # fmt: skip
BYTES = st.sampled_from(
    [*(bytes([byte]) for byte in b"\r\n \t:\x00\x0b\x1f\x7f\x80\xff{}"), b"\r\n"]
)
PIECES = st.one_of(
    LINES.map(lambda line: line + b"\r\n"),
    st.builds(lambda line, byte: line + byte, LINES, BYTES),
    BYTES,
    st.binary(max_size=2),
    st.just(b"POST /api/event HTTP/1.1\r\n"),
)


@settings(max_examples=600)
@given(
    st.sampled_from([HEAD, BATCH, HEAD.replace(b"1.1", b"1.0")]),
    st.lists(PIECES, max_size=10),
    st.booleans(),
)
def test_h11_reads_the_same(start: bytes, pieces: list[bytes], ends: bool) -> None:
    data = start + b"".join(pieces) + (b"\r\n{}" if ends else b"")
    assert data.startswith(STARTS)
    check_with_h11(data)
    check_with_h11(data)  # its lines are remembered


def check_with_h11(data: bytes) -> None:
    try:
        request = read(data)
    except NotPlainError:
        return
    if request is None or request.size + request.length > len(data):
        return
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES)
    connection.receive_data(data[: request.size + request.length])
    head = connection.next_event()
    assert isinstance(head, h11.Request)
    assert head.target == request.route.encode()
    body = b""
    while isinstance(event := connection.next_event(), h11.Data):
        body += event.data
    assert isinstance(event, h11.EndOfMessage)
    assert (body, connection.trailing_data[0]) == (data[request.size :][: request.length], b"")
    values: dict[str, list[str]] = {}
    for name, value in head.headers:
        values.setdefault(name.decode(), []).append(value.decode("latin-1"))
    assert request.headers == {name: values[name][0] for name in values.keys() & USED}
    joined = {name: ",".join(values[name]) for name in values.keys() & JOINED_HEADERS}
    lists = request.headers if request.lists is None else request.lists
    assert joined == {name: lists[name] for name in lists.keys() & JOINED_HEADERS}
    connection.send(h11.Response(status_code=202, headers=[(b"content-length", b"0")]))
    connection.send(h11.EndOfMessage())
    assert request.closes is (connection.our_state is h11.MUST_CLOSE)
