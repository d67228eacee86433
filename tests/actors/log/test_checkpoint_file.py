import errno
import os
import stat
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from trio.testing import MockClock

from actors.log import checkpoint_file
from actors.log.checkpoint_file import MAGIC, SYNC_SECONDS, CheckpointFile
from ingest.fold.checkpoint import FoldState
from ingest.fold.sources import TakenSource
from ingest.sessions.session import begin
from tests.actors.log.files import fail_with
from tests.actors.log.records import DESCRIPTION
from tests.examples import NOON, an_enriched_event

PARTLY = 500
"""Sessions that fill more than one part."""


def a_state(sessions: int = 3, position: int = 7) -> FoldState:
    return FoldState(
        "0123456789abcdef",
        position,
        position - 1,
        NOON,
        DESCRIPTION,
        [begin(an_enriched_event(nonce=n, pathname=f"/{n}"), NOON) for n in range(sessions)],
        [begin(an_enriched_event(nonce=9, pathname="/caf\udce9"), NOON)],
        [TakenSource("letter:1", 2, NOON), TakenSource("import:7", 2**63, NOON)],
    )


@pytest.fixture
def file(tmp_path: Path) -> CheckpointFile:
    return CheckpointFile(tmp_path / "checkpoint")


async def save(file: CheckpointFile, state: FoldState) -> None:
    with await file.write(state) as checkpoint:
        await checkpoint.publish()


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


@pytest.mark.parametrize("sessions", [0, 1, PARTLY, 2 * PARTLY + 1])
async def test_a_state_comes_back(file: CheckpointFile, tmp_path: Path, sessions: int) -> None:
    """Text that is no UTF-8 included."""
    await save(file, a_state(sessions))
    assert file.load() == a_state(sessions)
    assert names(tmp_path) == ["checkpoint"]
    assert stat.S_IMODE((tmp_path / "checkpoint").stat().st_mode) == 0o600


async def test_the_last_one_counts(file: CheckpointFile) -> None:
    for position in (7, 9, 12):
        await save(file, a_state(position=position))
    state = file.load()
    assert state is not None
    assert state.position == 12


def test_nothing_is_there_at_first(file: CheckpointFile) -> None:
    assert file.load() is None
    file.forget()


async def test_it_counts_once_it_is_published(file: CheckpointFile, tmp_path: Path) -> None:
    await save(file, a_state(position=7))
    with await file.write(a_state(position=9)):
        state = file.load()
        assert state is not None
        assert state.position == 7
        assert len(names(tmp_path)) == 2
    assert names(tmp_path) == ["checkpoint"]
    state = file.load()
    assert state is not None
    assert state.position == 7


async def test_a_forgotten_one_is_gone(file: CheckpointFile, tmp_path: Path) -> None:
    await save(file, a_state())
    file.forget()
    assert file.load() is None
    assert names(tmp_path) == []


async def written(file: CheckpointFile, tmp_path: Path) -> bytes:
    await save(file, a_state(PARTLY + 1))
    return (tmp_path / "checkpoint").read_bytes()


def spoil_version(data: bytes) -> bytes:
    at = data.index(b"\x99\x01") + 1  # the header's array of nine, and the version
    return data[:at] + b"\x02" + data[at + 1 :]


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda data: b"", id="empty"),
        pytest.param(lambda data: b"\0" * len(data), id="zeros"),
        pytest.param(lambda data: b"{}" + data, id="another file"),
        pytest.param(lambda data: data[: len(MAGIC)], id="no parts"),
        pytest.param(lambda data: data[:-1], id="torn"),
        pytest.param(lambda data: data + b"\0", id="something behind"),
        pytest.param(lambda data: data[:200] + b"\0" + data[201:], id="a byte"),
        pytest.param(spoil_version, id="a version"),
    ],
)
async def test_a_damaged_one_is_kept_aside(
    file: CheckpointFile, tmp_path: Path, spoil: Callable[[bytes], bytes]
) -> None:
    data = spoil(await written(file, tmp_path))
    (tmp_path / "checkpoint").write_bytes(data)
    assert file.load() is None
    assert names(tmp_path) == ["checkpoint.damaged"]
    assert (tmp_path / "checkpoint.damaged").read_bytes() == data
    # The next one is saved as ever.
    await save(file, a_state())
    assert file.load() == a_state()


async def test_parts_that_are_missing_are_noticed(file: CheckpointFile, tmp_path: Path) -> None:
    """Each part that is left is whole."""
    data = await written(file, tmp_path)
    offsets = [len(MAGIC)]
    while offsets[-1] < len(data):
        length = int.from_bytes(data[offsets[-1] : offsets[-1] + 4], "little")
        offsets.append(offsets[-1] + 8 + length)
    assert offsets[-1] == len(data)
    for start, end in pairwise(offsets):
        (tmp_path / "checkpoint").write_bytes(data[:start] + data[end:])
        assert file.load() is None


@given(st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_damage_goes_unnoticed(tmp_path: Path, data: st.DataObject) -> None:
    file = CheckpointFile(tmp_path / "checkpoint")
    trio.run(save, file, a_state())
    content = bytearray((tmp_path / "checkpoint").read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    (tmp_path / "checkpoint").write_bytes(content)
    assert file.load() is None


def test_one_that_cannot_be_read_is_no_damage(file: CheckpointFile, tmp_path: Path) -> None:
    (tmp_path / "checkpoint").mkdir()
    with pytest.raises(IsADirectoryError):
        file.load()
    assert names(tmp_path) == ["checkpoint"]


def fail_to_sync(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(os, "fsync", fail_with(errno.EIO))


def fail_to_write(patch: pytest.MonkeyPatch) -> None:
    def parts(state: FoldState) -> Any:
        yield b"some"
        raise OSError(errno.ENOSPC, "No space left on device")

    patch.setattr(checkpoint_file, "write_parts", parts)


def fail_to_open(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(os, "open", fail_with(errno.ENOSPC))


@pytest.mark.parametrize("trouble", [fail_to_open, fail_to_write, fail_to_sync])
async def test_one_that_cannot_be_written_leaves_the_last(
    file: CheckpointFile,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    trouble: Callable[[pytest.MonkeyPatch], None],
) -> None:
    await save(file, a_state(position=7))
    with monkeypatch.context() as patch:
        trouble(patch)
        with pytest.raises(OSError, match=r"No space|Input/output"):
            await file.write(a_state(position=9))
    assert names(tmp_path) == ["checkpoint"]
    assert file.load() == a_state(position=7)


async def test_one_whose_writing_is_cancelled_leaves_the_last(
    file: CheckpointFile, tmp_path: Path
) -> None:
    await save(file, a_state(position=7))
    descriptors = len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0
    with trio.CancelScope() as scope:
        scope.cancel()
        await file.write(a_state(10 * PARTLY, position=9))
    assert scope.cancelled_caught
    assert names(tmp_path) == ["checkpoint"]
    assert file.load() == a_state(position=7)
    if descriptors:
        assert len(os.listdir("/proc/self/fd")) == descriptors


async def test_a_disk_that_hangs_is_given_up(
    autojump_clock: MockClock,
    file: CheckpointFile,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def hang(*arguments: object, **keywords: object) -> None:
        await trio.sleep_forever()

    with monkeypatch.context() as patch:
        patch.setattr(trio.to_thread, "run_sync", hang)
        with pytest.raises(trio.TooSlowError):
            await file.write(a_state())
        assert trio.current_time() == SYNC_SECONDS
    assert names(tmp_path) == []


async def test_others_run_while_it_is_written(file: CheckpointFile, nursery: trio.Nursery) -> None:
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    nursery.start_soon(count_turns)
    await save(file, replace(a_state(), sessions=a_state(20 * PARTLY).sessions))
    assert turns >= 20
    nursery.cancel_scope.cancel()
