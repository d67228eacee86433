import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.engine.cluster_record import (
    ClusterRecord,
    decode_cluster_record,
    encode_cluster_record,
    new_cluster_record,
)
from ingest.records.record import Description

RECORD = ClusterRecord("00c0ffee00c0ffee", 64, 1800)
DOCUMENT = json.loads(encode_cluster_record(RECORD))


@given(st.integers(1, 4096), st.integers(1, 1440))
def test_reads_what_was_written(partitions: int, minutes: int) -> None:
    record = new_cluster_record(partitions, minutes)

    assert decode_cluster_record(encode_cluster_record(record)) == record
    assert (record.partitions, record.session_seconds) == (partitions, minutes * 60)


def test_ids_are_random() -> None:
    assert new_cluster_record(1, 30).cluster_id != new_cluster_record(1, 30).cluster_id


def test_the_text_stays_readable_for_later_versions() -> None:
    assert encode_cluster_record(RECORD) == (
        b'{"cluster_id":"00c0ffee00c0ffee","partitions":64,"session_seconds":1800,"format":1}'
    )


def test_sessions_are_kept_for_as_long_as_a_front_may_be_cut_off() -> None:
    assert RECORD.description == Description(1800, 1800)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2, "partitions": "many"}, "format 2 is not known, only 1"),
        ({"cluster_id": "abc"}, "id has not 16 hexadecimal digits"),
        ({"cluster_id": "00C0FFEE00C0FFEE"}, "id has not 16 hexadecimal digits"),
        ({"partitions": 0}, "partitions: expected 1 to 4096, got 0"),
        ({"partitions": 4097}, "partitions: expected 1 to 4096, got 4097"),
        ({"session_seconds": 0}, "session seconds: expected 1 or more, got 0"),
        ({"partitions": None}, "not a cluster record"),
    ],
)
def test_refuses_what_cannot_be(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decode_cluster_record(json.dumps(DOCUMENT | changes).encode())


@pytest.mark.parametrize("data", [b"", b"null", b"{}", b"\xff", b"[" * 100_000])
def test_refuses_what_is_no_record(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a cluster record"):
        decode_cluster_record(data)
