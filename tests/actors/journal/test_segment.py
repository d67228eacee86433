import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.journal.segment import (
    FRAME_BYTES,
    HEADER_BYTES,
    DamagedSegmentError,
    Frame,
    Segment,
)

RECORDS = [bytes([n]) * (n + 1) for n in range(50)]


def written(directory: Path, first: int = 100) -> Segment:
    """A segment with two events in each frame."""
    segment = Segment.create(directory, 7, first)
    for record in RECORDS:
        segment.append(record, 2)
    return segment


def test_frames_come_back_by_position(tmp_path: Path) -> None:
    path = written(tmp_path).path
    segment = Segment.open(path)
    assert (segment.journal_id, segment.first, segment.end, segment.torn) == (7, 100, 200, 0)
    for position in range(100, 200):
        number = (position - 100) // 2
        assert segment.read(position) == Frame(100 + 2 * number, 2, RECORDS[number])
    for outside in (99, 200):
        with pytest.raises(IndexError):
            segment.read(outside)


def test_files_are_for_the_owner_only(tmp_path: Path) -> None:
    assert written(tmp_path).path.stat().st_mode & 0o777 == 0o600


@given(st.integers(0, 3_000))
def test_a_tail_that_was_cut_off_costs_only_its_own_frame(
    tmp_path_factory: pytest.TempPathFactory, length: int
) -> None:
    segment = written(tmp_path_factory.mktemp("segment"))
    length = min(HEADER_BYTES + length, segment.size)
    os.truncate(segment.path, length)
    reopened = Segment.open(segment.path)
    assert reopened.size <= length
    assert reopened.size + reopened.torn == length
    whole = (reopened.end - reopened.first) // 2
    assert [reopened.read(100 + 2 * n).record for n in range(whole)] == RECORDS[:whole]
    if whole < len(RECORDS):
        assert reopened.size + FRAME_BYTES + len(RECORDS[whole]) > length


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_changed_byte_is_never_read_as_an_event(
    tmp_path_factory: pytest.TempPathFactory, place: int, change: int
) -> None:
    segment = written(tmp_path_factory.mktemp("segment"))
    data = bytearray(segment.path.read_bytes())
    data[place % len(data)] ^= change
    segment.path.write_bytes(data)
    try:
        reopened = Segment.open(segment.path)
    except DamagedSegmentError:
        assert place % len(data) < HEADER_BYTES
        return
    whole = (reopened.end - reopened.first) // 2
    assert whole < len(RECORDS)
    assert [reopened.read(100 + 2 * n).record for n in range(whole)] == RECORDS[:whole]


def test_what_a_failed_write_left_is_overwritten(tmp_path: Path) -> None:
    segment = Segment.create(tmp_path, 7, 0)
    segment.append(b"first", 1)
    with segment.path.open("ab") as file:
        file.write(b"\xff" * 100)
    segment.append(b"second", 1)
    reopened = Segment.open(segment.path)
    assert reopened.end == 2
    assert reopened.torn > 0
    reopened.repair()
    assert Segment.open(segment.path).torn == 0


def test_damage_after_opening_is_found_when_it_is_read(tmp_path: Path) -> None:
    segment = written(tmp_path)
    with segment.path.open("r+b") as file:
        file.seek(segment.size - 1)
        file.write(b"\xff")
    with pytest.raises(ValueError, match="damaged"):
        segment.read(199)


@pytest.mark.parametrize("content", [b"", b"SLUICEJ1", b"\0" * HEADER_BYTES])
def test_a_file_without_a_header_is_no_segment(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.journal"
    path.write_bytes(content)
    with pytest.raises(DamagedSegmentError):
        Segment.open(path)


def test_a_segment_that_cannot_be_made_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match="No space"):
        Segment.create(tmp_path, 7, 0)
    assert list(tmp_path.iterdir()) == []
