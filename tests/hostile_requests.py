"""Requests that try to make the server work much for few bytes."""

import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

TOKEN: Final = "hostile-requests-token"

BODY: Final = 999_000
"""Bytes of a body just below the limit."""

SMALL: Final = 65_000
"""Bytes of a body just below what the fast path reads."""

TRACED: Final = 99_000
"""Bytes of a body just below what the operator may validate."""

BATCH: Final = 7_900_000
"""Bytes of a batch just below its limit."""

EVENT: Final = {"n": "pageview", "u": "https://example.com/a", "d": "example.com"}
FORM: Final = "application/x-www-form-urlencoded"
MULTIPART: Final = "multipart/form-data; boundary=b"
CHROME: Final = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/131.0.0.0 Safari/537.36"
)


@dataclass(frozen=True, slots=True)
class Hostile:
    """One kind.

    Attributes:
        name: What it is.
        requests: The bytes of each connection.
    """

    name: str
    requests: Sequence[bytes]

    @property
    def size(self) -> int:
        """Bytes on all connections."""
        return sum(map(len, self.requests))


def post(
    body: bytes,
    kind: str = "text/plain",
    path: str = "/api/event",
    agent: str = CHROME,
    **headers: str,
) -> bytes:
    """A request with a body."""
    lines = {
        "Host": "example.com",
        "User-Agent": agent,
        "Content-Type": kind,
        "Content-Length": str(len(body)),
        "Authorization": f"Bearer {TOKEN}",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body


def fill(size: int, start: bytes, unit: bytes, end: bytes) -> bytes:
    """Repeat a unit between a start and an end."""
    return start + unit * ((size - len(start) - len(end)) // len(unit)) + end


def event(**fields: object) -> bytes:
    """An event with other fields."""
    return json.dumps({**EVENT, **fields}, ensure_ascii=False).encode()


def json_bodies(size: int) -> Iterator[tuple[str, bytes]]:
    """Bodies in JSON of about a size."""
    begin = event()[:-1] + b',"p":'
    for name, start, unit, end in (
        ("lists", b"[", b"[],", b"1]}"),
        ("objects", b"[", b"{},", b"1]}"),
        ("deep lists", b"[", b"[" * 190 + b"]" * 190 + b",", b"1]}"),
        ("numbers", b"[", b"1,", b"1]}"),
        ("floats", b"[", b"1e1,", b"1]}"),
        ("long numbers", b"[", b"9" * 4300 + b",", b"1]}"),
        ("texts", b"[", b'"",', b"1]}"),
        ("escapes", b'"', b"\\u00e9", b'"}'),
        ("spaces", b"", b" ", b"1}"),
        ("open lists", b"", b"[", b""),
        ("JSON in a text", b'"', b"[],", b'"}'),
        ("JSON in a text, escaped", b'"[', b"\\u005b\\u005d\\u002c", b'1]"}'),
    ):
        yield f"JSON: {name}", fill(size, begin + start, unit, end)
    keys = b",".join(b'"%x":1' % number for number in range(size // 10))
    yield "JSON: properties", begin + b"{" + keys + b"}}"
    yield "JSON: keys", event()[:-1] + b"," + keys + b"}"
    text = b",".join(b'\\"%x\\":1' % number for number in range(size // 12))
    yield "JSON: properties in a text", begin + b'"{' + text + b'}"}'
    yield (
        "JSON: two texts with lists",
        (
            fill(size // 2, begin + b'"', b"[],", b'"')[:-1]
            + b'","$":'
            + fill(size // 2, b'"', b"[],", b'"}')
        ),
    )


def field_bodies(size: int) -> Iterator[tuple[str, bytes]]:
    """Bodies in JSON of at most about a size, with one hostile field."""

    def repeat(text: str, length: int) -> str:
        return text * (length // len(text.encode()))

    for field in ("n", "r"):
        for name, text in (
            ("letters", "a"),
            ("accents", "e\u0301"),
            ("marks", "\u0301"),
            ("flags", "\U0001f1e6"),
            ("joined", "\u200d\U0001f468"),
            ("syllables", "\u1100\u1161\u11a8"),
        ):
            yield f"JSON: {field} of {name}", event(**{field: repeat(text, size - 200)})
    yield "JSON: domains", event(d="a," * 99 + "a")
    yield "JSON: long domains", event(d=",".join(["a" * (size // 100)] * 99))
    yield "JSON: amount", event(**{"$": {"amount": "9" * (size - 300), "currency": "EUR"}})
    for name, text in (
        ("escapes", "%ff"),
        ("mixed", "%ffé"),
        ("fields", "a&"),
        ("dots", "a."),
        ("at", "@"),
    ):
        yield f"JSON: URL of {name}", event(u=f"https://example.com/?{repeat(text, 1_900)}")
        yield f"JSON: host of {name}", event(u=f"https://{repeat(text, 1_900)}/")
        yield f"JSON: referrer of {name}", event(r=f"https://{repeat(text, size - 200)}")


def form_bodies(size: int) -> Iterator[tuple[str, str, bytes]]:
    """Forms of about a size, with their types."""
    start = b"n=pageview&u=https://example.com/&d=example.com&p[a]="
    for name, unit in (
        ("%ff", b"%ff"),
        ("%", b"%"),
        ("%ffé", "%ffé".encode()),
        ("fields", b"&a=b"),
        ("empty fields", b"&"),
        ("+", b"+"),
        ("not UTF-8", b"\xff"),
        ("nested", b"&p[a]=b"),
        ("JSON", b"&p=[[],[]]"),
    ):
        yield f"form: {name}", FORM, fill(size, start, unit, b"")
    yield "form: a key of brackets", FORM, fill(size, start + b"&", b"a[", b"]=1")
    yield "form: lists as properties", FORM, fill(size, b"n=a&u=b&d=c&p=[", b"[],", b"1]")
    disposition = b'--b\r\nContent-Disposition: form-data; name="n"'
    for name, unit in (
        ("parts", disposition + b"\r\n\r\nx\r\n"),
        ("parts of many parameters", disposition + b";a=b" * 900 + b"\r\n\r\nx\r\n"),
        ("parts of open quotes", disposition + b';a="' * 900 + b"\r\n\r\nx\r\n"),
        ("parts of long quotes", disposition + b';a="' + b"\\x" * 1900 + b'"\r\n\r\nx\r\n'),
        ("parts of header lines", b"--b\r\n" + b"a:b\r\n" * 800 + b"\r\nx\r\n"),
        ("boundaries", b"--b\r\n"),
        ("line ends", b"\r\n"),
    ):
        yield f"multipart: {name}", MULTIPART, fill(size, b"", unit, b"--b--")
    part = disposition + b"\r\n\r\nx\r\n--b--"
    yield (
        "multipart: type of parameters",
        "multipart/form-data" + ";a=b" * 3000 + ";boundary=b",
        part,
    )
    yield (
        "multipart: type of quotes",
        'multipart/form-data;a="' + '\\"' * 6000 + '";boundary=b',
        part,
    )
    yield "multipart: type of continuations", "multipart/form-data" + ";b*0*=a" * 1500, part


def heads() -> Iterator[tuple[str, bytes]]:
    """Requests with hostile heads."""
    body = event()
    for name, value in (
        ("commas", "," * 14_000),
        ("parameters", "a;" * 7_000),
        ("types", "a/b;q=0," * 1_700),
        ("addresses", "1.2.3.4, " * 1_500),
        ("for=", "for=1.2.3.4;" * 1_200),
        ("quotes", '"' * 14_000),
    ):
        for header in (
            "Accept",
            "X-Forwarded-For",
            "Forwarded",
            "Content-Type",
            "Cookie",
            "traceparent",
        ):
            yield f"head: {header} of {name}", post(body, **{header: value})
    for name, agent in agents():
        yield f"user agent: {name}", post(body, agent=agent)
    yield "head: lines", post(body).replace(b"\r\n\r\n", b"\r\n" + b"a: b\r\n" * 90 + b"\r\n", 1)
    for name, path in (
        ("slashes", "/" * 15_000),
        ("segments", "/a" * 7_000),
        ("escapes", "/%2f" * 3_500),
        ("parameters", "/api/event?" + "a=b&" * 3_500),
        ("escaped parameters", "/api/drops?" + "%ff&" * 3_500),
        ("parameters of drops", "/api/drops?" + "a&" * 7_000),
        ("parameters of live", "/api/live?kind=" + "a," * 7_000),
    ):
        for method in ("GET", "POST", "OPTIONS"):
            lines = f"Host: localhost\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 0\r\n"
            yield f"path: {method} {name}", f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode()
    chunks = b"1\r\na\r\n" * 160_000 + b"0\r\n\r\n"
    head = b"POST /api/event HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    yield "chunks of a byte", head + chunks
    yield "chunk extensions", head + (b"1;" + b"a" * 2_000 + b"\r\na\r\n") * 400 + b"0\r\n\r\n"
    yield "trailers", head + b"0\r\n" + b"a: b\r\n" * 2_000 + b"\r\n"


def agents() -> Iterator[tuple[str, str]]:
    """User agents that take long to parse."""
    for word in (
        "a",
        "Mozilla/5.0 (",
        "Android 1; ",
        "bot/1 ",
        "Chrome/1 ",
        " Mobile",
        "1.",
        "; ",
        "((",
        "iPhone OS 1_",
        "AppleWebKit/",
        "SM-A; Build/",
        "Windows NT ",
        "Safari/1 Version/1 ",
    ):
        yield f"{word!r}", word * (14_000 // len(word))


def batches() -> Iterator[tuple[str, bytes]]:
    """Batches, on their route."""
    item = event()
    ndjson = "application/x-ndjson"
    for name, body in (
        ("5,000 events", b"[" + b",".join([item] * 5_000) + b"]"),
        ("5,000 mistakes", b"[" + b",".join([b'{"h":true}'] * 5_000) + b"]"),
        (
            "5,000 mistakes with times",
            b"["
            + b",".join([b'{"h":true,"timestamp":"x","ip":"?","user_agent":1,"n":"  "}'] * 5_000)
            + b"]",
        ),
        (
            "5,000 large events",
            b"[" + b",".join([event(r="https://a.example/" + "a" * 1_400)] * 5_000) + b"]",
        ),
        ("5,000 times 100 domains", b"[" + b",".join([event(d="a," * 99 + "a")] * 5_000) + b"]"),
        ("numbers", fill(BATCH, b"[", b"1,", b"1]")),
        ("500,000 numbers", b"[" + b"1," * 499_000 + b"1]"),
        ("lists", fill(BATCH, b"[", b"[],", b"1]")),
        ("lists in an item", fill(BATCH, b"[[", b"[],", b"1]]")),
        ("deep lists", fill(BATCH, b"[[", b"[" * 190 + b"]" * 190 + b",", b"1]]")),
        ("open lists", b"[" * BATCH),
        ("text", fill(BATCH, b'["', b"a", b'"]')),
        ("escapes", fill(BATCH, b'["', b"\\u00e9", b'"]')),
        ("spaces", fill(BATCH, b"[", b" ", b"1]")),
        (
            "8 events of lists",
            b"[" + b",".join([fill(950_000, item[:-1] + b',"x":[', b"[],", b"1]}")] * 8) + b"]",
        ),
        (
            "200 events of 9,000 lists",
            b"[" + b",".join([item[:-1] + b',"x":[' + b"[]," * 9_000 + b"1]}"] * 200) + b"]",
        ),
        (
            "8 events of numbers",
            b"["
            + b",".join([fill(950_000, item[:-1] + b',"x":[', b"9" * 4_300 + b",", b"1]}")] * 8)
            + b"]",
        ),
        ("referrers of accents", b"[" + b",".join([event(r="e\u0301" * 60_000)] * 40) + b"]"),
    ):
        yield f"batch: {name}", post(body, "application/json", "/api/events")
    for name, body in (
        ("empty lines", b"\n" * BATCH),
        ("one line of lists", fill(BATCH, b'{"a":[', b"[],", b"1]}")),
        ("5,000 events", b"\n".join([item] * 5_000)),
        ("lines of lists", fill(BATCH, b"", b"[" * 100 + b"]" * 100 + b"\n", b"")),
        ("one line of text", b"a" * BATCH),
    ):
        yield f"lines: {name}", post(body, ndjson, "/api/events")
    agents_of = [event(user_agent=f"{n} " + "Mozilla/5.0 (Android 1; " * 80) for n in range(1_000)]
    yield (
        "batch: user agents",
        post(b"[" + b",".join(agents_of) + b"]", "application/json", "/api/events"),
    )
    for name, content in (
        ("spaces", b" " * BATCH),
        (
            "events",
            b"[" + b",".join(event(u=f"https://example.com/{n * n}") for n in range(5_000)) + b"]",
        ),
    ):
        for coding, packed in (("gzip", gzip.compress(content)),):
            yield (
                f"gzip: {name}",
                post(packed, "application/json", "/api/events", Content_Encoding=coding),
            )
    members = gzip.compress(b"a") * 40_000
    yield "gzip: members", post(members, "application/json", "/api/events", Content_Encoding="gzip")


def crowds() -> Iterator[tuple[str, list[bytes]]]:
    """Many requests at once."""
    lists = fill(SMALL, event()[:-1] + b',"x":[', b"[],", b"1]}")
    keys = dict(json_bodies(SMALL))["JSON: properties"]
    yield "64 connections: lists", [post(lists)] * 64
    yield "64 connections: properties", [post(keys)] * 64
    yield (
        "64 connections: user agents",
        [
            post(event(), agent=f"{number} " + "Mozilla/5.0 (Android 1; " * 100)
            for number in range(64)
        ],
    )
    yield "64 connections: 100 domains", [post(event(d="a," * 99 + "a"))] * 64
    small = b"POST /api/event HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
    yield "pipelined: mistakes", [small * 1_100]
    yield "pipelined: mistakes of 16 connections", [small * 1_100] * 16
    yield "pipelined: events", [post(event()) * 150]
    yield "pipelined: not acceptable", [post(b"", Accept="text/html") * 250]


def hostile_requests() -> Iterator[Hostile]:
    """All kinds."""
    for size, note in ((SMALL, "small "), (BODY, "")):
        for name, body in (*json_bodies(size), *field_bodies(size)):
            yield Hostile(note + name, [post(body)])
        for name, kind, body in form_bodies(size):
            yield Hostile(note + name, [post(body, kind)])
    for name, body in (*json_bodies(TRACED), *field_bodies(TRACED)):
        yield Hostile(f"validate {name}", [post(body, path="/api/event/validate")])
    for name, request in (*heads(), *batches()):
        yield Hostile(name, [request])
    for name, requests in crowds():
        yield Hostile(name, requests)
