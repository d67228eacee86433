import json
from typing import Any

import pytest

from ingest.model.event import Attribution, Device, Place
from ingest.model.verdict import DropReason
from ingest.observation.event_summary import (
    DOMAIN_LENGTH,
    HOSTNAME_LENGTH,
    NAME_LENGTH,
    PATHNAME_LENGTH,
    RULE_LENGTH,
    as_json,
    cut,
    summarize,
)
from tests.examples import NOON, an_enriched_event, an_event


def test_an_accepted_event() -> None:
    event = an_enriched_event(
        pathname="/pricing",
        site_id=7,
        place=Place("DE"),
        device=Device("Firefox", "140.0", "GNU/Linux", "", "Desktop"),
        attribution=Attribution(referrer_source="Hacker News"),
    )
    assert as_json(summarize(12, event)) == {
        "number": 12,
        "at": NOON,
        "domain": "example.com",
        "site_id": 7,
        "reason": None,
        "rule": "",
        "name": "pageview",
        "hostname": "example.com",
        "pathname": "/pricing",
        "referrer_source": "Hacker News",
        "country_code": "DE",
        "browser": "Firefox",
        "operating_system": "GNU/Linux",
        "screen_size": "Desktop",
    }


def test_a_drop_at_the_gate_says_nothing_of_the_device() -> None:
    shown = as_json(summarize(1, an_event(), 1, DropReason.SITE_PAGE_BLOCKLIST, "/**"))
    assert (shown["reason"], shown["rule"], shown["site_id"]) == ("site_page_blocklist", "/**", 1)
    assert shown["browser"] == shown["operating_system"] == ""


def test_a_drop_after_the_user_agent_was_read_names_the_library() -> None:
    event = an_event(user_agent="python-requests/2.31.0")
    assert summarize(1, event, 1, DropReason.BOT).browser == "Python Requests"


def test_an_event_of_the_past_is_seen_when_it_came() -> None:
    assert summarize(1, an_event(timestamp=NOON - 9999, received=NOON)).at == NOON


@pytest.mark.parametrize(
    ("field", "sent", "length"),
    [
        ("domain", {"domains": ("d" * 10_000,)}, DOMAIN_LENGTH),
        ("name", {"name": "n" * 10_000}, NAME_LENGTH),
        ("hostname", {"hostname": "h" * 10_000}, HOSTNAME_LENGTH),
        ("pathname", {"pathname": "/" * 10_000}, PATHNAME_LENGTH),
    ],
)
def test_what_clients_make_up_is_cut(field: str, sent: dict[str, Any], length: int) -> None:
    kept = getattr(summarize(1, an_event(**sent), None, DropReason.NOT_FOUND, "r" * 999), field)
    assert len(kept) == length
    assert kept.endswith("…")


def test_rules_are_cut() -> None:
    assert len(summarize(1, an_event(), 1, DropReason.BLOCK, "r" * 9999).rule) == RULE_LENGTH


def test_neither_address_nor_user_agent_is_kept() -> None:
    event = an_event(client_ip="198.51.100.77", user_agent="Googlebot/2.1 (marker)")
    for reason in DropReason:
        kept = repr(summarize(1, event, 1, reason))
        assert "198.51" not in kept
        assert "marker" not in kept


def test_undecodable_bytes_can_be_shown_as_json() -> None:
    shown = json.dumps(as_json(summarize(1, an_event(pathname="/\udcff"))))
    assert shown.isascii()


@pytest.mark.parametrize(("text", "length", "shown"), [("abc", 3, "abc"), ("abcd", 3, "ab…")])
def test_cutting(text: str, length: int, shown: str) -> None:
    assert cut(text, length) == shown
