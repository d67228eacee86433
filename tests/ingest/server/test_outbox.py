from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from actors.clock.wall_clock import Clock
from actors.log.checkpoint_file import CheckpointFile
from actors.log.file_log import FileLog
from actors.log.log import LogPoint
from ingest.engine.cluster_record import ClusterRecord
from ingest.fold.checkpoint import FoldState
from ingest.server.durability import DurabilityError, open_kept_events
from ingest.server.outbox import open_outbox, remembered_cluster
from ingest.server.state_files import StateFiles
from ingest.sessions.session import begin
from ingest.settings import Settings
from tests.actors.log.records import DESCRIPTION
from tests.actors.log.writable_checks import append_events
from tests.examples import NOON, an_enriched_event

CLUSTER = ClusterRecord("00000000000000aa", 64, 1800)
OTHER = ClusterRecord("00000000000000bb", 64, 1800)


@pytest.fixture
def files(tmp_path: Path) -> StateFiles:
    return StateFiles(tmp_path)


@contextmanager
def a_front(files: StateFiles, record: ClusterRecord = CLUSTER) -> Iterator[FileLog]:
    with open_outbox(Settings(), files, Clock(NOON), record) as outbox:
        yield outbox


@contextmanager
def a_single_process(files: StateFiles) -> Iterator[tuple[FileLog, FoldState]]:
    with open_kept_events(Settings(), files, Clock(NOON)) as kept:
        assert isinstance(kept.log, FileLog)
        yield kept.log, kept.state


async def test_a_front_goes_on_where_it_was(files: StateFiles) -> None:
    with a_front(files) as outbox:
        assert outbox.backlog == 0
        await append_events(outbox, 0, 3)
    with a_front(files) as outbox:
        assert outbox.backlog == 3
    assert remembered_cluster(files) == CLUSTER


async def test_events_of_another_cluster_stay_where_they_are(files: StateFiles) -> None:
    with a_front(files) as outbox:
        await append_events(outbox, 0, 3)
    with pytest.raises(DurabilityError, match="3 events for cluster 00000000000000aa"):
        a_front(files, OTHER).__enter__()
    with a_front(files) as outbox:
        await outbox.commit(outbox.end)
    with a_front(files, OTHER) as outbox:
        assert outbox.backlog == 0
    assert remembered_cluster(files) == OTHER


async def test_events_of_a_single_process_are_stored_by_it(files: StateFiles) -> None:
    with a_single_process(files) as (log, _):
        await append_events(log, 0, 3)
    with pytest.raises(DurabilityError, match="3 events of a single process"):
        a_front(files).__enter__()
    with a_single_process(files) as (log, _):
        assert log.backlog == 3
        await log.commit(log.end)
    with a_front(files) as outbox:
        assert outbox.backlog == 0


async def test_a_single_process_begins_where_the_front_has_ended(files: StateFiles) -> None:
    session = begin(an_enriched_event(), NOON)
    with a_single_process(files) as (log, state):
        # A checkpoint that a single process has left does not outlive the front.
        CheckpointFile(files.checkpoint).save(
            FoldState(log.id, log.end.position, 0, NOON, DESCRIPTION, (session,), (), ())
        )
    with a_front(files) as outbox:
        await append_events(outbox, 0, 3)
    with pytest.raises(DurabilityError, match="3 events of a front that Kafka does not have"):
        a_single_process(files).__enter__()
    with a_front(files) as outbox:
        await outbox.commit(outbox.end)
        committed = outbox.committed
    for _ in range(2):  # also if it is killed before its first checkpoint
        with a_single_process(files) as (log, state):
            assert LogPoint(state.position, state.number) == committed == log.committed
            assert list(state.sessions) == []
    assert remembered_cluster(files) is None


def test_a_broken_file_is_told(files: StateFiles) -> None:
    files.cluster.write_text("{}")
    with pytest.raises(DurabilityError, match=r"cluster\.json cannot be used"):
        remembered_cluster(files)
