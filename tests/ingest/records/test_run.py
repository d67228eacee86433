import contextlib
import struct
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from ingest.model.event import (
    Device,
    EnrichedEvent,
    RevenueAmounts,
    Visitor,
)
from ingest.records.record import (
    Description,
    DropCounts,
    EndOfSource,
    MetricCount,
    Record,
)
from ingest.records.run import (
    HEADER_BYTES,
    SOURCE_OFFSET,
    VERSION,
    LogPoint,
    Run,
    UnknownRecordError,
    check_version,
    decode_run,
    decode_run_header,
    encode_run,
)
from tests.examples import NOON, an_enriched_event
from tests.ingest.records.examples import a_full_event
from tests.ingest.records.strategies import IDS, RECORDS

runs = st.builds(Run, IDS, IDS, IDS, IDS, st.lists(RECORDS, max_size=4))

OTHERS: list[Record] = [
    DropCounts((MetricCount(NOON, "else.example", None, "dropped_not_found", 36, 2),)),
    EndOfSource("import:0123"),
    Description(session_seconds=1800),
]


def a_run(records: Sequence[Record], first: int = 100, number: int = 40) -> Run:
    return Run(0xFEED, first, number, NOON, records)


@given(runs)
@example(a_run([a_full_event(), *OTHERS]))
def test_a_run_comes_back_as_it_was(run: Run) -> None:
    assert decode_run(encode_run(run)) == run


def test_the_header_is_the_same_whatever_the_records_are() -> None:
    run = a_run([an_enriched_event()])
    for data in (encode_run(run), encode_run(a_run([a_full_event()]))):
        assert HEADER_BYTES == 34
        # A program that knows only earlier versions looks at this byte, and refuses the record.
        assert data[0] == VERSION == 3
        assert struct.unpack_from("<Q", data, SOURCE_OFFSET) == (0xFEED,)
        assert struct.unpack_from("<QQQ", data, SOURCE_OFFSET + 8) == (100, 40, NOON)
        assert decode_run_header(data) == (0xFEED, 100, 40, NOON)


@pytest.mark.parametrize(("form", "pathname"), [("msgpack", "/café"), ("json", "/caf\udce9")])
def test_a_recorded_run_is_read(form: str, pathname: str) -> None:
    """Fields keep their places for good: these runs were written when version 3 was new."""
    recorded = (Path(__file__).parent / "recorded" / f"run_version_3.{form}").read_bytes()
    event = replace(a_full_event(), pathname=pathname)
    assert decode_run(recorded) == a_run([event, *OTHERS])


def test_fields_that_are_added_later_have_their_defaults_in_old_records() -> None:
    records = decode_run(
        encode_run(a_run([]))[:HEADER_BYTES].replace(b"\x03\x00", b"\x03\x01", 1)
        + b'[[3, 1800], [0, "a", 0, 1, [1, null], 1, 1, "n", "h", "/", [], true, 0, 0, [], [], [],'
        b" null, 7]]"
    ).records
    assert records == [
        Description(1800),
        an_enriched_event(
            domain="a",
            visitor=Visitor(1, None),
            timestamp=1,
            received=1,
            name="n",
            hostname="h",
            device=Device(),
            nonce=7,
        ),
    ]


@pytest.mark.parametrize("version", [0, 1, 2, VERSION + 1, 255])
def test_another_version_is_told_apart_from_garbage(version: int) -> None:
    data = bytes((version,)) + encode_run(a_run(OTHERS))[1:]
    for refuse in (check_version, decode_run):
        with pytest.raises(UnknownRecordError, match=f"version {version} "):
            refuse(data)


def test_a_version_is_checked_without_the_rest() -> None:
    check_version(b"")
    check_version(bytes((VERSION,)))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(encode_run(a_run([]))[: HEADER_BYTES - 1], id="half a header"),
        pytest.param(encode_run(a_run([]))[:HEADER_BYTES], id="no records"),
        pytest.param(encode_run(a_run(OTHERS))[:-1], id="half a record"),
        pytest.param(encode_run(a_run(OTHERS)) + b"\0", id="something behind it"),
        pytest.param(encode_run(a_run([]))[:HEADER_BYTES] + b"\x91\x91\x09", id="another kind"),
        pytest.param(b"\x03\x05" + encode_run(a_run(OTHERS))[2:], id="another form"),
    ],
)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"not a run|broken content"):
        decode_run(data)


@given(
    st.binary(max_size=100)
    | st.builds(
        bytes.__add__,
        st.sampled_from([b"\x03\x00" + bytes(32), b"\x03\x01" + bytes(32)]),
        st.binary(max_size=100),
    )
)
def test_garbage_is_refused_and_nothing_else_raised(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        decode_run(data)


@given(st.data(), st.lists(st.booleans(), max_size=8))
def test_the_parts_of_a_run_fit_together(data: st.DataObject, kinds: list[bool]) -> None:
    records: list[Record] = [
        an_enriched_event(nonce=number) if is_event else EndOfSource(f"import:{number}")
        for number, is_event in enumerate(kinds)
    ]
    run = a_run(records)
    position = run.first + data.draw(st.integers(0, len(records)))
    part = run.starting_at(position)
    assert (part.first, part.end_point) == (position, run.end_point)
    assert list(part.records) == records[position - run.first :]
    assert part.number == run.number + sum(kinds[: position - run.first])
    assert (part.source_id, part.log_time) == (run.source_id, run.log_time)


@pytest.mark.parametrize("position", [0, 99, 100])
def test_a_run_that_begins_later_is_whole(position: int) -> None:
    run = a_run(OTHERS)
    assert run.starting_at(position) is run


@pytest.mark.parametrize("position", [101, 103, 104, 163, 164])
def test_a_gap_follows_the_last_record(position: int) -> None:
    run = replace(a_run(OTHERS), gap=61)
    assert run.end_point == LogPoint(164, 40)
    part = run.starting_at(position)
    assert (part.first, part.end_point) == (position, run.end_point)


def test_only_events_have_numbers() -> None:
    run = a_run([*OTHERS, an_enriched_event(), an_enriched_event()])
    assert (run.events, run.end, run.end_point) == (2, 105, LogPoint(105, 42))
    assert a_run([]).end_point == LogPoint(100, 40)


def test_amounts_keep_their_digits() -> None:
    amount = RevenueAmounts(Decimal("10.200"), "USD", Decimal("0.000"), "EUR")
    for pathname in ("/", "/\udcff"):
        event: Any = an_enriched_event(revenue=amount, pathname=pathname)
        (back,) = decode_run(encode_run(a_run([event]))).records
        assert isinstance(back, EnrichedEvent)
        assert back.revenue is not None
        assert str(back.revenue.source_amount) == "10.200"
        assert str(back.revenue.reporting_amount) == "0.000"
