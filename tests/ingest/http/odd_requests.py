"""Requests that two servers might read in two ways, and how they are to be read here."""

from dataclasses import dataclass
from typing import Final

POST: Final = b"POST /api/event HTTP/1.1\r\nhost: a\r\n"
GET: Final = b"GET /health HTTP/1.1\r\nhost: a\r\n"
CLOSING: Final = POST + b"connection: close\r\ncontent-length: 2\r\n\r\n{}"
LAST: Final = b"GET /last HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
CHUNKED: Final = b"transfer-encoding: chunked\r\n"

Read = tuple[str, str, bytes]
"""Method, path and body of a request."""

EVENT: Final[Read] = ("POST", "/api/event", b"{}")
EMPTY: Final[Read] = ("POST", "/api/event", b"")
HEALTH: Final[Read] = ("GET", "/health", b"")
END: Final[Read] = ("GET", "/last", b"")


@dataclass(frozen=True, slots=True)
class OddRequest:
    """Bytes on a new connection, all at once.

    Attributes:
        sent: The bytes.
        read: The requests that the application is to see; what follows the last is not read.
        refused: Status of the answer that ends the connection; None: the last request ends it.
    """

    sent: bytes
    read: tuple[Read, ...] = ()
    refused: int | None = None


def bad(sent: bytes, status: int = 400, read: tuple[Read, ...] = ()) -> OddRequest:
    return OddRequest(sent + LAST, read, status)


def good(sent: bytes, *read: Read) -> OddRequest:
    return OddRequest(sent + LAST, (*read, END))


ODD_REQUESTS: Final = {
    "an ordinary one": good(POST + b"content-length: 2\r\n\r\n{}", EVENT),
    # Where a body ends
    "both lengths": bad(POST + b"content-length: 4\r\n" + CHUNKED + b"\r\n0\r\n\r\n"),
    "both lengths, turned round": bad(POST + CHUNKED + b"content-length: 6\r\n\r\n0\r\n\r\n"),
    "two lengths": bad(POST + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}"),
    "two lengths in one": bad(POST + b"content-length: 2, 3\r\n\r\n{}"),
    "the same length twice": good(POST + b"content-length: 2\r\n" * 2 + b"\r\n{}", EVENT),
    "a signed length": bad(POST + b"content-length: +2\r\n\r\n{}"),
    "a hexadecimal length": bad(POST + b"content-length: 0x2\r\n\r\n{}"),
    "a length with an underscore": bad(POST + b"content-length: 1_0\r\n\r\n{}"),
    "a length in Arabic digits": bad(POST + "content-length: ٢\r\n\r\n{}".encode()),
    "a length of many digits": bad(POST + b"content-length: " + b"9" * 5000 + b"\r\n\r\n{}"),
    "a body longer than declared": bad(POST + b"content-length: 2\r\n\r\n{}}}", read=(EVENT,)),
    "a body with a GET": good(GET + b"content-length: 2\r\n\r\n{}", ("GET", "/health", b"{}")),
    "a second request in a body": good(
        POST + b"content-length: %d\r\n\r\n%b" % (len(GET) + 2, GET + b"\r\n"),
        ("POST", "/api/event", GET + b"\r\n"),
    ),
    # What stands behind the last request is ignored (RFC 9112 §9.6)
    "an empty line behind the last": OddRequest(CLOSING + b"\r\n", (EVENT,)),
    "garbage behind the last": OddRequest(CLOSING + b"\x00}", (EVENT,)),
    "a request behind the last": OddRequest(CLOSING + GET + b"\r\n", (EVENT,)),
    "a request behind one of HTTP/1.0": OddRequest(
        b"POST /api/event HTTP/1.0\r\ncontent-length: 2\r\n\r\n{}" + GET + b"\r\n", (EVENT,)
    ),
    "a lot behind the last": OddRequest(CLOSING + b"x" * 500_000, (EVENT,)),
    "two requests": good(POST + b"content-length: 2\r\n\r\n{}" + GET + b"\r\n", EVENT, HEALTH),
    # Transfer codings: `chunked` alone is known
    "chunked in capitals": good(
        POST + b"Transfer-Encoding: CHUNKED\r\n\r\n2\r\n{}\r\n0\r\n\r\n", EVENT
    ),
    "chunked after a tab": good(POST + b"transfer-encoding:\tchunked\r\n\r\n0\r\n\r\n", EMPTY),
    "nothing, chunked": bad(POST + b"transfer-encoding: , chunked\r\n\r\n0\r\n\r\n", 501),
    "xchunked": bad(POST + b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n", 501),
    "chunked in quotes": bad(POST + b'transfer-encoding: "chunked"\r\n\r\n0\r\n\r\n', 501),
    "chunked, identity": bad(POST + b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n", 501),
    "gzip, chunked": bad(POST + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    "chunked twice": bad(POST + CHUNKED + CHUNKED + b"\r\n0\r\n\r\n", 501),
    "chunked after a vertical tab": bad(POST + b"transfer-encoding: \x0bchunked\r\n\r\n0\r\n\r\n"),
    "chunked in HTTP/1.0": bad(b"POST / HTTP/1.0\r\nhost: a\r\n" + CHUNKED + b"\r\n0\r\n\r\n"),
    "a negative chunk": bad(POST + CHUNKED + b"\r\n-2\r\n{}\r\n0\r\n\r\n", read=(EMPTY,)),
    "a chunk of 0x2": bad(POST + CHUNKED + b"\r\n0x2\r\n{}\r\n0\r\n\r\n", read=(EMPTY,)),
    "a chunk without end": bad(POST + CHUNKED + b"\r\n2\r\n{}0\r\n\r\n", read=(EVENT,)),
    "a chunk that is too long": bad(POST + CHUNKED + b"\r\n" + b"f" * 21 + b"\r\n", read=(EMPTY,)),
    "a HEAD with a wrong chunk": bad(
        b"HEAD / HTTP/1.1\r\nhost: a\r\n" + CHUNKED + b"\r\n0x2\r\n", read=(("HEAD", "/", b""),)
    ),
    "a wrong head after a HEAD": bad(
        b"HEAD / HTTP/1.1\r\nhost: a\r\n\r\nnothing\r\n", read=(("HEAD", "/", b""),)
    ),
    "chunks with line feeds": bad(POST + CHUNKED + b"\r\n2\n{}\n0\n\n", read=(EMPTY,)),
    "a length in the trailer": good(
        POST + CHUNKED + b"\r\n2\r\n{}\r\n0\r\ncontent-length: 50\r\n\r\n", EVENT
    ),
    # Lines
    "a tab before the colon": bad(POST + b"transfer-encoding\t: chunked\r\n\r\n0\r\n\r\n"),
    "a space before the colon": bad(POST + b"content-length : 2\r\n\r\n{}"),
    "a folded header": good(POST + b"x: a\r\n b\r\ncontent-length: 2\r\n\r\n{}", EVENT),
    "a folded coding": good(POST + b"transfer-encoding:\r\n chunked\r\n\r\n0\r\n\r\n", EMPTY),
    "a fold before all headers": bad(b"GET / HTTP/1.1\r\n x: a\r\nhost: a\r\n\r\n"),
    "bare line feeds": good(POST.replace(b"\r", b"") + b"content-length: 2\n\n{}", EVENT),
    "a bare carriage return": bad(GET + b"x: a\rcontent-length: 50\r\n\r\n"),
    "NUL in a value": bad(GET + b"x: a\x00b\r\n\r\n"),
    "NUL in a name": bad(GET + b"x\x00: a\r\n\r\n"),
    "a line that is no header": bad(GET + b"nothing\r\n\r\n"),
    "an empty name": bad(GET + b": a\r\n\r\n"),
    "bytes beyond ASCII": good(GET + b"x: \xff\xe9\r\n\r\n", HEALTH),
    "empty lines before all": bad(b"\r\n\r\n" + GET + b"\r\n"),
    # Request lines
    "an absolute target": good(
        b"GET http://b/health HTTP/1.1\r\nhost: a\r\n\r\n", ("GET", "http://b/health", b"")
    ),
    "encoded line ends": good(
        b"GET /a%0d%0ax:%20y HTTP/1.1\r\nhost: a\r\n\r\n", ("GET", "/a\r\nx: y", b"")
    ),
    "two spaces": bad(b"GET  /health HTTP/1.1\r\nhost: a\r\n\r\n"),
    "a space in the target": bad(b"GET /a b HTTP/1.1\r\nhost: a\r\n\r\n"),
    "tabs": bad(b"GET\t/health\tHTTP/1.1\r\nhost: a\r\n\r\n"),
    "a tunnel": bad(b"CONNECT a:80 HTTP/1.1\r\nhost: a\r\n\r\n"),
    "no host": bad(b"GET / HTTP/1.1\r\n\r\n"),
    "two hosts": bad(GET + b"host: b\r\n\r\n"),
    "HTTP/0.9": bad(b"GET /\r\n\r\n"),
    "HTTP/1.0": OddRequest(
        b"GET /health HTTP/1.0\r\nconnection: keep-alive\r\n\r\n", (HEALTH,), None
    ),
    "HTTP/1.2": good(b"GET /health HTTP/1.2\r\nhost: a\r\n\r\n", HEALTH),
    "HTTP/9.9": bad(b"GET / HTTP/9.9\r\nhost: a\r\n\r\n"),
    "HTTP in small letters": bad(b"GET / http/1.1\r\nhost: a\r\n\r\n"),
    # Other protocols
    "HTTP/2": bad(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "an upgrade to HTTP/2": good(
        GET
        + b"connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMA\r\n\r\n",
        HEALTH,
    ),
    "an upgrade to a WebSocket": good(
        GET + b"connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
        b"sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
        HEALTH,
    ),
    # Sizes
    "a hundred headers": good(GET + b"x: 1\r\n" * 99 + b"\r\n", HEALTH),
    "a hundred and one headers": bad(GET + b"x: 1\r\n" * 100 + b"\r\n", 431),
    "as many for a HEAD": bad(b"HEAD / HTTP/1.1\r\nhost: a\r\n" + b"x: 1\r\n" * 100 + b"\r\n", 431),
    "a long target": bad(b"GET /" + b"a" * 17_000 + b" HTTP/1.1\r\nhost: a\r\n\r\n", 431),
    "a long header": bad(GET + b"x: " + b"a" * 17_000 + b"\r\n\r\n", 431),
    "many long headers": bad(GET + (b"x: " + b"a" * 200 + b"\r\n") * 90 + b"\r\n", 431),
    "a head without end": OddRequest(GET + b"x: " + b"a" * 17_000, (), 431),
}
