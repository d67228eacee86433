import contextlib
import json
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.model.event import Attribution, Device, Place, RevenueAmounts
from ingest.records import row_record as record
from ingest.records.row_record import UnknownRecordError, check_version, decode, encode
from ingest.rows.layout import LIVE, EventRows, Origin, event_row, session_row
from ingest.sessions.session import begin
from tests.examples import an_enriched_event

TEXT = st.text(st.characters(exclude_categories=()), max_size=20)
NUMBER = st.integers(0, 2**64 - 1)


@st.composite
def runs(draw: st.DrawFn) -> list[EventRows]:
    rows = []
    for _ in range(draw(st.integers(1, 4))):
        text, number = draw(TEXT), draw(NUMBER)
        amount = draw(st.decimals(0, 10**12, places=3))
        event = an_enriched_event(
            pathname=text,
            props=((text, text),) * draw(st.integers(0, 2)),
            revenue=draw(st.sampled_from([None, RevenueAmounts(amount, "EUR", None, "")])),
            place=Place("DE", city_geoname_id=number % 2**32),
        )
        session = begin(event, number)
        states = tuple(
            session_row(session, sign) for sign in draw(st.sampled_from([(), (1,), (-1, 1)]))
        )
        origin = draw(st.sampled_from([LIVE, Origin(past=True), Origin(letter="1-a")]))
        rows.append(EventRows(event_row(event, session), states, origin))
    return rows


@given(runs())
def test_rows_come_back_as_they_were(run: list[EventRows]) -> None:
    assert decode(encode(run)) == run


def test_every_column_keeps_its_value() -> None:
    event = an_enriched_event(
        attribution=Attribution("r", "s", "us", "um", "uc", "uco", "ut", "gclid", "Paid Search"),
        device=Device("Firefox", "1.0", "Linux", "2.0", "Desktop"),
        revenue=RevenueAmounts(Decimal("1.500"), "EUR", Decimal("1.630"), "USD"),
    )
    session = begin(event, 2**64 - 1)
    run = [EventRows(event_row(event, session), (session_row(session, 1),))]
    assert decode(encode(run)) == run


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x01", id="no form"),
        pytest.param(b"\x01\x00", id="no rows"),
        pytest.param(b"\x01\x00\x91\x01", id="a number for rows"),
        pytest.param(b"\x01\x01{", id="broken text"),
        pytest.param(b"\x01\x01[[[1], []]]", id="a row that is too short"),
        pytest.param(b"\x02\x01[]", id="neither rows nor origins"),
        pytest.param(b"\x02\x01[[], [[0, true, null]]]", id="an origin of no event"),
    ],
)
def test_anything_else_is_refused(broken: bytes) -> None:
    with pytest.raises(ValueError, match="not a record"):
        decode(broken)


@given(st.binary(max_size=200))
def test_garbage_is_refused_and_nothing_else_raised(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        decode(data)


def test_a_later_version_is_told_apart_from_garbage() -> None:
    later = bytes((record.VERSION + 1,)) + encode([])[1:]
    with pytest.raises(UnknownRecordError):
        check_version(later)
    with pytest.raises(UnknownRecordError):
        decode(later)


@pytest.mark.parametrize("pathname", ["/", "/\udcff"], ids=["binary", "text"])
def test_an_earlier_version_is_read_by_its_own_reader(pathname: str) -> None:
    """As after an upgrade; `tests/actors/journal` has a journal that version 1 has written."""
    event = an_enriched_event(pathname=pathname)
    session = begin(event, 1)
    rows = EventRows(event_row(event, session), (session_row(session, 1),))
    content = [(rows.event, rows.sessions)]
    old = (
        b"\x01\x00" + msgspec.msgpack.encode(content)
        if pathname == "/"
        else b"\x01\x01" + json.dumps(content).encode()
    )
    assert decode(old) == [rows]
    assert encode(decode(old))[0] == record.VERSION
