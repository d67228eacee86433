"""Parsers of what clients send, and the slowest input that was found for each of them."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from actors.stores.statement import reading_statement
from actors.stores.store import QueryRefused
from ingest.enrichment.attribution import attribute
from ingest.enrichment.user_agent import MAX_LENGTH, describe, forget
from ingest.http.fast_path.event_request import read_head
from ingest.http.fast_path.header_lines import NotPlainError
from ingest.http.responses import accepts_json
from ingest.past.formats import Format, make_reader
from ingest.past.past_event import LINE_BYTES, BrokenLineError, ReaderOptions, read_record
from ingest.request.batch import Sender, read_item, split_batch
from ingest.request.body import BODY_LIMIT
from ingest.request.client_address import TrustedProxies, resolve_client_ip
from ingest.request.form import URLENCODED_BYTES
from ingest.request.invalid import InvalidRequest
from ingest.request.parse import parse_request
from ingest.request.url import URL_BYTES, parse_url
from ingest.sessions.visitor import registrable_domain
from tests.examples import NOON
from tests.slow_units import (
    ADDRESSES,
    AGENTS,
    FORM,
    HEADERS,
    JSON,
    JSON_START,
    LINES,
    LOG_LINE,
    PARTS,
    SQL,
    TEXT,
    WORST,
)

HEAD: Final = 15_000
"""Bytes of a header's value."""

BODY: Final = BODY_LIMIT - 100
LINE: Final = LINE_BYTES - 200


def nothing() -> None:
    """For parsers without a cache."""


@dataclass(frozen=True, slots=True)
class Parser:
    """What reads input from clients.

    Attributes:
        name: For people.
        run: Reads input, and raises nothing.
        size: Bytes of the largest input.
        fragments: What inputs are made of.
        start: What stands before the units.
        end: What stands behind them.
        calls: How many calls of functions the largest input may take.
        memory: How much memory it may take, in sizes of the input.
        forget: Clears caches.
        longest_unit: Bytes.
    """

    name: str
    run: Callable[[bytes], object]
    size: int
    fragments: tuple[bytes, ...]
    start: bytes = b""
    end: bytes = b""
    calls: int = 6_000
    memory: float = 9
    forget: Callable[[], None] = nothing
    longest_unit: int = 200

    @property
    def worst(self) -> tuple[bytes, ...]:
        """The slowest units that were found."""
        return WORST[self.name]

    def fill(self, unit: bytes, share: int = 1) -> bytes:
        """The largest input of a unit, or a part of it: limits refuse much of the largest ones."""
        return self.start + unit * (self.size // share // len(unit)) + self.end


def event_body(content_type: str) -> Callable[[bytes], object]:
    """Reads a body."""

    def run(body: bytes) -> object:
        with contextlib.suppress(InvalidRequest):
            return parse_request(
                content_type,
                body,
                timestamp=NOON,
                client_ip="192.0.2.1",
                user_agent=None,
                ip_type=None,
            )
        return None

    return run


as_text = event_body("text/plain")
as_form = event_body("application/x-www-form-urlencoded")
as_parts = event_body("multipart/form-data; boundary=b")


def form_type(value: bytes) -> object:
    return event_body("multipart/form-data" + value.decode("latin-1"))(b"--b--")


SENDER: Final = Sender(NOON, 0, "192.0.2.1", None, None, lambda _: True)


def split(body: bytes) -> object:
    with contextlib.suppress(InvalidRequest):
        return split_batch("application/json", body)
    return None


def item(text: bytes) -> object:
    with contextlib.suppress(InvalidRequest):
        return read_item(text, SENDER)
    return None


def agent(text: bytes) -> object:
    return describe(text.decode("latin-1"))


def head(text: bytes) -> object:
    with contextlib.suppress(NotPlainError):
        return read_head(bytearray(text))
    return None


def statement(sql: bytes) -> object:
    with contextlib.suppress(QueryRefused):
        return reading_statement(sql.decode("latin-1"), ("url",))
    return None


def address(url: bytes) -> object:
    return parse_url.__wrapped__(url.decode("latin-1"))


def host(name: bytes) -> object:
    return registrable_domain.__wrapped__(name.decode("latin-1"))


def accepted(value: bytes) -> object:
    return accepts_json(value.decode("latin-1"))


def campaign(url: bytes) -> object:
    page = parse_url.__wrapped__(url.decode("latin-1"))
    return attribute(url.decode("latin-1"), page.hostname, page.query)


def record_of(form: Format) -> Callable[[bytes], object]:
    """Reads a line of a log or an export."""
    options = ReaderOptions(received=NOON, site=None, proxies=TrustedProxies.parse("private"))

    def run(line: bytes) -> object:
        with contextlib.suppress(BrokenLineError):
            return read_record(make_reader(form, options, []), line)
        return None

    return run


def addresses(header: str, proxies: str) -> Callable[[bytes], object]:
    """Reads a forwarding header."""

    trusted = TrustedProxies.parse(proxies)

    def run(value: bytes) -> object:
        return resolve_client_ip({header: value.decode("latin-1")}, "127.0.0.1", trusted)

    return run


MEDIA: Final = (b",", b";", b"a/b", b"q=0", b" ", b"\t")
LISTED: Final = "127.0.0.0/8, 10.0.0.0/8"
LOG_END: Final = b' HTTP/1.1" 200 1 "-" "-"'
EVENT_HEAD: Final = b"POST /api/event HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n"

PARSERS: Final = (
    Parser("JSON", as_text, BODY, JSON, JSON_START + b"[", b"1]}"),
    Parser("JSON properties", as_text, BODY, JSON, JSON_START + b"{", b'"a":1}}'),
    Parser("JSON in a text", as_text, BODY, JSON, JSON_START + b'"[', b'1]"}'),
    Parser("JSON of 64 KiB", as_text, 65_000, JSON, JSON_START + b"[", b"1]}"),
    Parser("name", as_text, BODY, TEXT, b'{"u":"/","d":"a","n":"', b'"}'),
    Parser("referrer", as_text, BODY, TEXT, JSON_START + b'1,"r":"', b'"}'),
    Parser("domains", as_text, BODY, TEXT, JSON_START + b'1,"d":"', b'"}'),
    Parser("form", as_form, URLENCODED_BYTES - 100, FORM, b"n=a&u=/&d=a&p="),
    Parser("form in parts", as_parts, BODY, PARTS, b"", b"\r\n--b--", calls=14_000),
    Parser("type of a form", form_type, HEAD, PARTS),
    Parser("split of a batch", split, 1_000_000, JSON, b"[", b"1]"),
    Parser("event of a batch", item, BODY, JSON, JSON_START + b"[", b"1]}"),
    Parser("URL", address, URL_BYTES, TEXT, calls=40_000),
    Parser("attribution", campaign, URL_BYTES, TEXT, b"https://", calls=40_000),
    Parser("registrable domain", host, 253, TEXT),
    Parser("user agent", agent, MAX_LENGTH, AGENTS, forget=forget),
    Parser("Accept", accepted, HEAD, MEDIA, calls=120_000),
    Parser("X-Forwarded-For", addresses("x-forwarded-for", "all"), HEAD, ADDRESSES),
    Parser("Forwarded", addresses("forwarded", "all"), HEAD, ADDRESSES),
    Parser(
        "X-Forwarded-For, listed",
        addresses("x-forwarded-for", LISTED),
        HEAD,
        ADDRESSES,
        calls=12_000,
    ),
    Parser("Forwarded, listed", addresses("forwarded", LISTED), HEAD, ADDRESSES, calls=12_000),
    Parser("head", head, HEAD, HEADERS, EVENT_HEAD, b"\r\n\r\n", calls=25_000),
    # A store parses queries in a thread.
    Parser("query", statement, 100_000, SQL, b"SELECT ", calls=1_700_000, memory=200),
    Parser(
        "access log", record_of(Format.ACCESS_LOG), LINE, LINES, LOG_LINE, LOG_END, calls=200_000
    ),
    Parser(
        "access log's address",
        record_of(Format.ACCESS_LOG),
        LINE,
        LINES,
        b"",
        LOG_LINE + LOG_END,
        calls=500_000,
    ),
    Parser(
        "JSON log", record_of(Format.JSON_LOG), LINE, (*LINES, *JSON), b'{"status":200,"a":"', b'"}'
    ),
    Parser("event line", record_of(Format.EVENTS), LINE, JSON, JSON_START + b"[", b"1]}"),
    Parser("ALB log", record_of(Format.ALB), LINE, LINES, b"http 2026-01-01T00:00:00Z a ", b'"'),
)
