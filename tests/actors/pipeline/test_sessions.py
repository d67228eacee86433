from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.letters import dead_letters
from actors.log.file_log import FileLog
from actors.log.log import LogError, LogPoint, WritableLog
from actors.log.memory_log import MemoryLog
from actors.log.note import NOTE, NoteFile
from actors.pipeline import slices
from actors.pipeline.sessions import RETRY_SECONDS, Sessions
from actors.supervision.supervisor import Supervisor
from ingest.fold.checkpoint import FoldState
from ingest.fold.fold import Fold
from ingest.fold.folded_run import FoldedRun
from ingest.letters.dead_letter import LogPosition
from ingest.model.event import ENGAGEMENT, EnrichedEvent, Source, Visitor
from ingest.model.verdict import NO_SESSION, SET_ASIDE, Verdict
from ingest.records.record import Description, DropCounts, MetricCount, Record
from ingest.records.run import Run
from ingest.rows.layout import EventRows
from tests.actors.fakes import LettersAtOnce
from tests.actors.log.files import open_log
from tests.actors.log.records import DESCRIPTION, an_event, events
from tests.examples import NOON, an_enriched_event


class Told:
    """Notes what the front is told, in order."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.end = 0
        self.drops: dict[int, Verdict] = {}

    def folded(self, end: int, drops: Mapping[int, tuple[EnrichedEvent, Verdict]]) -> None:
        self.calls.append(f"folded {end}")
        assert end > self.end
        self.end = end
        self.drops |= {position: verdict for position, (_, verdict) in drops.items()}

    def fold_reads(self) -> None:
        self.calls.append("reads")

    def fold_waits(self) -> None:
        self.calls.append("waits")


def first_state(log: WritableLog, position: int = 0, **fields: Any) -> FoldState:
    values: dict[str, Any] = {
        "log_id": log.id,
        "position": position,
        "number": 0,
        "log_time": 0,
        "description": DESCRIPTION,
        "sessions": (),
        "past": (),
        "sources": (),
    }
    return FoldState(**(values | fields))


class FoldedLog:
    """A log, its fold, and what comes out of it."""

    def __init__(
        self,
        directory: Path,
        log: WritableLog | None = None,
        *,
        room: int = 1_000,
        state: FoldState | None = None,
        predecessor: Any = None,
    ) -> None:
        self.log = log or MemoryLog(DESCRIPTION, limit_events=100_000, log_time=NOON)
        self.letters = LettersAtOnce(directory / "letters")
        self.letters.load_at_once()
        self.told = Told()
        self.outlet, self.runs = trio.open_memory_channel[FoldedRun](room)
        self.sessions = Sessions(
            self.log,
            self.outlet,
            state or first_state(self.log),
            self.told,
            self.letters,
            predecessor,
        )

    async def append(self, *records: Record, log_time: int = NOON) -> int:
        return await self.log.append(records, log_time)

    async def fold(self) -> list[FoldedRun]:
        """Fold to the end of the log, which is sealed."""
        self.log.seal()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(Supervisor().supervise, self.sessions)
            return [run async for run in self.runs]


def pages(runs: Iterable[FoldedRun]) -> list[str]:
    return [rows.event[6] for run in runs for rows in run.rows]


def nonces(runs: Iterable[FoldedRun]) -> list[int]:
    """Of events that all begin a visit: their ids."""
    return [rows.event[4] for run in runs for rows in run.rows]


def metrics(runs: Iterable[FoldedRun]) -> Counter[str]:
    counted: Counter[str] = Counter()
    for run in runs:
        for (_, _, _, metric, _), number in run.counters:
            counted[metric] += number
    return counted


def visits(first: int, last: int) -> list[Record]:
    """Events of a visitor each, so that each begins a visit; their nonces count."""
    return [an_enriched_event(nonce=n, visitor=Visitor(n, None)) for n in range(first, last)]


async def test_a_visit_becomes_rows(tmp_path: Path) -> None:
    folded = FoldedLog(tmp_path)
    await folded.append(
        an_enriched_event(nonce=11),
        an_enriched_event(nonce=12, name="Signup", timestamp=NOON + 9),
        an_enriched_event(nonce=13, name=ENGAGEMENT, timestamp=NOON + 20),
    )
    runs = await folded.fold()
    first, second, engagement = (rows for run in runs for rows in run.rows)
    signs = [[row[1] for row in rows.sessions] for rows in (first, second, engagement)]
    assert signs == [[1], [-1, 1], []]
    assert second.sessions[0] == (first.sessions[0][0], -1, *first.sessions[0][2:])
    assert {rows.event[4] for rows in (first, second, engagement)} == {11}
    assert metrics(runs) == {"buffered": 3}
    assert folded.told.drops == {}


async def test_runs_say_where_they_are_in_the_log(tmp_path: Path) -> None:
    folded = FoldedLog(tmp_path)
    await folded.append(*events(0, 3))
    await folded.append(DropCounts(()), *events(3, 4))
    runs = await folded.fold()
    assert [(run.start, run.end) for run in runs] == [
        (LogPoint(0, 0), LogPoint(1, 0)),
        (LogPoint(1, 0), LogPoint(4, 3)),
        (LogPoint(4, 3), LogPoint(6, 4)),
    ]
    assert folded.sessions.cursor == folded.log.end
    assert folded.sessions.behind == 0
    assert not folded.sessions.has_work


async def test_the_front_is_told_of_drops_by_their_positions(tmp_path: Path) -> None:
    folded = FoldedLog(tmp_path)
    await folded.append(an_event(1), an_enriched_event(name=ENGAGEMENT, visitor=Visitor(5, None)))
    runs = await folded.fold()
    assert folded.told.drops == {2: NO_SESSION}
    assert metrics(runs) == {"buffered": 1, "dropped_no_session_for_engagement": 1}


async def test_other_records_change_counters_and_rules(tmp_path: Path) -> None:
    folded = FoldedLog(tmp_path)
    await folded.append(
        DropCounts((MetricCount(NOON, "a.com", None, "dropped_not_found", 36, 5),)), an_event(1)
    )
    await folded.append(Description(session_seconds=60), an_enriched_event(timestamp=NOON + 61))
    runs = await folded.fold()
    assert metrics(runs) == {"dropped_not_found": 5, "buffered": 2}
    assert nonces(runs) == [1, 77]
    assert folded.sessions.fold.description.session_seconds == 60


async def test_a_source_is_taken_once(tmp_path: Path) -> None:
    folded = FoldedLog(tmp_path)
    letter = [an_enriched_event(source=Source("letter:1", number)) for number in (1, 1, 2)]
    await folded.append(*letter)
    runs = await folded.fold()
    assert len(pages(runs)) == metrics(runs)["buffered"] == 2
    assert folded.told.drops == {}


@pytest.mark.parametrize(
    ("committed", "sent"),
    [
        pytest.param(0, [0, 1, 2, 3, 4, 5], id="nothing is stored"),
        pytest.param(1, [0, 1, 2, 3, 4, 5], id="the description is"),
        pytest.param(4, [3, 4, 5], id="one run is"),
        pytest.param(7, [], id="all of it is"),
    ],
)
async def test_what_the_store_has_is_folded_silently(
    tmp_path: Path, committed: int, sent: list[int]
) -> None:
    log = open_log(tmp_path / "log")
    await log.append(visits(0, 3), NOON)
    await log.append(visits(3, 6), NOON)
    await log.commit(LogPoint(committed, max(committed - 1, 0)))
    folded = FoldedLog(tmp_path, log)
    assert folded.sessions.status()["restored"] is not bool(committed)
    runs = await folded.fold()
    assert folded.sessions.status()["restored"] is True
    assert nonces(runs) == sent
    assert metrics(runs)["buffered"] == len(sent)
    assert len(folded.sessions.fold.sessions) == 6
    assert "folded 1" not in folded.told.calls or not committed
    log.close()


async def test_it_does_not_read_on_while_the_batcher_has_no_room(
    autojump_clock: MockClock, tmp_path: Path, nursery: trio.Nursery
) -> None:
    folded = FoldedLog(tmp_path, room=0)
    await folded.append(*visits(0, 2))
    await folded.append(*visits(2, 4))
    nursery.start_soon(folded.sessions.run)
    await wait_all_tasks_blocked()
    assert folded.sessions.cursor.position == 1
    assert folded.sessions.behind == 4
    assert folded.told.calls == ["folded 1", "waits"]
    await folded.runs.receive()
    await wait_all_tasks_blocked()
    assert folded.told.calls == ["folded 1", "waits", "folded 3", "waits"]
    assert nonces([await folded.runs.receive(), await folded.runs.receive()]) == [0, 1, 2, 3]
    await wait_all_tasks_blocked()
    # The front may have events wait for it only once it has read everything before them.
    assert folded.told.calls[-1] == "reads"
    assert folded.told.calls.count("reads") == 1
    nursery.cancel_scope.cancel()


def fail_on(folded: FoldedLog, page: str, *, times: float = float("inf")) -> None:
    """Have the fold raise at events of a page."""
    take = folded.sessions.fold.take

    def failing(record: Record) -> EventRows | Verdict | None:
        nonlocal times
        if isinstance(record, EnrichedEvent) and record.pathname == page and times > 0:
            times -= 1
            raise ZeroDivisionError
        return take(record)

    folded.sessions.fold.take = failing  # type: ignore[method-assign]


async def test_an_event_that_cannot_be_folded_costs_no_other(tmp_path: Path) -> None:
    folded = FoldedLog(tmp_path)
    fail_on(folded, "/bad")
    source = Source("letter:9", 3)
    await folded.append(
        an_event(1, "/a"),
        an_enriched_event(pathname="/bad", source=source),
        an_event(2, "/b"),
    )
    runs = await folded.fold()
    assert pages(runs) == ["/a", "/b"]
    assert runs[1].rows[1].sessions[-1][11] == 2
    assert metrics(runs) == {"buffered": 2, "dropped_persist_error": 1}
    assert folded.told.drops == {2: SET_ASIDE}
    position = LogPosition(folded.log.id, 0, 2)
    letter = await folded.letters.read(position.letter_id)
    assert (letter.actor, letter.kind, letter.position) == ("sessions", "enriched_event", position)
    assert letter.error.startswith("ZeroDivisionError at ")
    assert folded.sessions.fold.sources.has_taken(source)


def fill_letters(folded: FoldedLog, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(dead_letters, "LETTERS_LIMIT", 0)


def break_disk(folded: FoldedLog, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        folded.letters.directory, "write", lambda batch: [OSError(28, "no space")] * len(batch)
    )


@pytest.mark.parametrize("trouble", [fill_letters, break_disk])
async def test_without_room_for_a_letter_it_stops_and_goes_on(
    autojump_clock: MockClock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    nursery: trio.Nursery,
    trouble: Callable[[FoldedLog, pytest.MonkeyPatch], None],
) -> None:
    folded = FoldedLog(tmp_path)
    fail_on(folded, "/bad")
    await folded.append(an_event(1, "/a"), an_event(2, "/bad"), an_event(3, "/b"))
    with monkeypatch.context() as patch:
        trouble(folded, patch)
        nursery.start_soon(folded.sessions.run)
        await trio.sleep(60)
        assert folded.sessions.problem is not None
        assert folded.sessions.cursor.position == 1
        assert folded.told.calls[-1] == "waits"
    await trio.sleep(2 * RETRY_SECONDS)
    assert folded.sessions.problem is None
    assert list(folded.letters.ids()) == [f"{folded.log.id}-0-2"]
    assert pages([await folded.runs.receive(), await folded.runs.receive()]) == ["/a", "/b"]
    assert folded.told.drops == {2: SET_ASIDE}
    assert folded.told.calls[-1] == "reads"
    nursery.cancel_scope.cancel()


async def test_a_record_is_synced_before_its_letter_is_kept(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power failure would otherwise leave the letter, and give its position to another event."""
    log = open_log(tmp_path / "log")
    folded = FoldedLog(tmp_path, log)
    fail_on(folded, "/bad")
    await folded.append(an_event(1, "/a"), an_event(2, "/bad"))
    keep, sync, failures = folded.letters.keep, log.sync, [LogError("no disk")]
    synced: list[int] = []

    async def failing() -> None:
        if failures:
            raise failures.pop()
        await sync()

    def noting(*arguments: Any, **keywords: Any) -> bool:
        note = NoteFile.read(tmp_path / "log" / NOTE)
        assert note is not None
        synced.append(note.synced.number)
        return keep(*arguments, **keywords)

    monkeypatch.setattr(log, "sync", failing)
    monkeypatch.setattr(folded.letters, "keep", noting)
    assert pages(await folded.fold()) == ["/a"]
    assert (failures, synced) == ([], [2])
    log.close()


@pytest.mark.parametrize(("times", "events"), [(1, 3), (float("inf"), 2)])
async def test_an_event_that_the_store_has_becomes_no_letter(
    tmp_path: Path, times: float, events: int
) -> None:
    """It would be redriven and stored twice. A failure that passes changes no session."""
    log = open_log(tmp_path / "log")
    folded = FoldedLog(tmp_path, log)
    await folded.append(an_event(1, "/a"), an_event(2, "/bad"))
    await log.commit(log.end)
    await folded.append(an_event(3, "/b"))
    folded = FoldedLog(tmp_path, log)
    fail_on(folded, "/bad", times=times)
    runs = await folded.fold()
    assert pages(runs) == ["/b"]
    assert runs[-1].rows[0].sessions[-1][11] == events
    assert list(folded.letters.ids()) == []
    log.close()


@pytest.mark.parametrize("redriven", [False, True], ids=["letter", "mark"])
async def test_replay_passes_over_what_was_set_aside(tmp_path: Path, redriven: bool) -> None:
    """Although it can be folded now: its letter may have found another place."""
    log = open_log(tmp_path / "log")
    first = FoldedLog(tmp_path, log)
    fail_on(first, "/bad")
    await first.append(an_event(1, "/bad"), an_event(2, "/a"))
    runs = await first.fold()
    log.close()
    if redriven:
        first.letters.settle(f"{log.id}-0-1")

    again = open_log(tmp_path / "log")
    second = FoldedLog(tmp_path, again)
    repeated = await second.fold()
    assert repeated[: len(runs)] == runs
    assert (pages(repeated), metrics(repeated)) == (pages(runs), metrics(runs))
    assert nonces(repeated) == [2]
    again.close()


@pytest.mark.parametrize(
    ("position", "first", "prepared", "kept"),
    [
        pytest.param(1, 1, None, True, id="no gap"),
        pytest.param(1, 4, None, False, id="gap up to what is committed"),
        pytest.param(1, 4, 7, False, id="gap within what the store has"),
        pytest.param(4, 4, 7, True, id="no gap before a prepared batch"),
    ],
)
async def test_sessions_begin_anew_when_records_of_stored_rows_are_missing(
    tmp_path: Path, position: int, first: int, prepared: int | None, kept: bool
) -> None:
    """A log in memory forgets what is committed: to a fold from before that it is a gap."""
    log = MemoryLog(DESCRIPTION, limit_events=100, log_time=NOON)
    await log.append(visits(0, 3), NOON)
    await log.append(visits(3, 6), NOON)
    if prepared is None:
        await log.commit(LogPoint(first, first - 1))
    else:
        await log.prepare(LogPoint(prepared, prepared - 1), LogPoint(first, first - 1))
    fold = Fold(DESCRIPTION)
    fold.begin_run(NOON)
    fold.take(an_enriched_event(nonce=5, visitor=Visitor(99, None)))
    source = Source("import:1", 5)
    fold.sources.take(source, NOON)
    state = first_state(
        log, position, sessions=list(fold.sessions), sources=list(fold.sources), log_time=NOON
    )
    folded = FoldedLog(tmp_path, log, state=state)
    await folded.append(an_enriched_event(nonce=50, visitor=Visitor(99, None)))
    runs = await folded.fold()
    assert nonces(runs)[-1] == (5 if kept else 50)
    assert folded.sessions.fold.sources.has_taken(source)


@pytest.mark.parametrize("sealed", [False, True])
async def test_a_log_whose_last_records_are_missing_ends_there(
    autojump_clock: MockClock, tmp_path: Path, sealed: bool
) -> None:
    """The batcher is told, so that a batch that was prepared ends where it ended."""

    class Torn(MemoryLog):
        async def read(self, position: int) -> Run | None:
            while not self._sealed or position < 4:
                run = await super().read(position)
                if run is None or run.first != 4:
                    return run
                position = run.end
            return None

    log = Torn(DESCRIPTION, limit_events=100, log_time=NOON)
    await log.append(visits(0, 3), NOON)
    await log.append(visits(3, 6), NOON)
    folded = FoldedLog(tmp_path, log)
    if sealed:
        runs = await folded.fold()
        assert runs[-1] == FoldedRun(log.end, log.end, [], [])
    else:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(folded.sessions.run)
            await wait_all_tasks_blocked()
            await folded.append(*visits(6, 7))
            await wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        runs = [await folded.runs.receive() for _ in range(3)]
        assert nonces(runs) == [0, 1, 2, 6]
        assert runs[-1].start == LogPoint(7, 6)
    assert folded.sessions.cursor == log.end


async def test_a_log_that_cannot_be_read_is_read_later(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folded = FoldedLog(tmp_path)
    await folded.append(*visits(0, 2))
    read, failures = folded.log.read, [LogError("no answer")] * 3

    async def failing(position: int) -> Run | None:
        await trio.lowlevel.checkpoint()
        if position == 1 and failures:
            raise failures.pop()
        return await read(position)

    monkeypatch.setattr(folded.log, "read", failing)
    with capture_logs() as entries:
        assert nonces(await folded.fold()) == [0, 1]
    assert [entry["error"] for entry in entries] == ["no answer"]
    assert trio.current_time() == 3 * RETRY_SECONDS
    assert "waits" in folded.told.calls[1:3]


@pytest.mark.parametrize("copied_together", [1, 2, 20_000])
async def test_a_frozen_fold_is_that_of_its_position(
    autojump_clock: MockClock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    nursery: trio.Nursery,
    copied_together: int,
) -> None:
    """However many events come meanwhile."""
    monkeypatch.setattr(slices, "COPIED_TOGETHER", copied_together)
    folded = FoldedLog(tmp_path)
    nursery.start_soon(folded.sessions.run)
    appended: list[tuple[int, Sequence[Record]]] = []

    async def append_on() -> None:
        for number in range(400):
            records = [
                an_enriched_event(nonce=number, visitor=Visitor(number % 17, None)),
                an_enriched_event(
                    nonce=number,
                    visitor=Visitor(number % 13, None),
                    timestamp=NOON - 7200,
                    source=Source(f"letter:{number}", 1),
                ),
            ]
            appended.append((await folded.append(*records), records))
            await trio.lowlevel.checkpoint()

    states: list[FoldState] = []
    async with trio.open_nursery() as appending:
        appending.start_soon(append_on)
        while len(appended) < 400:
            states.append(await folded.sessions.freeze())
            await trio.lowlevel.checkpoint()
    states.append(await folded.sessions.freeze())
    assert len({state.position for state in states}) > 5
    for state in states:
        fold = Fold(DESCRIPTION)
        for position, records in appended:
            if position < state.position:
                fold.begin_run(NOON)
                for record in records:
                    fold.take(record)
        assert state.number == sum(2 for position, _ in appended if position < state.position)
        assert list(state.sessions) == list(fold.sessions)
        assert list(state.past) == list(fold.past)
        assert list(state.sources) == list(fold.sources)
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize(("together", "waits"), [(2, False), (1, True)])
async def test_nobody_waits_for_the_fold_while_many_sessions_are_copied(
    autojump_clock: MockClock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    nursery: trio.Nursery,
    together: int,
    waits: bool,
) -> None:
    monkeypatch.setattr(slices, "COPIED_TOGETHER", together)
    folded = FoldedLog(tmp_path)
    await folded.append(*(an_enriched_event(visitor=Visitor(user, None)) for user in range(2)))
    nursery.start_soon(folded.sessions.run)
    await trio.sleep(1)
    before = list(folded.told.calls)
    await folded.sessions.freeze()
    assert folded.told.calls == [*before, *(["waits"] if waits else [])]
    # The fold's verdicts are awaited again as soon as it goes on.
    end = await folded.append(an_enriched_event(visitor=Visitor(3, None))) + 1
    await folded.sessions.reach(end)
    assert "reads" in folded.told.calls[len(before) :] or not waits
    nursery.cancel_scope.cancel()


async def test_freezing_waits_for_the_end_of_a_run(
    autojump_clock: MockClock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    nursery: trio.Nursery,
) -> None:
    folded = FoldedLog(tmp_path)
    fail_on(folded, "/bad")
    await folded.append(an_event(1, "/a"), an_event(2, "/bad"), an_event(3, "/b"))
    with monkeypatch.context() as patch:
        fill_letters(folded, patch)
        nursery.start_soon(folded.sessions.run)
        await trio.sleep(1)
        with trio.move_on_after(20) as waiting:
            await folded.sessions.freeze()
        assert waiting.cancelled_caught
    state = await folded.sessions.freeze()
    assert (state.position, state.number) == (4, 3)
    assert [session.events for session in state.sessions] == [2]
    nursery.cancel_scope.cancel()


async def test_a_restart_goes_on_within_a_run(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folded = FoldedLog(tmp_path)
    fail_on(folded, "/bad")
    await folded.append(an_event(1, "/a"), an_event(2, "/bad"), an_event(3, "/b"))
    await folded.append(an_event(4, "/c"))
    keep, failures = folded.letters.keep, [RuntimeError(), RuntimeError()]

    def failing(*arguments: Any, **keywords: Any) -> bool:
        if failures:
            raise failures.pop()
        return keep(*arguments, **keywords)

    monkeypatch.setattr(folded.letters, "keep", failing)
    runs = await folded.fold()
    assert failures == []
    assert pages(runs) == ["/a", "/b", "/c"]
    assert [rows.sessions[-1][11] for run in runs for rows in run.rows] == [1, 2, 3]
    assert metrics(runs) == {"buffered": 3, "dropped_persist_error": 1}


async def test_cancelled_while_it_waits_for_room_it_sends_again(tmp_path: Path) -> None:
    folded = FoldedLog(tmp_path, room=0)
    await folded.append(*visits(0, 2))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(folded.sessions.run)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    runs = await folded.fold()
    assert nonces(runs) == [0, 1]
    assert [run.end.position for run in runs] == [1, 3]


async def test_what_came_before_the_log_is_stored_first(
    autojump_clock: MockClock, tmp_path: Path, nursery: trio.Nursery
) -> None:
    log = MemoryLog(DESCRIPTION, limit_events=100, log_time=NOON)
    earlier = Fold(DESCRIPTION)
    earlier.begin_run(NOON)
    earlier.take(an_enriched_event(nonce=7))
    stored = trio.Event()

    class Earlier:
        backlog = 1
        failures = 1

        async def drain(self) -> FoldState:
            await stored.wait()
            if self.failures:
                self.failures -= 1
                raise ZeroDivisionError
            return first_state(log, sessions=list(earlier.sessions), log_time=NOON)

    folded = FoldedLog(tmp_path, log, predecessor=Earlier())
    await folded.append(an_event(8))
    nursery.start_soon(Supervisor().supervise, folded.sessions)
    await trio.sleep(60)
    assert not folded.sessions.has_begun
    assert folded.told.calls == []
    stored.set()
    await trio.sleep(10)
    assert folded.sessions.has_begun
    assert nonces([await folded.runs.receive(), await folded.runs.receive()]) == [7]
    nursery.cancel_scope.cancel()


async def test_closing_tells_the_front_and_the_batcher(tmp_path: Path) -> None:
    folded = FoldedLog(tmp_path)
    folded.sessions.close()
    assert folded.told.calls == ["waits"]
    with pytest.raises(trio.EndOfChannel):
        await folded.runs.receive()


async def test_a_log_of_files_is_folded_from_a_checkpoint(tmp_path: Path) -> None:
    """The same rows come out as without one."""
    log: FileLog = open_log(tmp_path / "log")
    for number in range(30):
        await log.append([an_event(number), *visits(number, number + 2)], NOON + 60 * number)
    folded = FoldedLog(tmp_path, log)
    states = [await folded.sessions.freeze()]
    log.seal()
    runs: list[FoldedRun] = []
    while (run := await folded.sessions.fold_next()) is not None:
        runs.append(run)
        folded.sessions.sent()
        states.append(await folded.sessions.freeze())
    for passed, state in enumerate(states):
        again = FoldedLog(tmp_path, log, state=state)
        assert await again.fold() == runs[passed:]
    log.close()
