"""What a log is after a crash, a loss of power, or damage to its files."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.log.file_log import FileLog
from actors.log.frames import FRAME_BYTES, HEADER_BYTES, encode_frame, frames
from actors.log.log import LogPoint
from actors.log.note import NOTE
from ingest.records.run import UnknownRecordError
from tests.actors.log.files import aside, flip, kill, open_log, segment_paths
from tests.actors.log.records import COUNTS, DESCRIPTION
from tests.actors.log.writable_checks import append_events, read_numbers, read_runs
from tests.examples import NOON

LIMIT = 200_000
RECORDED = Path(__file__).parent / "recorded" / "version-1"


def opened(directory: Path, **options: Any) -> FileLog:
    return open_log(directory, **{"limit_bytes": LIMIT, **options})


async def filled(directory: Path, segments: int = 4, **options: Any) -> FileLog:
    """A log of that many segments, all of it synced; each event's number is its running number."""
    log = opened(directory, **options)
    while len(segment_paths(directory)) < segments:
        await append_events(log, log.end.number, log.end.number + 10)
    await append_events(log, log.end.number, log.end.number + 10)
    await log.sync()
    return log


async def test_records_are_there_after_a_crash(tmp_path: Path) -> None:
    log = opened(tmp_path)
    await append_events(log, 0, 3)
    await log.append([COUNTS], NOON)
    await append_events(log, 3, 5)
    await log.prepare(LogPoint(4, 3), LogPoint(2, 1))
    after = opened(tmp_path)
    assert (after.id, after.first, after.lost) == (log.id, 0, 0)
    assert (after.committed, after.prepared) == (LogPoint(2, 1), LogPoint(4, 3))
    assert (after.backlog, after.end.number) == (4, 5)
    assert await read_numbers(after) == [0, 1, 2, 3, 4]
    # Its own description is behind what was there.
    assert after.end.position == log.end.position + 1
    assert (await read_runs(after))[-1].records == (DESCRIPTION,)
    await append_events(after, 5, 7)
    again = opened(tmp_path)
    assert await read_numbers(again, 3) == [2, 3, 4, 5, 6]


async def test_only_a_clean_end_keeps_the_source(tmp_path: Path) -> None:
    log = opened(tmp_path)
    await append_events(log, 0, 3)
    log.seal()
    log.close()
    second = opened(tmp_path)
    assert second.source_id == log.source_id
    await append_events(second, 3, 5)
    third = opened(tmp_path)
    assert third.source_id not in (0, log.source_id)
    sources = {run.source_id for run in await read_runs(third)}
    assert sources == {log.source_id, third.source_id}
    third.close()
    # Closed cleanly, and damaged since: its positions may have left the machine.
    os.truncate(segment_paths(tmp_path)[-1], 40)
    assert opened(tmp_path).source_id != third.source_id


async def test_what_was_never_synced_may_go_with_the_power(tmp_path: Path) -> None:
    log = opened(tmp_path)
    await append_events(log, 0, 5)
    await log.sync()
    (path,) = segment_paths(tmp_path)
    synced = path.stat().st_size
    await append_events(log, 5, 9)
    os.truncate(path, synced + 100)
    after = opened(tmp_path)
    assert (after.lost, after.end) == (0, LogPoint(7, 5))
    assert aside(tmp_path) == []
    assert path.stat().st_size == synced
    # The same positions, another source.
    assert after.source_id != log.source_id
    assert await append_events(after, 50, 52) == 7
    assert await read_numbers(after) == [0, 1, 2, 3, 4, 50, 51]


@pytest.mark.parametrize("fsync", ["always", "interval"])
async def test_what_was_synced_is_missed(tmp_path: Path, fsync: str) -> None:
    log = opened(tmp_path, fsync=fsync)
    await append_events(log, 0, 5)
    await append_events(log, 5, 9)
    if fsync == "interval":
        await log.sync()
    (path,) = segment_paths(tmp_path)
    flip(path, -1)
    size = path.stat().st_size
    after = opened(tmp_path)
    assert after.lost == 4
    assert after.status()["status"] == "degraded"
    assert aside(tmp_path) == [path.stem]
    assert path.stat().st_size == size
    assert await read_numbers(after) == [0, 1, 2, 3, 4]
    # Positions of what is missing are not given to others.
    assert await append_events(after, 9, 10) > log.end.position
    assert after.end.number == 10


@pytest.mark.parametrize("missing", [0, 1, 2, 3])
async def test_a_missing_segment_costs_its_events_and_no_other(
    tmp_path: Path, missing: int
) -> None:
    log = await filled(tmp_path)
    first = [segment.first.number for segment in log._segments.files]
    ends = [*first[1:], log.end.number]
    segment_paths(tmp_path)[missing].unlink()
    after = opened(tmp_path)
    assert after.lost == ends[missing] - first[missing]
    assert after.end.number == log.end.number
    expected = {*range(log.end.number)} - {*range(first[missing], ends[missing])}
    assert await read_numbers(after) == sorted(expected)
    assert after.lost == ends[missing] - first[missing]


async def test_all_segments_missing(tmp_path: Path) -> None:
    log = await filled(tmp_path)
    await log.commit(LogPoint(12, 11))
    for path in segment_paths(tmp_path):
        path.unlink()
    after = opened(tmp_path)
    assert (after.lost, after.end.number) == (log.end.number - 11, log.end.number)
    assert after.first >= log.end.position
    await append_events(after, 7, 8)
    assert await read_numbers(after, 12) == [7]


async def test_what_the_store_has_is_not_lost(tmp_path: Path) -> None:
    log = await filled(tmp_path)
    second = log._segments[1]
    middle = LogPoint(second.first.position + 11, second.first.number + 10)
    await log.commit(middle)
    for path in segment_paths(tmp_path)[:2]:
        path.unlink()
    after = opened(tmp_path)
    assert after.lost == second.end.number - middle.number


@pytest.mark.parametrize("place", [0, 5, HEADER_BYTES + 3, HEADER_BYTES + FRAME_BYTES + 5])
async def test_a_damaged_head_costs_no_event(tmp_path: Path, place: int) -> None:
    """The header, or the description."""
    log = await filled(tmp_path)
    path = segment_paths(tmp_path)[1]
    flip(path, place)
    after = opened(tmp_path)
    assert after.lost == 0
    assert aside(tmp_path) == [path.stem]
    assert await read_numbers(after) == list(range(log.end.number))


async def test_a_segment_without_a_frame_was_never_told_of(tmp_path: Path) -> None:
    log = opened(tmp_path)
    await append_events(log, 0, 3)
    for name, content in ((f"{4:020d}-{5:016x}", b""), (f"{9:020d}-{5:016x}", b"SLUICEJ1")):
        (tmp_path / f"{name}.journal").write_bytes(content)
    after = opened(tmp_path)
    assert (after.lost, aside(tmp_path)) == (0, [])
    assert len(segment_paths(tmp_path)) == 2
    assert await read_numbers(after) == [0, 1, 2]


async def test_what_is_damaged_altogether_is_put_aside(tmp_path: Path) -> None:
    await filled(tmp_path)
    path = segment_paths(tmp_path)[1]
    path.write_bytes(bytes(path.stat().st_size))
    after = opened(tmp_path)
    assert after.lost > 0
    assert aside(tmp_path) == [path.stem]
    assert not path.exists()


async def test_segments_of_another_log_are_put_aside(tmp_path: Path) -> None:
    other = opened(tmp_path / "other")
    await append_events(other, 8, 9)
    log = opened(tmp_path / "log")
    await append_events(log, 0, 1)
    (foreign,) = segment_paths(tmp_path / "other")
    shutil.move(foreign, tmp_path / "log" / f"{99:020d}-{8:016x}.journal")
    (own,) = segment_paths(tmp_path / "log")[:1]
    shutil.copy(own, tmp_path / "log" / f"{98:020d}-{8:016x}.journal")
    after = opened(tmp_path / "log")
    assert await read_numbers(after) == [0]
    assert aside(tmp_path / "log") == [f"{number:020d}-{8:016x}" for number in (98, 99)]


@pytest.mark.parametrize("content", [None, b"", b"\xff" * 512])
async def test_without_the_note_everything_is_replayed(
    tmp_path: Path, content: bytes | None
) -> None:
    log = await filled(tmp_path)
    await log.commit(log.end)
    log.retire(15)
    first = log.first
    await append_events(log, log.end.number, log.end.number + 3)
    (tmp_path / NOTE).unlink()
    if content is not None:
        (tmp_path / NOTE).write_bytes(content)
    after = opened(tmp_path)
    assert (after.id, after.committed.position, after.lost) == (log.id, first, 0)
    assert after.source_id != log.source_id
    assert await read_numbers(after) == list(range(after.committed.number, after.end.number))


async def test_without_the_note_and_any_frame_it_is_another_log(tmp_path: Path) -> None:
    """Its batches must not have names that the store knows."""
    log = opened(tmp_path)
    await append_events(log, 0, 3)
    (tmp_path / NOTE).unlink()
    (path,) = segment_paths(tmp_path)
    os.truncate(path, HEADER_BYTES)
    after = opened(tmp_path)
    assert after.id != log.id
    assert aside(tmp_path) == [path.stem]


async def test_a_log_of_a_later_version_is_left_as_it_is(tmp_path: Path) -> None:
    log = await filled(tmp_path)
    log.close()
    path = segment_paths(tmp_path)[-1]
    data = path.read_bytes()
    frame = next(frames(data))
    later = encode_frame(b"\x04" + frame.run[1:], frame.records)
    path.write_bytes(data[:HEADER_BYTES] + later + data[frame.end :] + b"torn")
    flip(segment_paths(tmp_path)[0], 500)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(UnknownRecordError, match="version 4"):
        opened(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


async def test_a_new_log_goes_on_behind_an_old_journal(tmp_path: Path) -> None:
    shutil.copytree(RECORDED, tmp_path, dirs_exist_ok=True)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    log = opened(tmp_path, start=LogPoint(40, 40))
    assert (log.end, log.committed) == (LogPoint(41, 40), LogPoint(40, 40))
    (old,) = set(tmp_path.glob("*.journal")) - set(segment_paths(tmp_path))
    assert bytes.fromhex(log.id)[::-1] == old.read_bytes()[8:16]
    assert await append_events(log, 0, 3) == 41
    after = opened(tmp_path, start=LogPoint(40, 40))
    assert (after.committed, after.lost) == (LogPoint(40, 40), 0)
    assert await read_numbers(after) == [0, 1, 2]
    assert {path: path.read_bytes() for path in before} == before


async def test_an_old_journal_refuses_the_new_log(tmp_path: Path) -> None:
    """It cuts nothing off."""
    log = await filled(tmp_path)
    log.close()
    for path in segment_paths(tmp_path):
        data = path.read_bytes()
        # What versions up to 2 look at: the first frame, and the version of its record.
        first = next(frames(data))
        assert (data[:8], first.records, first.run[0]) == (b"SLUICEJ1", 1, 3)


async def test_what_cannot_be_opened_leaves_no_file_open(tmp_path: Path) -> None:
    log = await filled(tmp_path)
    log.close()
    (tmp_path / NOTE).unlink()
    (tmp_path / NOTE).mkdir()
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(IsADirectoryError):
        opened(tmp_path)
    assert len(os.listdir("/proc/self/fd")) == before


DAMAGE = st.lists(
    st.tuples(
        st.sampled_from(["flip", "zero", "cut", "delete"]),
        st.integers(0, 3),
        st.floats(0, 1),
        st.integers(1, 20_000),
    ),
    max_size=4,
)


def damage_files(directory: Path, damage: list[tuple[str, int, float, int]]) -> None:
    paths = segment_paths(directory)
    for kind, number, part, length in damage:
        path = paths[number % len(paths)]
        if not path.exists():
            continue
        if kind == "delete":
            path.unlink()
            continue
        data = bytearray(path.read_bytes())
        place = int(part * len(data))
        if kind == "cut":
            del data[place:]
        elif kind == "zero":
            data[place : place + length] = bytes(len(data[place : place + length]))
        elif place < len(data):
            data[place] ^= length % 255 + 1
        path.write_bytes(data)


async def survive(
    directory: Path, damage: list[tuple[str, int, float, int]], unsynced: int, committed: int
) -> None:
    log = await filled(directory, segments=3, fsync="never")
    synced = log.end
    for _ in range(unsynced):
        await append_events(log, log.end.number, log.end.number + 10)
    if committed:
        # Runs of ten events, each segment's first record is its description.
        run = (await read_runs(log))[committed]
        await log.commit(LogPoint(run.first, run.number))
        synced = log.end
    damage_files(directory, damage)
    for _ in range(2):
        after = opened(directory, fsync="never")
        read = await read_numbers(after, after.committed.position)
        kept = [number for number in read if number >= log.committed.number]
        assert kept == sorted(set(kept))
        known = max(synced.number, *(number + 1 for number in kept), 0)
        missing = {*range(log.committed.number, known)} - {*kept}
        assert after.lost == len(missing)
        assert after.end.number == known
        assert after.end.position > synced.position
        assert await append_events(after, known, known + 2) >= synced.position
        await after.sync()
        synced = after.end
        assert (await read_numbers(after, after.committed.position))[-2:] == [known, known + 1]
        after.close()
    kill(log)


@given(DAMAGE, st.integers(0, 5), st.integers(0, 20))
@settings(max_examples=150)
def test_any_damage_costs_exactly_what_it_hit(
    tmp_path_factory: pytest.TempPathFactory,
    damage: list[tuple[str, int, float, int]],
    unsynced: int,
    committed: int,
) -> None:
    directory = tmp_path_factory.mktemp("damage")
    trio.run(survive, directory, damage, unsynced, committed)
    shutil.rmtree(directory)
