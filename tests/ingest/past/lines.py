"""Lines of logs for tests, and what readers need to know."""

from typing import Any

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
