"""`SLUICE_DURABILITY` is changed to `memory` while the log on disk has events."""

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import trio
from msgspec.structs import replace
from trio.testing import MockClock

from actors.log.checkpoint_file import CheckpointFile
from actors.pipeline.partition import NO_LOG
from ingest.model.event import EnrichedEvent, Visitor
from ingest.rows.schema import TABLES
from tests.actors.fakes import an_outage
from tests.actors.log.files import aside, flip, segment_paths
from tests.actors.pipeline.server_process import (
    CLOCK,
    EXPECTED,
    RECORDED,
    Moments,
    RecordingStore,
    a_process,
    all_stored,
    fill,
    grow,
    in_order,
    tree,
    visits_of,
)
from tests.examples import NOON, an_enriched_event

VISITORS = 3
VISITOR = Visitor(3435781615508120320, None)
"""Of a visit of one page that only the snapshot of the recorded state tells of."""

PATHNAME = [column.name for column in TABLES["events_v2"].inserted].index("pathname")
EVENTS = [column.name for column in TABLES["sessions_v2"].inserted].index("events")


def a_page(number: int) -> EnrichedEvent:
    """A page of one of the visitors, in turn."""
    return an_enriched_event(
        visitor=Visitor(number % VISITORS, None), pathname=f"/{number}", nonce=number
    )


async def a_log_on_disk(state: Path, store: RecordingStore, first: int = 0) -> list[str]:
    """Leave 20 events on disk, of which the store has some, and may have some more.

    Returns:
        Their pages.
    """
    pages = []
    moments = Moments(state, store)
    async with a_process(state, store, start=NOON, flush_rows=4, seconds=2.01) as collector:
        for number in range(first, first + 20):
            await collector.log.append([a_page(number)], NOON)
            pages.append(f"/{number}")
            if number == first + 8:
                await all_stored(collector)
            if number == first + 14:
                store.outages = [an_outage() for _ in range(100)]
                store.lands_before_failing = True
                await trio.sleep(0.1)
        moments.look()
    store.outages, store.lands_before_failing = [], False
    # As `kill -9` leaves it.
    shutil.rmtree(state)
    grow(state, moments.found[-1][0])
    return pages


def pages_of(store: RecordingStore) -> Counter[str]:
    return Counter(row[PATHNAME] for row in store.rows["events_v2"])


def visits_by_length(store: RecordingStore) -> list[int]:
    return sorted(visit[EVENTS] for visit in visits_of(store))


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def store() -> RecordingStore:
    return RecordingStore()


async def test_all_is_stored_once_and_the_files_go(
    state: Path, store: RecordingStore, autojump_clock: MockClock
) -> None:
    pages = await a_log_on_disk(state, store)
    async with a_process(state, store, start=NOON, durability="memory") as collector:
        assert collector.status()["journal"] == {
            "status": "ok",
            "durability": "memory",
            "full": False,
            "backlog_events": 20 - 9,
            "events_lost": 0,
        }
        # Visits go on.
        await collector.log.append([a_page(20)], NOON)
        await all_stored(collector)
    assert pages_of(store) == Counter([*pages, "/20"])
    assert visits_by_length(store) == [7, 7, 7]
    assert not (state / "journal").exists()
    saved = CheckpointFile(state / "checkpoint").load()
    assert saved is not None
    assert saved.log_id == NO_LOG


@pytest.mark.parametrize("after", ["journal", "memory"])
async def test_killed_at_any_moment(
    state: Path, store: RecordingStore, tmp_path: Path, autojump_clock: MockClock, after: str
) -> None:
    pages = await a_log_on_disk(state, store)
    moments = Moments(state, store)
    with moments.watched():
        async with a_process(
            state, store, start=NOON, durability="memory", flush_rows=4
        ) as collector:
            await all_stored(collector)
    assert len(moments.found) > 10
    for number, (files, stored, _) in enumerate(moments.found):
        directory = grow(tmp_path / f"{number}", files)
        async with a_process(
            directory, stored, start=NOON, durability=after, flush_rows=5
        ) as collector:
            await all_stored(collector)
        assert pages_of(stored) == Counter(pages)
        assert visits_by_length(stored) == [6, 7, 7]


@pytest.mark.parametrize("after", ["journal", "memory"])
async def test_ended_in_order_while_the_store_is_away(
    state: Path, store: RecordingStore, autojump_clock: MockClock, after: str
) -> None:
    pages = await a_log_on_disk(state, store)
    store.outages = [an_outage() for _ in range(1000)]
    changes: dict[str, Any] = {"start": NOON, "flush_rows": 4}
    async with a_process(state, store, durability="memory", seconds=5, **changes) as collector:
        await collector.log.append([a_page(20)], NOON)
        await trio.sleep(100)
    store.outages = []
    async with a_process(state, store, durability=after, **changes) as collector:
        await all_stored(collector)
    assert pages_of(store) == Counter([*pages, "/20"])
    assert sum(visits_by_length(store)) == 21


async def test_changed_back_and_forth(
    state: Path, store: RecordingStore, autojump_clock: MockClock
) -> None:
    """Each log on disk has an id of its own, so that no batch is taken for another."""
    pages = []
    for turn in range(3):
        pages += await a_log_on_disk(state, store, first=20 * turn)
        async with a_process(state, store, start=NOON, durability="memory") as collector:
            await all_stored(collector)
    assert pages_of(store) == Counter(pages)
    assert sum(visits_by_length(store)) == 60


async def test_killed_while_an_old_journal_comes_before_it(
    state: Path, tmp_path: Path, autojump_clock: MockClock
) -> None:
    """The setting was changed while the upgrade was under way."""
    shutil.copytree(RECORDED / "state", state)
    shutil.rmtree(state / "dead-letters")
    store = RecordingStore()
    store.outages = [an_outage() for _ in range(1000)]
    async with a_process(state, store, seconds=2.01) as collector:
        for number in range(6):
            page = replace(a_page(number), visitor=VISITOR, timestamp=CLOCK, received=CLOCK)
            await collector.log.append([page], CLOCK)
    store.outages = []
    fill(store, EXPECTED["stored"])
    moments = Moments(state, store)
    with moments.watched():
        async with a_process(state, store, durability="memory", flush_rows=2) as collector:
            await all_stored(collector)
    assert len(moments.found) > 30
    expected = pages_of(store)
    assert [expected[f"/{number}"] for number in range(6)] == [1] * 6
    for number, (files, stored, _) in enumerate(moments.found):
        directory = grow(tmp_path / f"{number}", files)
        async with a_process(directory, stored, durability="memory") as collector:
            await all_stored(collector)
        assert pages_of(stored) == expected
        assert in_order(visits_of(stored)) == in_order(visits_of(store))


async def test_a_log_without_its_note_is_found(
    state: Path, store: RecordingStore, autojump_clock: MockClock
) -> None:
    store.outages = [an_outage() for _ in range(100)]
    async with a_process(state, store, start=NOON, seconds=2.01) as collector:
        await collector.log.append([a_page(0)], NOON)
    (state / "journal" / "note").unlink()
    store.outages = []
    async with a_process(state, store, start=NOON, durability="memory") as collector:
        await all_stored(collector)
    assert pages_of(store) == Counter(["/0"])


async def test_what_is_damaged_is_counted_and_stays(
    state: Path, store: RecordingStore, autojump_clock: MockClock
) -> None:
    store.outages = [an_outage() for _ in range(100)]
    async with a_process(state, store, start=NOON, seconds=2.01) as collector:
        for number in range(6):
            await collector.log.append([a_page(number)], NOON)
    (path,) = segment_paths(state / "journal")
    flip(path, path.stat().st_size // 2)
    store.outages = []
    async with a_process(state, store, start=NOON, durability="memory") as collector:
        status = collector.status()["journal"]
        assert (status["status"], status["events_lost"]) == ("degraded", 1)
        await all_stored(collector)
    assert sum(pages_of(store).values()) == 5
    assert aside(state / "journal") == [path.stem]
    assert list(tree(state / "journal")) == [f"{path.stem}.damaged"]
