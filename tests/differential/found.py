"""Conversations on which the servers once differed, or one disagreed with its own log."""

from typing import Final

from tests.differential.conversations import Conversation

_EVENT: Final = b'{"n": "pageview", "u": "https://example.com/a", "d": "example.com"}'
_BATCH: Final = b"[" + _EVENT + b", " + _EVENT + b"]"
_CHUNKED: Final = b"transfer-encoding: chunked\r\n\r\n"


def _request(line: bytes, body: bytes = _EVENT, headers: bytes = b"") -> bytes:
    length = b"content-length: %d\r\n" % len(body)
    return b"%b\r\nhost: a\r\nuser-agent: a\r\n%b%b\r\n%b" % (line, length, headers, body)


_POST: Final = b"POST /api/event HTTP/1.1"
_CLOSE: Final = b"connection: close\r\n"

FOUND: Final = {
    "an empty line behind the last request": Conversation(
        _request(_POST, headers=_CLOSE) + b"\r\n"
    ),
    "the same, byte by byte": Conversation(_request(_POST, headers=_CLOSE) + b"\r\n", piece=1),
    "a request behind the last one": Conversation(
        _request(_POST, headers=_CLOSE) + _request(_POST)
    ),
    "behind the last request of another path": Conversation(
        _request(b"POST http://a/api/event HTTP/1.1", headers=_CLOSE) + b"}"
    ),
    "behind the last batch": Conversation(
        _request(b"POST /api/events HTTP/1.1", _BATCH, _CLOSE) + b"\r\n"
    ),
    "behind a batch of HTTP/1.0": Conversation(
        _request(b"POST /api/events HTTP/1.0", _BATCH) + _request(_POST, _BATCH)
    ),
    "behind an event of HTTP/1.0": Conversation(
        _request(b"POST /api/event HTTP/1.0") + b"\r\n", half_close=False
    ),
    "behind a last HEAD": Conversation(
        _request(b"HEAD /api/event HTTP/1.1", headers=_CLOSE) + b"\x00"
    ),
    "behind a last preflight": Conversation(
        _request(b"OPTIONS /api/event HTTP/1.0") + _request(b"POST /api/event HTTP/1.0")
    ),
    "a wrong body of a path that is not there": Conversation(
        b"POST /nowhere HTTP/1.1\r\nhost: a\r\n" + _CHUNKED + b"1\r\n[\r\nHEAD /api/event HTTP/2.0"
    ),
    "a HEAD with a body that ends within": Conversation(
        b"HEAD /api/event HTTP/1.1\r\nhost: a\r\n" + _CHUNKED, half_close=True
    ),
    "a long line behind a wrong event": Conversation(
        _request(_POST, b"") + b"a" * 70_000 + b" /nowhere HTTP/1.1\r\nhost: a\r\n\r\n"
    ),
    "a body that ends within, of a method that is not there": Conversation(
        _request(b"PUT /api/event HTTP/1.1")[:-10]
    ),
    "spaces behind an agent": Conversation(
        _request(_POST, headers=b"accept: */*  \r\n").replace(
            b"user-agent: a\r\n", b"user-agent: a \t\r\n"
        )
    ),
    "NUL in an agent": Conversation(_request(_POST).replace(b"user-agent: a", b"user-agent: \x00")),
}
