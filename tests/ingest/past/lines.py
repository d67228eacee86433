"""Lines of logs for tests, and what readers need to know."""

import csv
import io
from collections.abc import Iterable
from typing import Any, Final

from ingest.past.past_event import PastEvent, ReaderOptions, SkipReason
from ingest.request.client_address import TrustedProxies
from tests.examples import NOON

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/131.0.0.0 Safari/537.36"
)
COMBINED = (
    '203.0.113.9 - - [22/Sep/2026:11:58:20 +0000] "GET /a?utm_source=x HTTP/1.1" 200 512 '
    f'"https://news.ycombinator.com/" "{CHROME}"'
)

PAGE_VIEW: Final[dict[str, Any]] = {
    "timestamp": NOON - 100,
    "name": "pageview",
    "domains": ("example.com",),
    "hostname": "example.com",
    "pathname": "/a",
    "query": {"b": "c"},
    "referrer": "https://t.co/x",
    "client_ip": "203.0.113.9",
    "user_agent": CHROME,
    "props": (),
    "received": NOON,
}
"""What `told` returns for the page view that tests write in each format."""

COMBINED_VIEW: Final = PAGE_VIEW | {
    "query": {"utm_source": "x"},
    "referrer": "https://news.ycombinator.com/",
}
"""What it returns for `COMBINED`."""


def options(**changes: Any) -> ReaderOptions:
    fields: dict[str, Any] = {
        "received": NOON,
        "site": "example.com",
        "proxies": TrustedProxies.parse("private"),
    }
    return ReaderOptions(**(fields | changes))


def told(outcome: PastEvent | SkipReason) -> dict[str, Any]:
    """What an event says, as far as readers decide it."""
    assert isinstance(outcome, PastEvent), outcome
    request = outcome.request
    return {
        "timestamp": request.timestamp,
        "name": request.name,
        "domains": request.domains,
        "hostname": request.hostname,
        "pathname": request.pathname,
        "query": request.query,
        "referrer": request.referrer,
        "client_ip": request.client_ip,
        "user_agent": request.user_agent,
        "props": request.props,
        "received": request.received,
    }


def csv_line(cells: Iterable[str]) -> bytes:
    """A line of CSV without its end."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue().removesuffix("\n").encode("utf-8", "surrogateescape")
