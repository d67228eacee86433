import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ingest.engine.message import (
    MESSAGE_EVENTS,
    POSITIONS,
    UnknownMessageError,
    decode_message,
    encode_message,
)
from ingest.model.event import EnrichedEvent, Source
from ingest.records.encoding import encode
from ingest.records.record import DropCounts, EndOfSource, MetricCount, Record
from ingest.records.run import Run
from tests.examples import NOON, an_enriched_event
from tests.ingest.records.strategies import IDS, RECORDS

LETTER = Source("letter:7", 3)
FULL = MESSAGE_EVENTS


def a_message(*records: Record, first: int = 40) -> bytes:
    return encode_message(
        0xFEED, [(position, *encode(record)) for position, record in enumerate(records, first)]
    )


def decoded(data: bytes) -> Run:
    return decode_message(data, 5, 1000, NOON)


def test_a_message_is_a_run_that_takes_all_its_positions() -> None:
    run = decoded(a_message(an_enriched_event(), EndOfSource("import:x")))

    assert (run.source_id, run.first, run.end) == (0xFEED, 5 * POSITIONS, 6 * POSITIONS)
    assert (run.number, run.log_time, run.events) == (1000, NOON, 1)


def test_records_have_the_front_as_source_unless_they_have_their_own() -> None:
    event = an_enriched_event()
    counts = DropCounts((MetricCount(NOON, "a.com", 1, "dropped_bot", 36, 4),))
    sent: list[Record] = [event, replace(event, source=LETTER), counts, EndOfSource("import:x")]

    run = decoded(a_message(*sent))

    assert run.records == [
        replace(event, source=Source("front:000000000000feed", 41)),
        replace(event, source=LETTER),
        replace(counts, source=Source("front:000000000000feed", 43)),
        EndOfSource("import:x"),
    ]


def test_a_full_message_has_no_gap() -> None:
    run = decoded(a_message(*[an_enriched_event()] * FULL))

    assert (len(run.records), run.gap) == (FULL, 0)


@given(
    IDS,
    st.lists(st.tuples(st.integers(0, 2**63), RECORDS), min_size=1, max_size=4),
    st.integers(0, 2**50),
    IDS,
    IDS,
)
def test_decodes_what_was_encoded(
    source_id: int, sent: list[tuple[int, Record]], offset: int, number: int, log_time: int
) -> None:
    data = encode_message(source_id, [(position, *encode(record)) for position, record in sent])

    run = decode_message(data, offset, number, log_time)

    name = f"front:{source_id:016x}"
    expected = [
        replace(record, source=Source(name, position + 1))
        if isinstance(record, EnrichedEvent | DropCounts) and record.source is None
        else record
        for position, record in sent
    ]
    assert run == Run(
        source_id, offset * POSITIONS, number, log_time, expected, POSITIONS - len(sent)
    )


@pytest.mark.parametrize("version", [0, 2, 255])
def test_refuses_other_versions_by_number(version: int) -> None:
    data = bytes([version]) + a_message(an_enriched_event())[1:]

    with pytest.raises(UnknownMessageError, match=f"version {version} is not known") as caught:
        decoded(data)

    assert caught.value.version == version


GOOD = a_message(an_enriched_event())


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(GOOD[:5], id="part of a header"),
        pytest.param(GOOD[:9], id="no records"),
        pytest.param(GOOD[:15], id="part of a record's header"),
        pytest.param(GOOD[:-1], id="part of a record"),
        pytest.param(GOOD + b"\0", id="bytes after the last record"),
        pytest.param(GOOD[:9] + b"\7" + GOOD[10:], id="unknown form"),
        pytest.param(GOOD[:18] + struct.pack("<I", 2**32 - 1) + GOOD[22:], id="length too great"),
        pytest.param(a_message(*[an_enriched_event()] * (FULL + 1)), id="too many records"),
        pytest.param(encode_message(1, [(0, *encode([9, "?"]))]), id="unknown kind of record"),
    ],
)
def test_refuses_what_is_no_message(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"not a message|broken content"):
        decoded(data)


@given(st.binary(max_size=80), st.integers(0, len(GOOD)))
def test_any_bytes_are_a_message_or_a_value_error(noise: bytes, place: int) -> None:
    for data in (noise, b"\1" + noise, GOOD[:place] + noise + GOOD[place + len(noise) :]):
        try:
            run = decoded(data)
        except ValueError:
            continue
        assert 0 < len(run.records) <= POSITIONS
