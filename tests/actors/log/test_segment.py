import errno
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.log.frames import HEADER_BYTES
from actors.log.log import LogPoint
from actors.log.segment import DamagedFrameError, Segment, read_file, source_in
from ingest.records.run import Run, encode_run
from tests.actors.log.files import fail_with, flip
from tests.actors.log.test_frames import RUNS, SOURCE, SPANS


def append(segment: Segment, run: Run) -> None:
    end = LogPoint(run.end, run.number + run.events)
    segment.append(encode_run(run), len(run.records), end, run.log_time)


def written(directory: Path) -> Segment:
    segment = Segment.create(directory, 7, RUNS[0], encode_run(RUNS[0]))
    for run in RUNS[1:]:
        append(segment, run)
    return segment


@pytest.fixture
def segment(tmp_path: Path) -> Iterator[Segment]:
    with closing(written(tmp_path)) as segment:
        yield segment


def everything(segment: Segment) -> list[Run]:
    runs = []
    position = 0
    while (run := segment.read(position)) is not None:
        runs.append(run)
        position = run.end
    return runs


def test_runs_come_back_by_position(tmp_path: Path) -> None:
    new = written(tmp_path)
    for segment in (new, Segment.open(new.path)):
        assert segment.header is not None
        assert (segment.header.log_id, segment.header.first, segment.torn) == (7, 100, 0)
        assert segment.whole
        assert segment.used
        assert (segment.first.position, segment.end.position) == (100, RUNS[-1].end)
        assert everything(segment) == RUNS
        for run in RUNS:
            assert segment.read(run.end - 1) == run
        segment.close()


def test_files_are_for_the_owner_only_and_named_after_their_source(segment: Segment) -> None:
    path = segment.path
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.name == f"{100:020d}-{SOURCE:016x}.journal"
    assert source_in(path) == SOURCE
    assert source_in(Path(f"{100:020d}.journal")) is None


def test_what_a_failed_write_left_is_overwritten(tmp_path: Path) -> None:
    segment = Segment.create(tmp_path, 7, RUNS[0], encode_run(RUNS[0]))
    assert not segment.used
    with segment.path.open("ab") as file:
        file.write(b"\xff" * 1000)
    append(segment, RUNS[1])
    segment.close()
    reopened = Segment.open(segment.path)
    assert everything(reopened) == RUNS[:2]
    assert reopened.torn > 0
    reopened.cut()
    reopened.close()
    again = Segment.open(segment.path)
    assert again.torn == 0
    again.close()


def test_a_segment_that_cannot_be_made_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "pwrite", fail_with(errno.ENOSPC))
    with pytest.raises(OSError, match="No space"):
        written(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("at", [0, 3, 20, len(RUNS) - 1])
def test_damage_after_opening_is_found_when_it_is_read(segment: Segment, at: int) -> None:
    end, size = segment.end, segment.size
    flip(segment.path, SPANS[at][1] - 1)
    with pytest.raises(DamagedFrameError):
        segment.read(RUNS[at].first)
    segment.replace(segment.scan_again(size), size, end)
    assert everything(segment) == [run for run in RUNS if run is not RUNS[at]]
    assert (segment.end, segment.size) == (end, size)


@given(
    st.lists(st.tuples(st.integers(HEADER_BYTES, SPANS[-1][1] - 1), st.integers(1, 3000))),
    st.integers(0, len(RUNS) - 1),
)
def test_what_is_left_is_read_while_more_is_appended(
    tmp_path_factory: pytest.TempPathFactory, damage: list[tuple[int, int]], meanwhile: int
) -> None:
    segment = Segment.create(tmp_path_factory.mktemp("segment"), 7, RUNS[0], encode_run(RUNS[0]))
    before = len(RUNS) - meanwhile
    for run in RUNS[1:before]:
        append(segment, run)
    size, end = segment.size, segment.end
    data = bytearray(segment.path.read_bytes())
    whole = bytes(data)
    for place, length in damage:
        data[place : place + length] = bytes(len(data[place : place + length]))
    with segment.path.open("r+b") as file:
        file.write(data)
    found = segment.scan_again(size)
    for run in RUNS[before:]:
        append(segment, run)
    segment.replace(found, size, end)
    expected = [
        run
        for run, (begin, last) in zip(RUNS[:before], SPANS, strict=False)
        if data[begin:last] == whole[begin:last]
    ]
    assert everything(segment) == expected + RUNS[before:]
    assert (segment.end.position, segment.size) == (RUNS[-1].end, SPANS[-1][1])
    more = Run(SOURCE, segment.end.position, segment.end.number, 0, RUNS[1].records)
    append(segment, more)
    assert everything(segment)[-1] == more
    segment.close()


def test_blocks_that_the_disk_cannot_read_are_zeros(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    content = bytes(range(1, 251)) * 50
    path.write_bytes(content)
    descriptor = os.open(path, os.O_RDONLY)
    pread = os.pread

    def fail(file: int, length: int, offset: int) -> bytes:
        if offset <= 5000 < offset + length:
            raise OSError(errno.EIO, "Input/output error")
        return pread(file, length, offset)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pread", fail)
        assert read_file(descriptor) == content[:4096] + bytes(4096) + content[8192:]
        patch.setattr(os, "pread", fail_with(errno.EACCES))
        with pytest.raises(PermissionError):
            read_file(descriptor)
    os.close(descriptor)
