import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ingest.letters.dead_letter import (
    DeadLetter,
    LogPosition,
    describe,
    kind_of,
    network_of,
    redact,
)
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
        Insert("events_v2", ((1, "x", ("a", "b"), None, Decimal("1.500"), ()),), "token"),
        id="rows",
    ),
    pytest.param(
        Insert("events_v2", tuple((n, '"rows": []\n', None) for n in range(3)), '"rows": []'),
        id="several rows",
    ),
    pytest.param(Insert("events_v2", (), "token", attempted=True), id="no rows"),
]

VERSION_1 = Path(__file__).parent / "version_1"
"""Letters that the program wrote when their text had version 1."""


@pytest.mark.parametrize("content", CONTENTS)
def test_comes_back_as_it_was(content: Any) -> None:
    letter = DeadLetter("1-a", kind_of(content), "gate", NOON, "why", content)
    text = letter.to_json()
    assert text.isascii()
    back = DeadLetter.from_json(text)
    assert back == letter
    assert back.content == content


def test_a_letter_of_the_fold_knows_its_position() -> None:
    position = LogPosition("00ab-7", 3, 41)
    letter = DeadLetter(position.letter_id, "event", "fold", NOON, "x", an_event(), 3, 2, position)
    back = DeadLetter.from_json(letter.to_json())
    assert back == letter
    assert (back.partition, back.redriven, back.position) == (3, 2, position)


@pytest.mark.parametrize(
    ("letter_id", "position"),
    [
        ("1790078400-0badcafe", None),
        ("1790078400-12345678", None),
        ("00ff-0-12", LogPosition("00ff", 0, 12)),
        ("a-b-1-2", LogPosition("a-b", 1, 2)),
        ("a-1-x", None),
        ("-1-2", None),
        ("a-1-²", None),
    ],
)
def test_positions_are_told_by_the_name(letter_id: str, position: LogPosition | None) -> None:
    assert LogPosition.of_letter(letter_id) == position


@pytest.mark.parametrize("path", sorted(VERSION_1.iterdir()), ids=lambda path: path.stem)
def test_reads_letters_of_version_1(path: Path) -> None:
    text = path.read_text()
    assert '"version": 1' in text
    letter = DeadLetter.from_json(text)
    assert (letter.partition, letter.redriven, letter.position) == (0, 0, None)
    assert DeadLetter.from_json(letter.to_json()) == letter


def test_fields_have_names_at_every_depth() -> None:
    letter = DeadLetter("1-a", "enriched_event", "gate", NOON, "why", an_enriched_event())
    content = json.loads(letter.to_json())["content"]
    assert content["visitor"] == {"user_id": 1001, "previous_user_id": None}
    assert content["device"]["browser"] == "Chrome"


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
    event = redact(an_event(ticket=9), lambda: (Visitor(1, 2), 7))
    assert event.request.client_ip == "203.0.113.0"
    assert (event.visitor, event.partition) == (Visitor(1, 2), 7)
    assert event.ticket == 0
    again = redact(event, lambda: (Visitor(3, 4), 8))
    assert (again.visitor, again.partition) == (Visitor(1, 2), 7)


def test_redacting_works_when_the_ids_are_what_fails() -> None:
    def fail() -> tuple[Visitor, int]:
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
