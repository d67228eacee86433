"""What becomes of a state directory that a version with an old journal has left by `kill -9`;
`tests/actors/log/recorded/version-2/README.md` says what is in it."""

import errno
import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from actors.imports.destination import StoringDestination
from actors.imports.import_files import ImportFiles
from actors.imports.opening import ImportContext, ImportMistakeError
from actors.imports.past_import import PastImport
from actors.letters.dead_letters import DeadLetters
from actors.log.checkpoint_file import CheckpointFile, WrittenCheckpoint
from actors.log.old_journal import OldJournal
from actors.log.segment import SEGMENTS
from ingest.model.event import EnrichedEvent, Visitor
from ingest.past.import_request import ImportRequest, ImportSelection
from ingest.request.client_address import TrustedProxies
from ingest.rows.schema import TABLES
from tests.actors.fakes import an_outage
from tests.actors.log.files import fail_with
from tests.actors.pipeline.server_process import (
    CLOCK,
    EXPECTED,
    RECORDED,
    Inserts,
    Moments,
    RecordingStore,
    a_process,
    all_stored,
    fill,
    grow,
    in_order,
    storing_of,
    tables_of,
    visits_of,
)
from tests.examples import an_enriched_event

JOURNAL: str = EXPECTED["journal"]["id"]
END: int = EXPECTED["journal"]["end"]
BINDING = 35
"""Up to here the store may have the batches; from here on they may be cut elsewhere."""

VISIT = 4341844927763182964
VISITOR = 3435781615508120320
"""A visit of one page that only the snapshot tells of, and whose it is."""

OLD_PAGES = Counter(row[6] for row in EXPECTED["tables"]["events_v2"])

PATHNAME = [column.name for column in TABLES["events_v2"].inserted].index("pathname")
EVENTS = [column.name for column in TABLES["sessions_v2"].inserted].index("events")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A copy of the directory."""
    return shutil.copytree(RECORDED / "state", tmp_path / "state")


@pytest.fixture
def store() -> RecordingStore:
    """One with what the old server has stored."""
    store = RecordingStore()
    fill(store, EXPECTED["stored"])
    return store


def first_planned() -> Inserts:
    """The inserts of the first planned batch: visits, then events."""
    name = f"{JOURNAL}-{EXPECTED['journal']['stored']}-{EXPECTED['journal']['planned'][0]}-"
    return [insert for insert in EXPECTED["sent"] if insert["token"].startswith(name)]


def is_binding(insert: dict[str, Any]) -> bool:
    log_id, _, end, _ = insert["token"].split("-")
    return log_id == JOURNAL and int(end) <= BINDING


def by_token(inserts: Inserts) -> list[dict[str, Any]]:
    return sorted(inserts, key=lambda insert: str(insert["token"]))


def with_numbered_visits(tables: dict[str, Any]) -> dict[str, Any]:
    """The one visit that begins with a letter of no nonce gets the number that is expected."""
    known = {visit[0] for visit in EXPECTED["tables"]["sessions_v2"]}
    tables = {
        "events_v2": [
            [*row[:4], row[4] if row[4] in known else 1, *row[5:]] for row in tables["events_v2"]
        ],
        "sessions_v2": [
            [row[0] if row[0] in known else 1, *row[1:]] for row in tables["sessions_v2"]
        ],
    }
    return {name: in_order(rows) for name, rows in tables.items()}


def a_new_event(number: int) -> EnrichedEvent:
    """The next page of the visit."""
    return an_enriched_event(
        visitor=Visitor(VISITOR, None),
        timestamp=CLOCK,
        received=CLOCK,
        pathname=f"/new/{number}",
        nonce=number,
    )


def letters_left(state: Path) -> list[str]:
    letters = DeadLetters(state / "dead-letters")
    letters.load_at_once()
    return list(letters.ids())


def old_files(state: Path) -> list[str]:
    """What is left of the old version."""
    names = {path.name for path in (state / "journal").iterdir()}
    new = {path.name for path in (state / "journal").glob(SEGMENTS)}
    return sorted(names - new - {"note"}) + (
        ["sessions.jsonl"] if (state / "sessions.jsonl").exists() else []
    )


@pytest.mark.parametrize("has", [0, 1, 2], ids=["nothing", "visits only", "all"])
@pytest.mark.parametrize("durability", ["journal", "memory"])
async def test_all_is_stored_whatever_the_store_has_of_the_first_planned_batch(
    state: Path, store: RecordingStore, autojump_clock: MockClock, has: int, durability: str
) -> None:
    fill(store, first_planned()[:has])
    async with a_process(state, store, durability=durability) as collector:
        await all_stored(collector)
    binding = [insert for insert in EXPECTED["sent"] if is_binding(insert)]
    assert by_token([insert for insert in store.given if is_binding(insert)]) == by_token(binding)
    assert with_numbered_visits(tables_of(store)) == EXPECTED["tables"]
    assert letters_left(state) == [
        letter for letter, about in EXPECTED["letters"].items() if about["stays"]
    ]
    if durability == "journal":
        assert old_files(state) == []
    else:
        assert not (state / "journal" / "note").exists()
        assert not (state / "sessions.jsonl").exists()


async def test_new_events_are_taken_meanwhile_at_positions_that_go_on(
    state: Path, store: RecordingStore, autojump_clock: MockClock
) -> None:
    store.outages = [an_outage() for _ in range(4)]
    async with a_process(state, store) as collector:
        assert await collector.log.append([a_new_event(0)], CLOCK) == END + 1
        assert collector.log.id == JOURNAL
        assert collector.status()["journal"]["backlog_events"] == END - 15 + 1
        await all_stored(collector)
        assert collector.log.committed.position >= END + 2
    assert [row[PATHNAME] for row in store.rows["events_v2"]].count("/new/0") == 1
    rows = [(row[1], row[EVENTS]) for row in store.rows["sessions_v2"] if row[0] == VISIT]
    assert rows == [(1, 1), (-1, 1), (1, 2)]
    visits_of(store)


@pytest.mark.parametrize("seconds", [30, 100])
@pytest.mark.parametrize("durability", ["journal", "memory"])
async def test_ended_in_order_before_the_backlog_is_stored(
    state: Path,
    store: RecordingStore,
    autojump_clock: MockClock,
    seconds: float,
    durability: str,
) -> None:
    """No checkpoint may say that it is, neither by time nor at the end."""
    store.outages = [an_outage() for _ in range(1000)]
    async with a_process(state, store, durability=durability, seconds=5) as collector:
        await collector.log.append([a_new_event(0)], CLOCK)
        await trio.sleep(seconds)
    assert not (state / "checkpoint").exists()
    assert "sessions.jsonl" in old_files(state)
    store.outages = []
    async with a_process(state, store, durability=durability) as collector:
        await all_stored(collector)
    stored = Counter(row[PATHNAME] for row in store.rows["events_v2"])
    assert stored["/new/0"] == 1
    assert len(store.rows["events_v2"]) == len(EXPECTED["tables"]["events_v2"]) + 1
    visits_of(store)


async def moments_of(state: Path, store: RecordingStore, durability: str) -> Moments:
    moments = Moments(state, store)
    with moments.watched():
        async with a_process(state, store, durability=durability, flush_rows=3) as collector:
            for number in range(3):
                await collector.log.append([a_new_event(number)], CLOCK)
                moments.acknowledged.append(f"/new/{number}")
                await trio.sleep(0.01)
            await all_stored(collector)
    return moments


@pytest.mark.parametrize("after", ["journal", "memory"])
async def test_killed_at_any_moment(
    state: Path, store: RecordingStore, tmp_path: Path, autojump_clock: MockClock, after: str
) -> None:
    moments = await moments_of(state, store, "journal")
    assert len(moments.found) > 30
    for number, (files, stored, acknowledged) in enumerate(moments.found):
        directory = grow(tmp_path / f"{number}", files)
        async with a_process(directory, stored, durability=after, flush_rows=4) as collector:
            await all_stored(collector)
        pages = Counter(row[PATHNAME] for row in stored.rows["events_v2"])
        new = [page for page in pages if page.startswith("/new/")]
        assert set(acknowledged) <= set(new)
        assert pages == OLD_PAGES + Counter(new)
        visits = visits_of(stored)
        # Nobody's visit has begun anew.
        assert len(visits) == len(EXPECTED["tables"]["sessions_v2"])
        assert [visit[EVENTS] for visit in visits if visit[0] == VISIT] == [1 + len(new)]
        shutil.rmtree(directory)


async def test_killed_at_any_moment_without_a_log_on_disk(
    state: Path, store: RecordingStore, tmp_path: Path, autojump_clock: MockClock
) -> None:
    """What is lost then was never in the old journal."""
    moments = await moments_of(state, store, "memory")
    assert len(moments.found) > 30
    for number, (files, stored, _) in enumerate(moments.found):
        directory = grow(tmp_path / f"{number}", files)
        async with a_process(directory, stored, flush_rows=4) as collector:
            await all_stored(collector)
        pages = Counter(row[PATHNAME] for row in stored.rows["events_v2"])
        lost = OLD_PAGES - pages
        assert all("-fail" in page for page in lost)  # letters
        assert all(page.startswith("/new/") for page in pages - OLD_PAGES)
        assert set((pages - OLD_PAGES).values()) <= {1}
        visits_of(stored)
        shutil.rmtree(directory)


async def test_a_full_disk_waits_for_room_and_then_makes_it(
    state: Path,
    store: RecordingStore,
    autojump_clock: MockClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write = CheckpointFile.write

    async def refuse_while_the_events_are_there(self: CheckpointFile, *arguments: Any) -> Any:
        if list((state / "journal").glob("[0-9]" * 20 + ".journal")):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return await write(self, *arguments)

    monkeypatch.setattr(CheckpointFile, "write", refuse_while_the_events_are_there)
    async with a_process(state, store) as collector:
        await trio.sleep(25)
        assert not storing_of(collector).partition.sessions.has_begun
        assert list((state / "journal").glob("[0-9]" * 20 + ".journal"))
        await collector.log.append([a_new_event(0)], CLOCK)
        await trio.sleep(15)
        await all_stored(collector)
    assert old_files(state) == []
    assert [visit[EVENTS] for visit in visits_of(store) if visit[0] == VISIT] == [2]


async def test_a_checkpoint_that_cannot_be_saved_leaves_the_old_files_for_the_next_start(
    state: Path,
    store: RecordingStore,
    autojump_clock: MockClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(WrittenCheckpoint, "publish", fail_with(errno.EIO))
        async with a_process(state, store) as collector:
            await collector.log.append([a_new_event(0)], CLOCK)
            await all_stored(collector)
    assert "sessions.jsonl" in old_files(state)
    async with a_process(state, store) as collector:
        await collector.log.append([a_new_event(1)], CLOCK)
        await all_stored(collector)
    assert old_files(state) == []
    assert [visit[EVENTS] for visit in visits_of(store) if visit[0] == VISIT] == [3]
    pages = Counter(row[PATHNAME] for row in store.rows["events_v2"])
    assert pages == OLD_PAGES + Counter(["/new/0", "/new/1"])


async def test_batches_that_were_not_planned_are_planned_before_the_store_has_them(
    state: Path, store: RecordingStore, autojump_clock: MockClock
) -> None:
    """So that they are cut there again, whatever the setting is by then."""
    journal = OldJournal.open(state / "journal")
    assert journal is not None
    journal.acknowledge(30)
    journal.acknowledge(BINDING)
    journal.close()
    store.outages = [an_outage()]
    store.lands_before_failing = True
    async with a_process(state, store, flush_rows=2, seconds=2.01):
        pass
    journal = OldJournal.open(state / "journal")
    assert journal is not None
    assert journal.planned == (BINDING + 2,)
    journal.close()


async def test_a_checkpoint_of_another_log_says_nothing(
    state: Path, store: RecordingStore, autojump_clock: MockClock, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    (other / "journal").mkdir(parents=True)
    async with a_process(other, RecordingStore()) as collector:
        for number in range(60):
            await collector.log.append([a_new_event(number)], CLOCK)
        await all_stored(collector)
    shutil.copy(other / "checkpoint", state / "checkpoint")
    async with a_process(state, store) as collector:
        await all_stored(collector)
    assert with_numbered_visits(tables_of(store)) == EXPECTED["tables"]


async def test_an_import_that_was_under_way_is_refused(
    state: Path, store: RecordingStore, autojump_clock: MockClock
) -> None:
    """Its rows may be stored or not; the lines are not imported as another file."""
    async with a_process(state, store) as collector:
        storing = storing_of(collector)
        context = ImportContext(
            collector.reference,
            ImportFiles(state / "imports"),
            collector.clock,
            TrustedProxies.parse("private"),
            1800,
            StoringDestination(collector.log, storing, collector.clock),
        )
        request = ImportRequest(
            (str(RECORDED / "access.log"),), selection=ImportSelection("example.com")
        )
        with pytest.raises(
            ImportMistakeError, match=f"import {EXPECTED['import']['id']} .* Finish"
        ):
            await PastImport(request, context).run()
        await all_stored(collector)
    assert with_numbered_visits(tables_of(store)) == EXPECTED["tables"]
