from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ingest.letters.dead_letter import DeadLetter, describe, kind_of, network_of, redact
from ingest.model.event import Revenue, RevenueAmounts, Visitor
from ingest.rows.batch import Insert
from tests.examples import NOON, an_enriched_event, an_event

CONTENTS: list[Any] = [
    pytest.param(
        an_event(
            props=(("a", "b"),),
            revenue=Revenue(Decimal("10.20"), "USD"),
            query={"utm_source": "x"},
        ),
        id="event",
    ),
    pytest.param(replace(an_event(), visitor=Visitor(2**64 - 1, 5)), id="event with visitor"),
    pytest.param(
        an_enriched_event(
            pathname="/\udcff",
            revenue=RevenueAmounts(Decimal("10.200"), "USD", None, ""),
        ),
        id="enriched event",
    ),
    pytest.param(
        Insert("events_v2", ((1, "x", ("a", "b"), None, Decimal("1.500"), ()),), "token", None),
        id="rows",
    ),
]


@pytest.mark.parametrize("content", CONTENTS)
def test_comes_back_as_it_was(content: Any) -> None:
    letter = DeadLetter("1-a", kind_of(content), "gate", NOON, "why", content)
    text = letter.to_json()
    assert text.isascii()
    back = DeadLetter.from_json(text)
    assert back == letter
    assert back.content == content


@pytest.mark.parametrize("content", CONTENTS)
def test_a_summary_tells_no_visitor(content: Any) -> None:
    summary = DeadLetter("1-a", kind_of(content), "gate", NOON, "why", content).summary()
    assert "203.0.113.9" not in str(summary)
    assert {"id", "kind", "actor", "created_at", "error"} < summary.keys()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"version": 1}',
        '{"version": 99, "kind": "rows"}',
        '{"version": 1, "kind": "rows", "content": {}}',
        '{"version": 1, "kind": "other", "content": {}}',
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="letter"):
        DeadLetter.from_json(text)


def test_redacting_cuts_the_address_and_keeps_the_visitor() -> None:
    event = redact(an_event(ticket=9), lambda: Visitor(1, 2))
    assert event.request.client_ip == "203.0.113.0"
    assert event.visitor == Visitor(1, 2)
    assert event.ticket == 0
    assert redact(event, lambda: Visitor(3, 4)).visitor == Visitor(1, 2)


def test_redacting_works_when_the_ids_are_what_fails() -> None:
    def fail() -> Visitor:
        raise ZeroDivisionError

    assert redact(an_event(), fail).visitor is None


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.9", "203.0.113.0"),
        ("2001:db8:1:2:3::4", "2001:db8:1::"),
        ("fe80::1%eth0", "fe80::"),
        ("garbage", ""),
        ("", ""),
    ],
)
def test_networks(address: str, network: str) -> None:
    assert network_of(address) == network


@given(st.text())
def test_networks_of_any_text(address: str) -> None:
    assert isinstance(network_of(address), str)


def test_errors_are_described_without_their_text() -> None:
    try:
        raise KeyError("203.0.113.9")
    except KeyError as error:
        described = describe(error)
    assert described.startswith("KeyError at test_errors_are_described_without_their_text:")
    assert "203" not in described
    assert describe(ValueError("never raised")) == "ValueError"
    assert describe(None) == "the actor had stopped"
