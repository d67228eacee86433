"""Random conversations: what a client, a proxy or an attacker may send on one connection."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Final

AGENT: Final = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@dataclass(frozen=True, slots=True)
class Conversation:
    """The bytes on one connection.

    Attributes:
        sent: All bytes.
        piece: How many of them are sent at a time.
        half_close: Whether the client then closes its side, or first waits for the server.
    """

    sent: bytes
    piece: int = 1_000_000
    half_close: bool = True


Headers = list[tuple[str, str]]

METHODS: Final = ("POST",) * 14 + ("GET", "HEAD", "OPTIONS", "PUT", "post", "CONNECT")
TARGETS: Final = (
    *("/api/event",) * 10,
    *("/api/events",) * 6,
    "/api/event?a=b",
    "/api/event/",
    "/api/event%20",
    "//api/event",
    "http://a/api/event",
    "/health",
    "/nowhere",
    "*",
)
VERSIONS: Final = ("HTTP/1.1",) * 12 + ("HTTP/1.0",) * 4 + ("HTTP/1.2", "HTTP/2.0", "http/1.1")
CONNECTIONS: Final = (
    *("close",) * 6,
    *("keep-alive",) * 4,
    "Close",
    " close ",
    "close, close",
    "keep-alive, close",
    "close, x-a",
    "keep-alive, x-a",
    "upgrade",
    "",
    ",",
    "closed",
    "cloſe",
)
LENGTHS: Final[tuple[Callable[[int], str], ...]] = (
    lambda size: str(size + 1),
    lambda size: str(max(size - 1, 0)),
    lambda size: f"0{size}",
    lambda size: f"+{size}",
    lambda size: f"-{size}",
    lambda size: f"{size}, {size}",
    lambda size: f"{size},{size + 1}",
    lambda size: f" {size}\t",
    lambda size: f"{size:x}",
    lambda size: f"{size}.0",
    lambda size: "9" * 25,
    lambda size: "",
    lambda size: "0",
)
FURTHER: Final = (
    ("accept", "application/json"),
    ("accept", "text/html"),
    ("accept", "*/*;q=0"),
    ("expect", "100-continue"),
    ("expect", "200-ok"),
    ("upgrade", "websocket"),
    ("upgrade", "h2c"),
    ("transfer-encoding", "gzip"),
    ("transfer-encoding", "chunked"),
    ("content-encoding", "gzip"),
    ("content-encoding", "identity"),
    ("te", "trailers"),
    ("trailer", "x-a"),
    ("x-forwarded-for", "203.0.113.7, 127.0.0.1"),
    ("x-forwarded-for", "203.0.113.8"),
    ("X-Plausible-IP", "203.0.113.10"),
    ("x-plausible-ip-type", "dc_ip"),
    ("forwarded", 'for="[2001:db8::1]:80"'),
    ("x-request-id", "abc-1"),
    ("x-request-id", "a b"),
    ("traceparent", "00-" + "1" * 32 + "-" + "2" * 16 + "-01"),
    ("authorization", "Bearer command-token"),
    ("authorization", "Bearer else"),
    ("host", "b"),
    ("user-agent", "Googlebot/2.1"),
    ("cookie", "a=b"),
    ("x-a", "\xff\xe9"),
    ("x a", "b"),
    ("x-a", "a\r\n b"),
    ("x-a", "a\tb"),
    ("x-a", "a\x0bb"),
    ("x-a", "a\x01"),
    ("x-a", "a\x7f"),
    ("user-agent", f"{AGENT} \xe9"),
    ("user-agent", "\xa0a\x85"),
    ("user-agent", "a\x1c"),
    ("user-agent", "a" * 300),
    ("user-agent", ""),
    ("accept", ""),
    ("accept-language", "de-DE,de;q=0.9"),
    ("origin", "https://example.com"),
    ("sec-ch-ua", '"Chromium";v="131", "Not_A Brand";v="24"'),
    ("sec-fetch-mode", "cors"),
    ("referer", "https://example.com/\xc3\xa9"),
    ("x-forwarded-for", ""),
    ("x-forwarded-for", "203.0.113.9:80"),
    ("x-forwarded-proto", "https"),
    ("cf-connecting-ip", "203.0.113.11"),
    ("x\xe9", "a"),
    ('x"', "a"),
    ("", "a"),
    ("x-long", "a" * 9_000),
)
ODD_COLONS: Final = (":", ":\t", ":  ", " : ", ":\r\n ", ":\x0c", "")
ODD_LINE_ENDS: Final = (" \r\n", "\t\r\n", " \t \r\n", "\n", "\r", "\r\r\n", "\x00\r\n")
ODD_LINES: Final = 0.02
"""How many lines have one or the other."""
CASES: Final[tuple[Callable[[str], str], ...]] = (
    *(str,) * 10,
    *(str.title,) * 5,
    str.upper,
    str.swapcase,
)
MEDIA_TYPES: Final = (
    *("text/plain",) * 4,
    *("application/json",) * 4,
    "text/plain; charset=utf-8",
    "application/x-www-form-urlencoded",
    "application/x-ndjson",
    "multipart/form-data; boundary=a",
    "image/png",
    "",
)
DOMAINS: Final = ("example.com",) * 12 + (
    "nowhere.example",
    "example.com,nowhere.example",
    "example.com,example.com",
    "",
)
BEHIND: Final = (
    b"\r\n",
    b"\r\n\r\n",
    b"\n",
    b"}",
    b"\x00",
    b"GET",
    b"0\r\n\r\n",
    b"POST /api/event HTTP/1.1\r\n",
)
PIECES: Final = (1_000_000,) * 12 + (1_000, 100, 37)


def conversation(random: Random) -> Conversation:
    """Make a conversation."""
    sent = b"".join(_request(random) for _ in range(random.choice((1, 1, 1, 2, 2, 3))))
    if random.random() < 0.25:
        sent += random.choice(BEHIND)
    if random.random() < 0.2:
        sent = _mutated(random, sent)
    piece = random.choice(PIECES)
    return Conversation(sent, max(piece, len(sent) // 50), random.random() < 0.9)


def _event(random: Random) -> dict[str, Any]:
    event: dict[str, Any] = {
        "n": random.choice(("pageview", "pageview", "Signup", "engagement", "Buy", "")),
        "u": f"https://example.com/{random.randrange(1_000_000)}",
        "d": random.choice(DOMAINS),
    }
    if event["n"] == "engagement" and random.random() < 0.8:
        event["e"] = random.choice((1_000, 3_000, "x"))
    if random.random() < 0.2:
        event["p"] = random.choice(({"a": "b"}, '{"a": 1}', "{", [1], {"a": {"b": 1}}))
    if random.random() < 0.1:
        event["$"] = random.choice(({"currency": "EUR", "amount": "1.5"}, "x", 3))
    if random.random() < 0.1:
        event["r"] = random.choice(("https://news.ycombinator.com/", None, 7, "\ud800", "é"))
    if random.random() < 0.05:
        event["u"] = random.choice(("", "x", "https://", None, "https://[::1", "a" * 3000))
    if random.random() < 0.05:
        event["timestamp"] = random.choice(("2026-01-01T00:00:00Z", 1, "yesterday"))
    return event


def _body(random: Random, target: str) -> bytes:
    chance = random.random()
    if chance < 0.04:
        return random.choice((b"", b"{}", b"{", b"[]", b"null", b"n=a&d=b", b"\xff", b"[" * 300))
    if chance < 0.06:
        return b'{"n": "pageview", "u": "https://example.com/%b"}' % (b"a" * 70_000)
    if target.startswith("/api/events") or chance < 0.08:
        events = [_event(random) for _ in range(random.choice((1, 2, 3, 10)))]
        if random.random() < 0.3:
            return b"\n".join(json.dumps(event).encode() for event in events)
        return json.dumps(events).encode()
    return json.dumps(_event(random)).encode()


def _request(random: Random) -> bytes:
    method, target = random.choice(METHODS), random.choice(TARGETS)
    plain = method == "POST" and target.startswith("/api/event")
    # A body that the server does not need is often not waited for.
    body = _body(random, target) if plain or random.random() < 0.2 else b""
    headers: Headers = [("host", "a"), ("user-agent", AGENT)]
    if random.random() < 0.97:
        headers.append(("content-type", random.choice(MEDIA_TYPES)))
    if random.random() < 0.4:
        headers.append(("connection", random.choice(CONNECTIONS)))
    while random.random() < 0.25:
        headers.append(random.choice(FURTHER))
    chance = random.random()
    if chance < 0.06:
        headers.append(("transfer-encoding", "chunked"))
        body = _chunked(random, body)
    elif chance < 0.12:
        headers.append(("content-length", random.choice(LENGTHS)(len(body))))
    elif chance < 0.98:
        headers.append(("content-length", str(len(body))))
    if random.random() < 0.1:
        random.shuffle(headers)
    if random.random() < 0.04:
        headers.insert(random.randrange(len(headers)), random.choice(headers))
    if random.random() < 0.04:
        del headers[random.randrange(len(headers))]
    line = f"{method} {target} {random.choice(VERSIONS)}"
    case = random.choice(CASES)
    head = "".join(_line(random, case(name), value) for name, value in headers)
    return f"{line}\r\n{head}\r\n".encode("latin-1", "replace") + body


def _line(random: Random, name: str, value: str) -> str:
    colon = random.choice(ODD_COLONS) if random.random() < ODD_LINES else ": "
    end = random.choice(ODD_LINE_ENDS) if random.random() < ODD_LINES else "\r\n"
    return f"{name}{colon}{value}{end}"


def _chunked(random: Random, body: bytes) -> bytes:
    size = random.choice((1 + len(body) // 3, len(body) or 1))
    chunks = [body[start : start + size] for start in range(0, len(body), size)]
    coded = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return coded + random.choice((b"0\r\n\r\n", b"0\r\nx-a: b\r\n\r\n", b"0\r\n", b""))


def _mutated(random: Random, sent: bytes) -> bytes:
    """Change a few bytes, or cut out, double or append some."""
    changed = bytearray(sent)
    for _ in range(random.choice((1, 1, 2, 5))):
        if not changed:
            break
        place = random.randrange(len(changed))
        end = place + random.choice((1, 1, 2, 10, 100))
        match random.randrange(4):
            case 0:
                changed[place] = random.choice(b"\r\n\t\x00 :,;0a\x7f\xff")
            case 1:
                del changed[place:end]
            case 2:
                changed[place:place] = changed[place:end]
            case _:
                del changed[place:]
    return bytes(changed)
