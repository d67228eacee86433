import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.log.frames import (
    FRAME_BYTES,
    HEADER_BYTES,
    SegmentHeader,
    Stretch,
    decode_header,
    encode_frame,
    encode_header,
    frames,
    read_frame,
    scan,
)
from actors.log.log import LogPoint
from ingest.records.record import Record
from ingest.records.run import Run, UnknownRecordError, decode_run, encode_run
from tests.actors.log.records import COUNTS, DESCRIPTION, an_event, events
from tests.examples import NOON

SOURCE = 0x1234_5678_9ABC_DEF0


def some_runs(first: int = 100, source_id: int = SOURCE) -> list[Run]:
    runs: list[Run] = []
    position, number = first, first
    contents: list[list[Record]] = [
        [DESCRIPTION],
        *([*events(10 * at, 10 * at + at % 4 + 1), *[COUNTS] * (at % 3)] for at in range(40)),
    ]
    for content in contents:
        run = Run(source_id, position, number, NOON + len(runs), content)
        runs.append(run)
        position, number = run.end, number + run.events
    return runs


def as_file(runs: list[Run]) -> bytes:
    written = [encode_frame(encode_run(run), len(run.records)) for run in runs]
    return encode_header(7, runs[0].first) + b"".join(written)


def spans(runs: list[Run]) -> list[tuple[int, int]]:
    """Where each run's frame begins and ends."""
    found = []
    offset = HEADER_BYTES
    for run in runs:
        end = offset + FRAME_BYTES + len(encode_run(run))
        found.append((offset, end))
        offset = end
    return found


RUNS = some_runs()
FILE = as_file(RUNS)
SPANS = spans(RUNS)


def found_frames(data: bytes, stretches: list[Stretch]) -> list[int]:
    """First positions of all frames in the stretches."""
    positions = []
    for stretch in stretches:
        position, offset = stretch.first.position, stretch.offset
        while offset < stretch.size:
            frame = read_frame(data, offset)
            assert frame is not None
            assert decode_run(frame.run).first == position
            positions.append(position)
            position, offset = position + frame.records, frame.end
        assert position == stretch.end.position
    return positions


def test_a_whole_file_is_one_stretch() -> None:
    (stretch,) = scan(FILE, SOURCE)
    assert (stretch.first, stretch.offset, stretch.size) == (
        LogPoint(100, 100),
        HEADER_BYTES,
        len(FILE),
    )
    assert stretch.end == LogPoint(RUNS[-1].end, RUNS[-1].number + RUNS[-1].events)
    assert stretch.log_time == RUNS[-1].log_time
    assert stretch.index[0] == (100, HEADER_BYTES)
    begins = dict(zip((run.first for run in RUNS), (begin for begin, _ in SPANS), strict=True))
    assert all(begins[position] == offset for position, offset in stretch.index)
    assert found_frames(FILE, [stretch]) == [run.first for run in RUNS]
    assert scan(FILE, SOURCE, strict=True) == [stretch]


def test_nothing_to_find() -> None:
    assert scan(b"", SOURCE) == []
    assert scan(FILE[:HEADER_BYTES], SOURCE) == []
    assert scan(FILE[: HEADER_BYTES + 5], None) == []


def test_the_header_comes_back() -> None:
    assert decode_header(FILE) == SegmentHeader(7, 100)
    assert decode_header(FILE[: HEADER_BYTES - 1]) is None
    assert decode_header(b"\xff" + FILE[1:]) is None


DAMAGE = st.lists(
    st.tuples(
        st.sampled_from(["flip", "zero", "noise"]),
        st.integers(0, len(FILE) - 1),
        st.integers(1, 1500),
        st.binary(min_size=1, max_size=50),
    ),
    max_size=4,
)


def damaged(damage: list[tuple[str, int, int, bytes]], cut: int) -> bytes:
    data = bytearray(FILE)
    for kind, place, length, noise in damage:
        if kind == "flip":
            data[place] ^= length % 255 + 1
        elif kind == "zero":
            data[place : place + length] = bytes(len(data[place : place + length]))
        else:
            data[place : place + len(noise)] = noise[: len(data) - place]
    return bytes(data[:cut])


@given(DAMAGE, st.integers(0, 2 * len(FILE)), st.booleans())
def test_exactly_the_frames_that_are_whole_are_found(
    damage: list[tuple[str, int, int, bytes]], cut: int, strict: bool
) -> None:
    data = damaged(damage, cut)
    whole = [
        run.first
        for run, (begin, end) in zip(RUNS, SPANS, strict=True)
        if data[begin:end] == FILE[begin:end]
    ]
    stretches = scan(data, SOURCE, strict=strict)
    assert found_frames(data, stretches) == whole
    by_first = {run.first: run for run in RUNS}
    for stretch in stretches:
        inside = [by_first[position] for position in whole if stretch.first.position <= position]
        inside = [run for run in inside if run.end <= stretch.end.position]
        assert stretch.first == LogPoint(inside[0].first, inside[0].number)
        last = inside[-1]
        assert stretch.end == LogPoint(last.end, last.number + last.events)


@given(st.binary(max_size=2000))
def test_no_bytes_make_it_fail(noise: bytes) -> None:
    assert scan(noise, SOURCE) == []
    assert scan(FILE[:HEADER_BYTES] + noise, None) == []
    stretches = scan(FILE + noise, SOURCE)
    assert stretches[0].size == len(FILE)


def test_a_clients_text_cannot_pose_as_a_frame() -> None:
    """Not even when the frame that has it is damaged."""
    forged = Run(1, 101, 0, NOON, tuple(events(0, 5)))
    text = encode_frame(encode_run(forged), 5).decode("latin-1")
    carrier = Run(SOURCE, 101, 100, NOON, (an_event(1, text),))
    # What a client sends reaches the file as UTF-8; here even the bytes themselves do.
    content = encode_run(carrier).replace(text.encode(), text.encode("latin-1"))
    data = bytearray(as_file(RUNS[:1]) + encode_frame(content, 1))
    data[-1] ^= 1
    assert read_frame(bytes(data), data.index(text.encode("latin-1"))) is not None
    assert [stretch.end.position for stretch in scan(bytes(data), SOURCE)] == [101]


def test_the_source_is_known_from_the_frames_in_front() -> None:
    """Whatever the file's name says."""
    data = bytearray(FILE)
    data[SPANS[3][0] + 30] ^= 1
    assert found_frames(bytes(data), scan(bytes(data), None)) == [
        run.first for at, run in enumerate(RUNS) if at != 3
    ]
    data[SPANS[0][0] + 30] ^= 1
    # Nothing in front of the damage, and no name: nothing is trusted.
    assert scan(bytes(data), None) == []


def test_a_run_that_cannot_be_decoded_is_no_run() -> None:
    header = encode_run(RUNS[2])[:34]
    broken = encode_frame(header + b"\x91\x99", len(RUNS[2].records))
    data = as_file(RUNS[:2]) + broken + b"".join(FILE[begin:end] for begin, end in SPANS[3:])
    strict = scan(data, SOURCE, strict=True)
    assert found_frames(data, strict) == [run.first for at, run in enumerate(RUNS) if at != 2]
    # As the last of its stretch it would not tell how many events it has.
    assert found_frames(data, scan(data[: SPANS[1][1] + len(broken)], SOURCE)) == [100, 101]


@pytest.mark.parametrize("at", [0, 3])
def test_a_later_version_is_refused_by_name(at: int) -> None:
    run = bytearray(encode_run(RUNS[at]))
    run[0] = 9
    begin, _ = SPANS[at]
    data = FILE[:begin] + encode_frame(bytes(run), 1)
    with pytest.raises(UnknownRecordError, match="version 9"):
        scan(data, SOURCE)


def test_the_form_of_frames_is_the_old_journals() -> None:
    frame = next(frames(FILE))
    lengths = len(frame.run).to_bytes(4, "little") + (1).to_bytes(4, "little")
    checksum = zlib.crc32(lengths + frame.run).to_bytes(4, "little")
    assert FILE[HEADER_BYTES:].startswith(lengths + checksum + frame.run)
    assert FILE.startswith(b"SLUICEJ1" + (7).to_bytes(8, "little") + (100).to_bytes(8, "little"))
