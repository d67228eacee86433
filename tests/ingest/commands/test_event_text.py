from typing import Any

import pytest

from ingest.commands.event_text import (
    ACCEPTED_HEAD,
    DROPS_HEAD,
    accepted_line,
    client_lines,
    drop_line,
    error_lines,
)
from ingest.commands.output import printable
from ingest.model.event import Attribution, Device, Place
from ingest.model.verdict import DropReason
from ingest.observation.event_summary import as_json, summarize
from tests.examples import an_enriched_event, an_event


def test_a_drop() -> None:
    event = an_event(pathname="/admin/x")
    line = drop_line(as_json(summarize(1, event, 1, DropReason.SITE_PAGE_BLOCKLIST, "/admin/**")))
    for title, value in (
        ("time", "2026-09-22 12:00:00"),
        ("domain", "example.com"),
        ("reason", "site_page_blocklist"),
        ("what hit", "/admin/**"),
        ("event", "pageview example.com/admin/x"),
    ):
        assert line[DROPS_HEAD.index(title) :].startswith(value)


def test_an_accepted_event() -> None:
    event = an_enriched_event(
        place=Place("DE"),
        device=Device("Firefox", "140.0", "GNU/Linux", "", "Desktop"),
        attribution=Attribution(referrer_source="Google"),
    )
    line = accepted_line(as_json(summarize(1, event)))
    for title, value in (
        ("time", "2026-09-22 12:00:00"),
        ("event", "pageview"),
        ("page", "example.com/"),
        ("source", "Google, DE, Firefox GNU/Linux Desktop"),
    ):
        assert line[ACCEPTED_HEAD.index(title) :].startswith(value)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ü 日", "plain ü 日"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("a\r\nb\tc", r"a\r\nb\tc"),
        ("\udcff", r"\udcff"),
        ("‮right to left", r"\u202eright to left"),
    ],
)
def test_nothing_moves_the_cursor(text: str, shown: str) -> None:
    assert printable(text) == shown
    for line in (drop_line, accepted_line):
        event = an_event(name=text, pathname=text, hostname=text, domains=(text,))
        summary = as_json(summarize(1, event, None, DropReason.NOT_FOUND, text))
        assert line(summary).isprintable()


def test_a_client_whose_headers_do_not_count() -> None:
    told: dict[str, Any] = {"class": "public", "version": 4, "network": "8.8.8.0/24"}
    client = {
        **told,
        "source": "peer",
        "peer": {**told, "trusted": False},
        "headers_ignored": ["x-forwarded-for"],
        "why_ignored": "the peer is not among SLUICE_TRUSTED_PROXIES",
    }
    assert list(client_lines(client)) == [
        "client: public IPv4 address in 8.8.8.0/24, from peer",
        "  peer: public IPv4 address in 8.8.8.0/24, not trusted",
        "  ignored: x-forwarded-for (the peer is not among SLUICE_TRUSTED_PROXIES)",
    ]


def test_errors_without_more() -> None:
    assert list(error_lines({"errors": {"request": ["Unable to parse"]}})) == [
        "request: Unable to parse"
    ]
