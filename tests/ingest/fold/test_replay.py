"""The fold of the same log gives the same rows, whatever is cut, saved, or crashes on the way."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from ingest.fold import fold, import_sessions
from ingest.fold.checkpoint import FoldState, read_parts, write_parts
from ingest.fold.fold import Fold
from ingest.fold.import_sessions import SavedImport
from ingest.model.event import EnrichedEvent, Source, Visitor
from ingest.records.record import Description, DropCounts, EndOfSource, MetricCount, Record
from ingest.records.run import Run, decode_run, encode_run
from ingest.rows.batch import Batch, Insert
from ingest.rows.layout import SESSION_EVENTS, SESSION_ID, SESSION_SIGN, EventRows, rows_of
from ingest.sessions.open_sessions import Transition
from tests.examples import NOON, an_enriched_event

DESCRIPTION = Description(session_seconds=100, margin_seconds=10)

Rows = dict[str, Any]

BROKEN = "/broken"
"""Path of events that cannot be folded: they become letters, and a replay passes over them."""


class BrokenEventError(Exception):
    pass


def rows_of_whole(event: EnrichedEvent, transition: Transition) -> EventRows:
    if event.pathname == BROKEN:
        raise BrokenEventError
    return rows_of(event, transition)


@pytest.fixture(autouse=True, scope="module")
def broken_events() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fold, "rows_of", rows_of_whole)
        patch.setattr(import_sessions, "rows_of", rows_of_whole)
        patch.setattr(import_sessions, "TOGETHER", 1)
        yield


@dataclass
class Disk:
    """What outlasts a crash: the log's note, the checkpoint, and the store."""

    state: bytes | None = None
    parts: list[bytes] = field(default_factory=list)
    committed: int = 0
    prepared: int | None = None
    stored: dict[str, Insert] = field(default_factory=dict)
    set_aside: set[int] = field(default_factory=set)

    def insert(self, insert: Insert) -> None:
        """As a store that recognises tokens; the same token must come with the same rows."""
        assert self.stored.setdefault(insert.token, insert).rows == insert.rows


def state_of(fold: Fold, position: int) -> FoldState:
    return FoldState(
        "log",
        position,
        0,
        fold.log_time,
        fold.description,
        list(fold.sessions),
        list(fold.past),
        list(fold.sources),
        [
            SavedImport(name, each.touched, each.figures, list(each.open))
            for name, each in fold.imports
        ],
    )


def take_run(fold: Fold, run: Run, batch: Batch | None, set_aside: set[int]) -> None:
    fold.begin_run(run.log_time)
    for position, record in enumerate(run.records, run.first):
        outcome = None
        if position not in set_aside:
            try:
                outcome = fold.take(record)
            except BrokenEventError:
                set_aside.add(position)
        if position in set_aside:
            fold.pass_over(record)
        if batch is not None and isinstance(outcome, EventRows):
            batch.add(outcome)
    counters = fold.take_counters()
    if batch is not None:
        batch.count(counters)


def totals(inserts: list[Insert]) -> tuple[Counter[Any], Counter[Any], Counter[Any]]:
    """Events, the signs of each session's versions, and counters, added up."""
    events: Counter[Any] = Counter()
    signs: Counter[Any] = Counter()
    newest: dict[Any, Any] = {}
    counters: Counter[Any] = Counter()
    for insert in inserts:
        for row in insert.rows:
            if insert.table == "events_v2":
                events[row] += 1
            elif insert.table == "sessions_v2":
                version = (row[SESSION_ID], row[SESSION_EVENTS])
                signs[version] += row[SESSION_SIGN]
                # Engagement changes a session without a row, so the row that cancels may differ.
                if row[SESSION_SIGN] > 0:
                    newest[version] = row
            else:
                counters[row[:4] + row[5:]] += row[4]
    sessions = Counter({(key, newest[key]): sign for key, sign in signs.items() if sign})
    return events, sessions, counters


records = st.one_of(
    st.builds(
        an_enriched_event,
        visitor=st.builds(Visitor, st.integers(1, 3), st.none() | st.integers(1, 3)),
        timestamp=st.integers(NOON - 4000, NOON + 400),
        name=st.sampled_from(["pageview", "engagement", "Signup"]),
        pathname=st.sampled_from(["/", "/a", "/\udcff", BROKEN]),
        source=st.none()
        | st.builds(
            Source, st.sampled_from(["letter:a", "import:a", "import:b"]), st.integers(1, 9)
        ),
    ),
    st.builds(EndOfSource, st.just("import:a"), st.integers(0, 9)),
    st.just(DropCounts((MetricCount(NOON, "x.example", None, "dropped_bot", 0, 2),))),
    st.just(Description(session_seconds=50, margin_seconds=5)),
)
runs = st.lists(
    st.tuples(st.integers(NOON - 50, NOON + 400), st.lists(records, min_size=1, max_size=4)),
    min_size=1,
    max_size=12,
)
actions = st.lists(
    st.sampled_from(
        ["fold", "fold", "fold one", "cut", "checkpoint", "crash", "crash while storing"]
    ),
    max_size=60,
)


def a_log(content: list[tuple[int, list[Record]]]) -> list[Run]:
    """Runs of records; the events' nonces are unique, as random ones are."""
    log: list[Run] = []
    position = number = 0
    for log_time, records in content:
        unique: list[Record] = [
            replace(record, nonce=nonce) if isinstance(record, EnrichedEvent) else record
            for nonce, record in enumerate(records, position)
        ]
        run = Run(1, position, number, log_time, unique)
        log.append(decode_run(encode_run(run)))
        position, number = run.end, run.number + run.events
    return log


def of_import(number: int, seconds: int, visitor: int, pathname: str = "/") -> EnrichedEvent:
    return an_enriched_event(
        source=Source("import:a", number),
        timestamp=NOON - 4000 + seconds,
        visitor=Visitor(visitor, None),
        pathname=pathname,
    )


BROKEN_AFTER_A_PAUSE: list[Record] = [
    of_import(1, 0, 1),
    of_import(2, 1, 2),
    of_import(3, 500, 3, BROKEN),
    of_import(4, 50, 2),
]


class Worker:
    """One life of a process: from recovery to a crash."""

    def __init__(self, log: list[Run], disk: Disk) -> None:
        self.log, self.disk = log, disk
        self.fold = Fold(DESCRIPTION)
        self.position = 0
        if disk.parts:
            state = read_parts(disk.parts)
            self.fold, self.position = state.restore(), state.position
        while self.position < disk.committed:
            self.take_next(None, disk.committed)
        self.first = self.position
        self.batch = Batch()
        if disk.prepared is not None:
            cut = disk.prepared
            while self.position < cut:
                self.take_next(self.batch, cut)
            self.store()

    def take_next(self, batch: Batch | None, end: int | None = None) -> bool:
        """Fold the next run, or what there is of it up to a position."""
        run = next((run for run in self.log if self.position < run.end), None)
        if run is None:
            return False
        run = run.starting_at(self.position)
        if end is not None:
            run = replace(run, records=run.records[: end - run.first])
        take_run(self.fold, run, batch, self.disk.set_aside)
        self.position = run.end
        return True

    def store(self, inserts: int = 3) -> None:
        """Prepare, insert, commit; or crash after so many inserts."""
        self.disk.committed, self.disk.prepared = self.first, self.position
        made = self.batch.inserts(f"log-{self.first}-{self.position}")
        for insert in made[:inserts]:
            self.disk.insert(insert)
        if inserts < 3:
            return
        self.first, self.batch = self.position, Batch()
        self.disk.committed, self.disk.prepared = self.position, None


def outcome_of(log: list[Run], plan: list[str]) -> list[Insert]:
    disk = Disk()
    worker = Worker(log, disk)
    for number, action in enumerate(plan):
        match action:
            case "fold":
                worker.take_next(worker.batch)
            case "fold one":
                worker.take_next(worker.batch, worker.position + 1)
            case "cut":
                worker.store()
            case "checkpoint":
                worker.store()
                disk.parts = list(write_parts(state_of(worker.fold, worker.position)))
            case "crash":
                worker = Worker(log, disk)
            case "crash while storing":
                worker.store(number % 3)
                worker = Worker(log, disk)
    while worker.take_next(worker.batch):
        pass
    worker.store()
    return list(disk.stored.values())


@given(runs, actions)
@example(
    [(NOON, [an_enriched_event()]), (NOON, [an_enriched_event()])],
    ["fold", "crash while storing", "checkpoint", "crash", "fold", "crash while storing"],
)
@example([(NOON, BROKEN_AFTER_A_PAUSE)], ["fold one", "fold one", "fold one", "crash"])
def test_the_sums_are_those_of_a_run_without_cuts(
    content: list[tuple[int, list[Record]]], plan: list[str]
) -> None:
    log = a_log(content)
    assert totals(outcome_of(log, plan)) == totals(outcome_of(log, []))


@given(runs, actions)
def test_the_same_cuts_give_the_same_batches(
    content: list[tuple[int, list[Record]]], plan: list[str]
) -> None:
    log = a_log(content)
    without_crashes = [step for step in plan if not step.startswith("crash")]
    assert outcome_of(log, without_crashes) == outcome_of(log, without_crashes)
