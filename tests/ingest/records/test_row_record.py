import contextlib
import json
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.model.event import Place, RevenueAmounts
from ingest.records.encoding import TEXT
from ingest.records.row_record import (
    LIVE,
    VERSION,
    Origin,
    decode_journal_run,
)
from ingest.records.run import UnknownRecordError
from ingest.rows.layout import EventRows, event_row, session_row
from ingest.sessions.session import begin
from tests.examples import NOON, an_enriched_event
from tests.ingest.records.examples import ATTRIBUTION, DEVICE, PLACE
from tests.ingest.records.old_forms import decode_rows, encode_rows

TEXTS = st.text(st.characters(exclude_categories=()), max_size=20)
NUMBERS = st.integers(0, 2**64 - 1)

RECORDED = Path(__file__).parent / "recorded"
"""Records of version 2, as the program wrote them when its journal held rows."""


@st.composite
def runs(draw: st.DrawFn) -> list[EventRows]:
    rows = []
    for _ in range(draw(st.integers(1, 4))):
        text, number = draw(TEXTS), draw(NUMBERS)
        amount = draw(st.decimals(0, 10**12, places=3))
        event = an_enriched_event(
            pathname=text,
            props=((text, text),) * draw(st.integers(0, 2)),
            revenue=draw(st.sampled_from([None, RevenueAmounts(amount, "EUR", None, "")])),
            place=Place("DE", city_geoname_id=number % 2**32),
            nonce=number,
        )
        session = begin(event, NOON)
        states = tuple(
            session_row(session, sign) for sign in draw(st.sampled_from([(), (1,), (-1, 1)]))
        )
        rows.append(EventRows(event_row(event, session), states))
    return rows


@given(runs())
def test_rows_come_back_as_they_were(run: list[EventRows]) -> None:
    assert decode_rows(encode_rows(run)) == run


def test_every_column_keeps_its_value() -> None:
    event = an_enriched_event(
        attribution=ATTRIBUTION,
        device=DEVICE,
        place=PLACE,
        revenue=RevenueAmounts(Decimal("1.500"), "EUR", Decimal("1.630"), "USD"),
        nonce=2**64 - 1,
    )
    session = begin(event, NOON)
    run = [EventRows(event_row(event, session), (session_row(session, 1),))]
    assert decode_rows(encode_rows(run)) == run


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x01", id="no form"),
        pytest.param(b"\x01\x00", id="no rows"),
        pytest.param(b"\x01\x07\x90", id="another form"),
        pytest.param(b"\x01\x00\x91\x01", id="a number for rows"),
        pytest.param(b"\x01\x01{", id="broken text"),
        pytest.param(b"\x01\x01[[[1], []]]", id="a row that is too short"),
        pytest.param(b"\x02\x01[]", id="neither rows nor origins"),
        pytest.param(b"\x02\x01[[], [[0, true, null]]]", id="an origin of no event"),
        pytest.param(b"\x02\x01" + b"[" * 100_000, id="deep text"),
    ],
)
def test_anything_else_is_refused(broken: bytes) -> None:
    with pytest.raises(ValueError, match=r"not a record|broken content"):
        decode_rows(broken)


@given(st.binary(max_size=200) | st.builds(bytes.__add__, st.just(b"\x02\x01"), st.binary()))
def test_garbage_is_refused_and_nothing_else_raised(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        decode_rows(data)


@pytest.mark.parametrize("version", [0, VERSION + 1, 255])
def test_a_later_version_is_told_apart_from_garbage(version: int) -> None:
    with pytest.raises(UnknownRecordError, match=f"version {version} "):
        decode_rows(bytes((version,)) + encode_rows([])[1:])


@pytest.mark.parametrize("pathname", ["/", "/\udcff"], ids=["binary", "text"])
def test_version_1_knows_no_origins(pathname: str) -> None:
    event = an_enriched_event(pathname=pathname)
    session = begin(event, NOON)
    rows = EventRows(event_row(event, session), (session_row(session, 1),))
    content = [(rows.event, rows.sessions)]
    old = (
        b"\x01\x00" + msgspec.msgpack.encode(content)
        if pathname == "/"
        else b"\x01\x01" + json.dumps(content).encode()
    )
    assert decode_journal_run(old) == [(rows, LIVE)]


def test_recorded_rows_are_read() -> None:
    ((rows, origin),) = decode_journal_run((RECORDED / "rows_version_2.msgpack").read_bytes())
    assert origin == LIVE
    assert rows == example_rows()


def test_recorded_rows_with_bytes_that_are_no_text_are_read() -> None:
    content = (RECORDED / "rows_version_2.json").read_bytes()
    assert content[1] == TEXT
    (first, _), (second, _), (third, _) = run = decode_journal_run(content)
    assert [origin for _, origin in run] == [Origin(past=True), Origin(letter="1-a"), LIVE]
    assert first == example_rows()
    assert second.event[6] == third.event[6] == "/caf\udce9"
    assert (second.event[25], second.event[27]) == (Decimal("7.140"), Decimal("10.200"))
    assert [row[1] for row in second.sessions] == [-1, 1]


def example_rows() -> EventRows:
    """The first event of what was recorded."""
    event = an_enriched_event(
        pathname="/é",
        props=(("plan", "pro"),),
        place=PLACE,
        device=DEVICE,
        attribution=ATTRIBUTION,
        nonce=2**64 - 1,
    )
    session = begin(event, NOON)
    return EventRows(event_row(event, session), (session_row(session, 1),))
