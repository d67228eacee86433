"""Everything that the log has taken is stored exactly once, whatever happens to store and process.

Lives of a process follow each other over the same files and the same store. Each ends in the
middle of something, but for the last. What is in the store then is compared with a fold over all
runs that were ever written to the log.
"""

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import trio
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from actors.clock.wall_clock import Clock
from actors.keepers import log_keeper
from actors.keepers.drop_count_keeper import DropCountKeeper
from actors.keepers.redrive import Redrive
from actors.letters.dead_letters import DeadLetters
from actors.letters.letter_directory import LetterDirectory
from actors.letters.letter_writer import LetterWriter
from actors.log import segment_writer
from actors.log.checkpoint_file import CheckpointFile
from actors.log.file_log import FileLog
from actors.pipeline import slices
from actors.pipeline.flush import Flush
from actors.pipeline.intake import Intake
from actors.pipeline.partition import Partition
from actors.pipeline.recorder import Recorder
from actors.pipeline.verdicts import Ticket, Verdicts
from actors.pipeline.writer import Retry, Writer
from actors.stores.store import StoreUnavailable
from actors.supervision.actor import Actor
from actors.supervision.supervisor import Supervisor
from ingest.fold import fold as fold_module
from ingest.fold.fold import Fold
from ingest.model.event import ENGAGEMENT, EnrichedEvent, Event, Visitor
from ingest.model.verdict import ACCEPTED, DropReason, Verdict
from ingest.pipeline.ticketed_event import TicketedEvent
from ingest.records.drop_counter import DropCounter
from ingest.records.record import Description
from ingest.records.run import Run, encode_run
from ingest.rows.batch import CounterKey
from ingest.rows.layout import EventRows, Row, rows_of
from ingest.rows.schema import TABLES, Table
from ingest.server.durability import fitting_state
from ingest.telemetry.metrics import Metrics
from tests.actors.fakes import FakeStore
from tests.actors.log.files import kill
from tests.actors.pipeline.running_pipeline import no_broadcast
from tests.conftest import jumping_clock
from tests.examples import NOON, an_enriched_event, an_event

DESCRIPTION = Description(session_seconds=30, margin_seconds=60)
FLUSH_ROWS = 4
LIMIT_BYTES = 60_000
"""Segments have an eighth of it, so that some are deleted behind checkpoints."""


class Step(NamedTuple):
    """What is done before the next step.

    Attributes:
        events: Of which visitors; a negative one sends an event that cannot be folded.
        drops: Events dropped in front of the log.
        seconds: How long nothing else is done then.
        redrive: Whether an operator marks all letters before.
    """

    events: tuple[int, ...]
    drops: int
    seconds: float
    redrive: bool


class Life(NamedTuple):
    """A process from its start to its end.

    Attributes:
        steps: What is done.
        checkpoints: How many of trio's checkpoints pass between the last step and the end.
        settles: Whether letters are deleted that were redriven, before the process ends.
    """

    steps: tuple[Step, ...]
    checkpoints: int
    settles: bool = True


STEPS = st.builds(
    Step,
    st.lists(st.integers(-1, 5), max_size=6).map(tuple),
    st.integers(0, 2),
    st.sampled_from([0.0, 0.01, 1.5, 3.5, 6.0, 150.0]),
    st.booleans(),
)
LIVES = st.lists(
    st.builds(Life, st.lists(STEPS, max_size=6).map(tuple), st.integers(0, 40), st.booleans()),
    min_size=1,
    max_size=4,
)
OUTCOMES = st.lists(
    st.sampled_from(["stored", "lost", "landed", "slow", "stored late"]), max_size=20
)
FORGETFUL = st.sampled_from([(), tuple(TABLES), ("ingest_counters",)])


class UnreliableStore(FakeStore):
    """Does with each insert what a list says; and checks that what is repeated is the same."""

    def __init__(self, outcomes: Sequence[str], forgetful: Sequence[str]) -> None:
        super().__init__()
        self._outcomes = list(outcomes)
        self._seen: dict[str, Sequence[Row]] = {}
        self.forgetful = set(forgetful)

    async def insert(self, table: Table, rows: Sequence[Row], token: str) -> None:
        await trio.lowlevel.checkpoint()
        assert self._seen.setdefault(token, rows) == rows
        outcome = self._outcomes.pop(0) if self._outcomes else "stored"
        if outcome == "slow":
            await trio.sleep(5)
        if outcome != "lost":
            self._keep(table, rows, token)
        if outcome == "stored late":
            await trio.sleep(5)
        if outcome in ("lost", "landed"):
            raise StoreUnavailable("connection reset")

    def heal(self) -> None:
        self._outcomes.clear()


class Process:
    """One life: the actors from the recorder to the store."""

    def __init__(self, directory: Path, clock: Clock, store: FakeStore) -> None:
        self.log = FileLog.open(
            directory / "log",
            description=DESCRIPTION,
            limit_bytes=LIMIT_BYTES,
            fsync="never",
            log_time=clock.seconds(),
        )
        self.clock = clock
        checkpoints = CheckpointFile(directory / "checkpoint")
        metrics = Metrics(lambda domain: True)
        self.letters = DeadLetters(directory / "letters", clock.now)
        self.letters.load_at_once()
        drops = DropCounter()
        self.verdicts = Verdicts(drops, metrics, no_broadcast())
        self.tickets: list[tuple[Ticket, int]] = []
        self.send, inbox = trio.open_memory_channel[Sequence[TicketedEvent]](1_000)
        to_gate, _ = trio.open_memory_channel[Sequence[Event]](1)
        to_writer, flushes = trio.open_memory_channel[Flush](0)
        recorder = Recorder(
            inbox, self.log, clock, self.verdicts, self.letters, drops, lambda domain: 1
        )
        self.partition = Partition(
            self.log,
            fitting_state(self.log, checkpoints.load(), DESCRIPTION),
            to_writer,
            self.verdicts,
            self.letters,
            metrics,
            flush_rows=FLUSH_ROWS,
            flush_seconds=5,
            checkpoints=checkpoints,
        )
        assert self.partition.keeper is not None
        writer = Writer(
            flushes, store, self.letters, metrics, retry=Retry(0.25, 2), jitter=lambda: 1.0
        )
        self.stages: list[Actor] = [recorder, *self.partition.actors, writer]
        self.keepers: list[Actor] = [
            self.partition.keeper,
            DropCountKeeper(recorder),
            Redrive(
                self.letters,
                Intake(to_gate, self.verdicts),
                self.verdicts,
                self.log,
                self.send.clone(),
                to_writer.clone(),
            ),
        ]
        self.letter_writer = LetterWriter(self.letters)

    async def do(self, step: Step, nonces: Iterator[int]) -> None:
        if step.redrive:
            for letter_id in list(self.letters.directory.scan().letters):
                self.letters.directory.mark(letter_id)
        events: list[TicketedEvent] = []
        for number in step.events:
            ticket, nonce = self.verdicts.open(1), next(nonces)
            self.tickets.append((ticket, nonce))
            events.append(TicketedEvent(ticket.number, 0, self._event(number, nonce)))
        if events:
            await self.send.send(events)
        for _ in range(step.drops):
            dropped = an_event(timestamp=self.clock.seconds())
            self.verdicts.drop(dropped, Verdict(DropReason.BOT))
        await trio.sleep(step.seconds)

    def _event(self, number: int, nonce: int) -> EnrichedEvent:
        now = self.clock.seconds()
        bad = number < 0
        return an_enriched_event(
            pathname=f"/bad/{nonce}" if bad else f"/{nonce}",
            name=ENGAGEMENT if number == 5 else "pageview",
            visitor=Visitor(abs(number) % 5, None),
            timestamp=now - 7_200 if number == 4 else now,
            received=now,
            nonce=nonce,
        )

    async def live(self, life: Life, nonces: Iterator[int]) -> None:
        """Up to a sudden end."""
        if not life.settles:
            # They are not redriven again in this life, but in the next.
            self.letters._change = lambda change: None  # type: ignore[method-assign]
        async with trio.open_nursery() as nursery:
            for actor in (self.letter_writer, *self.keepers, *self.stages):
                nursery.start_soon(Supervisor().supervise, actor)
            for step in life.steps:
                await self.do(step, nonces)
            for _ in range(life.checkpoints):
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
        kill(self.log)

    async def live_to_the_end(self, nonces: Iterator[int]) -> None:
        """Redrive all letters, drain, and end in order."""
        async with trio.open_nursery() as last:
            last.start_soon(Supervisor().supervise, self.letter_writer)
            async with trio.open_nursery() as stages:
                async with trio.open_nursery() as keepers:
                    for actor in self.stages:
                        stages.start_soon(Supervisor().supervise, actor)
                    for actor in self.keepers:
                        keepers.start_soon(Supervisor().supervise, actor)
                    for _ in range(3):
                        await self.do(Step((), 0, 20, redrive=True), nonces)
                    keepers.cancel_scope.cancel()
                for actor in self.keepers:
                    actor.close()
                self.send.close()
            await self.partition.save()
            last.cancel_scope.cancel()
        self.letters.flush()
        self.log.close()


def lay_out(event: EnrichedEvent, transition: Any) -> EventRows:
    """Fails at some events, but not when they are redriven."""
    if event.pathname.startswith("/bad/") and event.source is None:
        raise ZeroDivisionError
    return rows_of(event, transition)


class Expected:
    """What a store should have, by a fold over the whole log."""

    def __init__(self, runs: Sequence[Run]) -> None:
        self.events: Counter[Row] = Counter()
        self.sessions: Counter[Row] = Counter()
        self.counters: Counter[CounterKey] = Counter()
        self.nonces: set[int] = set()
        fold = Fold(DESCRIPTION)
        for run in runs:
            fold.begin_run(run.log_time)
            for record in run.records:
                if isinstance(record, EnrichedEvent):
                    self.nonces.add(record.nonce)
                try:
                    outcome = fold.take(record)
                except ZeroDivisionError:
                    fold.pass_over(record)
                    continue
                if isinstance(outcome, EventRows):
                    self.events[outcome.event] += 1
                    add_states(self.sessions, outcome.sessions)
        for key, events in fold.take_counters():
            self.counters[key] += events


def add_states(sums: Counter[Row], rows: Sequence[Row]) -> None:
    """Add up signs, by everything else that a row of a session says.

    But for its time: an engagement event changes that without a row of its own.
    """
    for row in rows:
        state = (row[0], *row[2:5], *row[6:])
        sums[state] += row[1]
        if not sums[state]:
            del sums[state]


@contextmanager
def recorded_runs(patch: pytest.MonkeyPatch) -> Iterator[list[Run]]:
    """All runs that are written to logs."""
    runs: list[Run] = []

    def encode(run: Run) -> bytes:
        runs.append(run)
        return encode_run(run)

    patch.setattr(segment_writer, "encode_run", encode)
    yield runs


def check(store: UnreliableStore, runs: Sequence[Run], directory: Path) -> None:
    assert [run.first for run in runs[1:]] == [run.end for run in runs[:-1]]
    expected = Expected(runs)
    assert Counter(store.rows.get("events_v2", [])) == expected.events
    states: Counter[Row] = Counter()
    add_states(states, store.rows.get("sessions_v2", []))
    assert states == expected.sessions
    counters: Counter[CounterKey] = Counter()
    for minute, domain, site_id, metric, events, version in store.rows.get("ingest_counters", []):
        counters[minute, domain, site_id, metric, version] += events
    if "ingest_counters" in store.forgetful:
        assert counters <= expected.counters
    else:
        assert counters == expected.counters
    # All letters were redriven, each once.
    assert LetterDirectory(directory / "letters").scan().letters == {}
    pages = Counter(row[6] for row in store.rows.get("events_v2", []))
    bad = {
        record.pathname
        for run in runs
        for record in run.records
        if isinstance(record, EnrichedEvent) and record.pathname.startswith("/bad/")
    }
    assert {page for page in pages if page.startswith("/bad/")} == bad
    assert set(pages.values()) <= {1}


def live_through(lives: Sequence[Life], outcomes: Sequence[str], forgetful: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        directory = Path(name)
        patch.setattr(fold_module, "rows_of", lay_out)
        patch.setattr(log_keeper, "CHECKPOINT_SECONDS", 3)
        patch.setattr(slices, "COPIED_TOGETHER", 1)
        store = UnreliableStore(outcomes, forgetful)
        nonces = count(1)
        accepted: set[int] = set()

        async def main() -> None:
            clock = Clock(NOON)
            for life in lives:
                process = Process(directory, clock, store)
                await process.live(life, nonces)
                accepted.update(
                    nonce for ticket, nonce in process.tickets if ticket.verdicts == [ACCEPTED]
                )
            store.heal()
            await Process(directory, clock, store).live_to_the_end(nonces)

        with recorded_runs(patch) as runs:
            trio.run(main, clock=jumping_clock(patch))
        check(store, runs, directory)
        assert accepted <= Expected(runs).nonces


@given(LIVES, OUTCOMES, FORGETFUL)
@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
)
@example(
    # A checkpoint of the second life is behind what the first has prepared.
    [
        Life((Step((0, 1, 2, 3, 0), 1, 1.5, redrive=False),), 0),
        Life((Step((0, 1), 0, 70.0, redrive=False), Step((2,), 0, 0.01, redrive=False)), 3),
    ],
    ["lost", "landed", "stored late"],
    (),
)
@example(
    # A letter is redriven, and the process ends before the letter is deleted.
    [
        Life((Step((-1, 0), 0, 6.0, redrive=False), Step((), 0, 6.0, redrive=True)), 40, False),
        Life((Step((1,), 0, 1.5, redrive=False),), 0),
    ],
    [],
    tuple(TABLES),
)
def test_what_the_log_has_taken_is_stored_once(
    lives: list[Life], outcomes: list[str], forgetful: tuple[str, ...]
) -> None:
    live_through(lives, outcomes, forgetful)
