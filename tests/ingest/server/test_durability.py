"""What a start makes of what is in the state directory; `tests/actors/pipeline` runs it."""

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from actors.clock.wall_clock import Clock
from actors.log.checkpoint_file import CheckpointFile
from actors.log.file_log import FileLog
from actors.log.frames import FRAME_BYTES, HEADER_BYTES, encode_frame, read_frame
from actors.log.log import LogPoint
from actors.log.memory_log import MemoryLog
from actors.pipeline.partition import NO_LOG
from ingest.fold.checkpoint import FoldState
from ingest.fold.sources import TakenSource
from ingest.server.durability import (
    UNCOMMITTED_EVENTS,
    DurabilityError,
    fitting_state,
    open_kept_events,
)
from ingest.server.state_files import StateFiles
from ingest.sessions.session import begin
from ingest.settings import Settings
from tests.actors.log.files import open_log, segment_paths
from tests.actors.log.records import DESCRIPTION
from tests.actors.log.writable_checks import append_events
from tests.examples import NOON, an_enriched_event

TAKEN = TakenSource("front", 7, NOON)


@pytest.fixture
def files(tmp_path: Path) -> StateFiles:
    return StateFiles(tmp_path)


def settings(**changes: Any) -> Settings:
    return Settings().model_copy(update={"durability": "journal", **changes})


def a_state(log: FileLog, position: int, **changes: Any) -> FoldState:
    state = FoldState(log.id, position, position, NOON, DESCRIPTION, (), (), (TAKEN,))
    return replace(state, **changes)


async def test_a_new_log(files: StateFiles) -> None:
    with open_kept_events(settings(session_minutes=7), files, Clock(NOON)) as kept:
        assert isinstance(kept.log, FileLog)
        assert kept.checkpoints is not None
        assert kept.predecessor is None
        assert (kept.state.log_id, kept.state.position) == (kept.log.id, 0)
        assert kept.state.description.session_seconds == 420
        assert await kept.log.append([DESCRIPTION], NOON) == 1
    assert segment_paths(files.journal)


async def test_without_a_disk(files: StateFiles) -> None:
    with open_kept_events(settings(durability="memory"), files, Clock(NOON)) as kept:
        assert isinstance(kept.log, MemoryLog)
        assert kept.predecessor is None
        assert kept.log.limit_events == 2 * 10_000 + UNCOMMITTED_EVENTS
    assert not files.journal.exists()


async def test_sessions_without_a_disk_go_on_once(files: StateFiles) -> None:
    """A process that is killed says nothing of how they have gone on."""
    session = begin(an_enriched_event(), NOON)
    saved = FoldState(NO_LOG, 0, 0, NOON, DESCRIPTION, (session,), (), (TAKEN,))
    with await CheckpointFile(files.checkpoint).write(saved) as checkpoint:
        await checkpoint.publish()
    with open_kept_events(settings(durability="memory"), files, Clock(NOON)) as kept:
        assert list(kept.state.sessions) == [session]
        assert (kept.state.log_id, kept.state.position) == (kept.log.id, 0)
    with open_kept_events(settings(durability="memory"), files, Clock(NOON)) as kept:
        assert list(kept.state.sessions) == []


async def test_it_goes_on_at_its_checkpoint(files: StateFiles) -> None:
    with open_kept_events(settings(), files, Clock(NOON)) as kept:
        await append_events(kept.log, 0, 5)
        await kept.log.commit(kept.log.end)
        assert isinstance(kept.log, FileLog)
        with await CheckpointFile(files.checkpoint).write(a_state(kept.log, 4)) as checkpoint:
            await checkpoint.publish()
    with open_kept_events(settings(), files, Clock(NOON)) as kept:
        assert kept.state.position == 4
        assert kept.log.backlog == 0


async def test_a_record_of_a_later_version(files: StateFiles) -> None:
    with open_kept_events(settings(), files, Clock(NOON)) as kept:
        await append_events(kept.log, 0, 1)
    (path,) = segment_paths(files.journal)
    before = make_later(path)
    with (
        pytest.raises(DurabilityError, match=r"cannot be used: record version 4 is not known"),
        open_kept_events(settings(), files, Clock(NOON)),
    ):
        raise AssertionError("it was used")
    assert path.read_bytes() == before


def make_later(path: Path) -> bytes:
    """Have a segment's first frame be of the next version."""
    data = path.read_bytes()
    frame = read_frame(data, HEADER_BYTES)
    assert frame is not None
    later = data[:HEADER_BYTES] + encode_frame(b"\x04" + frame.run[1:], frame.records)
    path.write_bytes(later + data[HEADER_BYTES + FRAME_BYTES + len(frame.run) :])
    return path.read_bytes()


async def test_a_directory_that_cannot_be_used(files: StateFiles) -> None:
    files.journal.write_bytes(b"a file")
    with (
        pytest.raises(NotADirectoryError),
        open_kept_events(settings(), files, Clock(NOON)),
    ):
        raise AssertionError("it was used")


class TestFittingState:
    @pytest.fixture
    async def log(self, tmp_path: Path) -> Any:
        """One whose records before position 6 are gone."""
        log = open_log(tmp_path, start=LogPoint(6, 6))
        await append_events(log, 0, 5)
        yield log
        log.close()

    async def test_the_checkpoint(self, log: FileLog) -> None:
        state = a_state(log, 6)
        assert fitting_state(log, state, DESCRIPTION) is state

    @pytest.mark.parametrize("log_id", [None, f"{7:016x}"])
    async def test_without_one_it_begins_where_the_log_does(
        self, log: FileLog, log_id: str | None
    ) -> None:
        found = None if log_id is None else a_state(log, 8, log_id=log_id)
        state = fitting_state(log, found, DESCRIPTION)
        assert (state.log_id, state.position, state.sources) == (log.id, 6, ())

    @pytest.mark.parametrize("position", [5, 13])
    async def test_one_of_records_that_are_gone_tells_of_sources_only(
        self, log: FileLog, position: int
    ) -> None:
        state = fitting_state(log, a_state(log, position), DESCRIPTION)
        assert (state.position, state.log_time) == (6, NOON)
        assert state.sources == (TAKEN,)

    async def test_the_store_has_what_is_before_it(self, log: FileLog) -> None:
        log.prepared = log.end
        fitting_state(log, a_state(log, 9), DESCRIPTION)
        assert log.committed == LogPoint(9, 9)
        assert not log.prepared
