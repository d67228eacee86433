"""Everything in the events topic is stored exactly once, whatever happens to workers and brokers.

Workers run over the same topics and the same store; they are killed and paused, members expire,
commits are refused, unanswered or late, and inserts fail and land late. What is in the store in the
end is compared with a fold over all messages.
"""

from collections import Counter
from collections.abc import Sequence
from contextlib import aclosing
from random import Random

import pytest
import trio
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from actors.clock.wall_clock import Clock
from actors.cluster.letter_reading import LetterRecord, read_records
from actors.cluster.letter_topic import LetterTopic
from actors.cluster.ownership import Ownership
from actors.cluster.partition_folds import PartitionFolds
from actors.pipeline import slices
from actors.pipeline.flush import Flush
from actors.pipeline.writer import Retry, Writer
from actors.stores.store import StoreUnavailable
from actors.supervision.supervisor import Supervisor
from ingest.engine.cluster_letters import ClusterLetters
from ingest.engine.cluster_record import ClusterRecord
from ingest.engine.letter_record import mark_frames, mark_of
from ingest.engine.message import decode_message, encode_message
from ingest.engine.parts import Packer
from ingest.engine.plan import decode_plan
from ingest.fold import fold as fold_module
from ingest.fold.fold import Fold
from ingest.model.event import ENGAGEMENT, EnrichedEvent, Source, Visitor
from ingest.records.encoding import encode
from ingest.records.record import DropCounts, MetricCount, Record
from ingest.rows.batch import CounterKey
from ingest.rows.layout import EventRows, Row, rows_of
from ingest.rows.schema import TABLES, Table
from ingest.telemetry.metrics import Metrics
from tests.actors.cluster.simulated_group import (
    SESSION_SECONDS,
    Coordinator,
    Process,
    SimulatedMembership,
)
from tests.actors.cluster.simulated_topics import ProcessTopics, SimulatedTopics, append
from tests.actors.fakes import FakeStore
from tests.actors.pipeline.test_crashes import add_states
from tests.conftest import jumping_clock
from tests.examples import NOON, an_enriched_event

PARTITIONS = 2
PATHNAME = [column.name for column in TABLES["events_v2"].inserted].index("pathname")
WORKERS = 3
VISITORS = 6
RECORD = ClusterRecord("0123456789abcdef", PARTITIONS, 30)


class SharedStore(FakeStore):
    """The store of all workers. Inserts fail, land without an answer, or land late."""

    def __init__(self, random: Random, nursery: trio.Nursery) -> None:
        super().__init__()
        self.random = random
        self.nursery = nursery
        self.up = True
        self.trouble = 0.0
        self.late = 0
        self.doubled: list[str] = []

    async def land_late(self, table: Table, rows: Sequence[Row], token: str) -> None:
        self.late += 1
        await trio.sleep(self.random.choice([1, 5, 20, 40]))
        self._keep(table, rows, token)
        self.late -= 1


class ProcessStore(FakeStore):
    """The store, as one process uses it."""

    def __init__(self, process: Process, store: SharedStore) -> None:
        super().__init__()
        self._process = process
        self._store = store

    async def insert(self, table: Table, rows: Sequence[Row], token: str) -> None:
        store = self._store
        # The process may be paused between what it has checked and the insert.
        await trio.sleep(0.01)
        await self._process.awake()
        if not store.up:
            raise StoreUnavailable("as told")
        chance = store.random.random()
        if chance >= store.trouble:
            store._keep(table, rows, token)
        elif chance < store.trouble * 0.4:
            store._keep(table, rows, token)
            raise StoreUnavailable("as told")
        elif chance < store.trouble * 0.7:
            store.nursery.start_soon(store.land_late, table, rows, token)
            raise StoreUnavailable("as told")
        else:
            raise StoreUnavailable("as told")
        await trio.sleep(0.01)
        await self._process.awake()


class SimulatedWorker:
    """One process from its start to its end."""

    def __init__(self, world: "World", name: str) -> None:
        self.process = Process()
        self.membership = SimulatedMembership(
            name, self.process, world.coordinator, world.topics.events, world.topics.low
        )
        topics = ProcessTopics(self.process, world.topics)
        self.letters = LetterTopic(
            topics.letter_reader(),
            topics.letters_end,
            topics.letter_reader,
            topics.send_letter,
            world.clock.now,
        )
        outlet, flushes = trio.open_memory_channel[Flush](0)
        metrics = Metrics(lambda domain: True)
        self.supervisor = Supervisor()
        self.folds = PartitionFolds(
            self.membership,
            RECORD,
            topics,
            topics.checkpoint_reader,
            topics.send_checkpoint,
            self.letters,
            outlet,
            metrics,
            flush_rows=4,
            flush_seconds=2,
            session_seconds=SESSION_SECONDS,
            now=world.clock.now,
            monotonic=trio.current_time,
            checkpoint_seconds=7,
        )
        self.ownership = Ownership(self.membership, self.folds, self.supervisor)
        self.writer = Writer(
            flushes,
            ProcessStore(self.process, world.store),
            self.letters,
            metrics,
            retry=Retry(0.25, 2),
            jitter=lambda: 1.0,
        )
        self.scope = trio.CancelScope()

    async def run(self) -> None:
        with self.scope:
            async with trio.open_nursery() as keepers:
                keepers.start_soon(self.supervisor.supervise, self.letters)
                async with trio.open_nursery() as stages:
                    stages.start_soon(self.supervisor.supervise, self.writer)
                    await stages.start(self.ownership.run)
                    await self.membership.run(self.ownership)
                    self.folds.close()
                keepers.cancel_scope.cancel()

    @property
    def running(self) -> bool:
        return not self.scope.cancel_called and not self.ownership.ended_event.is_set()


class World:
    """The cluster, with its front."""

    def __init__(self, random: Random, clock: Clock, nursery: trio.Nursery) -> None:
        self.random = random
        self.clock = clock
        self.nursery = nursery
        self.coordinator = Coordinator(random, PARTITIONS)
        self.topics = SimulatedTopics(random, self.coordinator, PARTITIONS)
        self.store = SharedStore(random, nursery)
        self.workers: dict[str, SimulatedWorker] = {}
        self.nonces = 0
        self.sent: list[list[tuple[int, Record]]] = [[] for _ in range(PARTITIONS)]
        self.redriven: Counter[int] = Counter()
        self.deaths = self.pauses = 0

    # The front.

    def produce(self) -> None:
        partition = self.random.randrange(PARTITIONS)
        for _ in range(self.random.randint(1, 3)):
            self.sent[partition].append((len(self.sent[partition]), self._record(partition)))
        sent = self.sent[partition]
        count = self.random.randint(1, 4)
        # Sometimes from further back, as a front does that has been restarted.
        begin = max(0, len(sent) - count - self.random.choice([0, 0, 0, 5]))
        for first in range(begin, len(sent), 4):
            self.append(partition, sent[first : min(first + 4, len(sent))])

    def _record(self, partition: int) -> Record:
        self.nonces += 1
        now = self.clock.seconds()
        if self.random.random() < 0.1:
            count = MetricCount(now // 60 * 60, "example.com", 1, "dropped_bot", 0, 1)
            return DropCounts((count,))
        bad = self.random.random() < 0.05
        return an_enriched_event(
            pathname=f"/bad/{self.nonces}" if bad else f"/{self.nonces}",
            name=ENGAGEMENT if self.random.random() < 0.2 else "pageview",
            visitor=Visitor(self.random.randrange(VISITORS) * PARTITIONS + partition + 1, None),
            timestamp=now - self.random.choice([0, 0, 0, 40, 7_200]),
            received=now,
            nonce=self.nonces,
        )

    def append(self, partition: int, records: Sequence[tuple[int, Record]]) -> None:
        entries = [(position, *encode(record)) for position, record in records]
        append(self.topics.events[partition], encode_message(7, entries), self.clock.seconds())

    async def redrive(self, marked: float = 0.5) -> int:
        """Append the events of all letters as fronts do, and mark some of the letters."""
        letters = ClusterLetters()
        records: dict[tuple[str, int], LetterRecord] = {}
        reader = ProcessTopics(Process(), self.topics).letter_reader()
        async with aclosing(read_records(reader)) as found:
            async for record in found:
                letters.take(record.header, record.offset, record.size)
                if record.header.mark is None:
                    records[record.header.id, record.header.redriven] = record
        for header in [each.header for each in letters.letters.values()]:
            letter = await records[header.id, header.redriven].letter()
            assert isinstance(letter.content, EnrichedEvent)
            source = Source(f"letter:{letter.id}", letter.redriven + 1)
            event = replace(letter.content, source=source)
            for _ in range(self.random.choice([1, 1, 2])):
                self.append(letter.partition, [(0, event)])
            # It may have failed again before the mark.
            await trio.sleep(self.random.choice([0, 0, 2]))
            if self.random.random() < marked:
                packer = Packer()
                for frame in mark_frames(mark_of(header, "redriven", self.clock.seconds())):
                    packer.add(frame)
                for data in packer.finish(self.random.getrandbits(64)):
                    append(self.topics.letters, data, trio.current_time())
            self.redriven[letter.redriven] += 1
        return len(letters.letters)

    # The workers.

    def start(self, name: str) -> None:
        worker = self.workers[name] = SimulatedWorker(self, f"{name}.{self.deaths}")
        self.nursery.start_soon(worker.run)

    def fault(self) -> None:
        name = f"W{self.random.randrange(WORKERS)}"
        worker = self.workers.get(name)
        kind = self.random.choice(["kill", "pause", "pause", "end", "up", "up", "store"])
        if kind == "store":
            self.store.up = self.random.random() < 0.6
        elif worker is None or not worker.running:
            if kind in ("up", "end", "kill"):
                self.deaths += 1
                self.start(name)
        elif kind == "kill":
            worker.scope.cancel()
        elif kind == "pause":
            self.pauses += 1
            worker.process.pause()
            self.nursery.start_soon(self._go_on, worker.process)
        elif kind == "end" and not worker.process.paused:
            worker.membership.close()

    async def _go_on(self, process: Process) -> None:
        await trio.sleep(self.random.choice([0.5, 3, 10, 20, 40]))
        process.go_on()

    def behind(self) -> str:
        """What is not committed yet; empty if nothing is left."""
        for partition, messages in enumerate(self.topics.events):
            commit = self.coordinator.commits.get(partition)
            if commit is None or commit.offset < len(messages):
                return f"{partition}: {commit} of {len(messages)}"
            if decode_plan(commit.metadata).prepared is not None:
                return f"{partition}: {commit}"
        return "late inserts" if self.store.late else ""

    async def drained(self) -> None:
        with trio.move_on_after(3_000):
            while self.behind():  # noqa: ASYNC110 - whatever happens elsewhere
                await trio.sleep(1)
        assert not self.behind()

    async def run(self, seconds: float) -> None:
        for number in range(WORKERS):
            self.start(f"W{number}")
        self.nursery.start_soon(self.coordinate)
        self.coordinator.trouble = self.random.choice([0, 0.05, 0.15, 0.4])
        self.coordinator.unrest = self.random.choice([0, 0.005, 0.02])
        self.topics.trouble = self.random.choice([0, 0.05])
        self.store.trouble = self.random.choice([0, 0.1, 0.4])
        faults = self.random.choice([0.02, 0.05, 0.1])
        until = trio.current_time() + seconds
        while trio.current_time() < until:
            await trio.sleep(self.random.choice([0.05, 0.3, 1.0]))
            self.produce()
            if self.random.random() < faults:
                self.fault()
            if self.random.random() < 0.01:
                self.nursery.start_soon(self.redrive)
        self.coordinator.trouble = self.coordinator.unrest = 0
        self.topics.trouble = self.store.trouble = 0
        self.store.up = True
        for number in range(WORKERS):
            worker = self.workers[f"W{number}"]
            worker.process.go_on()
            if not worker.running or worker.membership.leaving:
                self.start(f"W{number}")
        await self.drained()
        while await self.redrive(1.0):
            await self.drained()
        for worker in self.workers.values():
            if worker.running:
                worker.membership.close()
        with trio.fail_after(600):
            while any(worker.running for worker in self.workers.values()):  # noqa: ASYNC110
                await trio.sleep(1)
        assert not self.behind()
        for worker in self.workers.values():
            assert worker.supervisor.healthy

    async def coordinate(self) -> None:
        while True:
            await trio.sleep(0.2)
            self.coordinator.step()


def lay_out(event: EnrichedEvent, transition: object) -> EventRows:
    """Fails at some events; at some of these also when they are redriven for the first time."""
    source = event.source
    redriven = source.number if source is not None and source.name.startswith("letter:") else 0
    if event.pathname.startswith("/bad/") and redriven <= event.nonce % 2:
        raise ZeroDivisionError
    return rows_of(event, transition)  # type: ignore[arg-type]


def check(world: World) -> None:
    events: Counter[Row] = Counter()
    states: Counter[Row] = Counter()
    counters: Counter[CounterKey] = Counter()
    failed: set[str] = set()
    for messages in world.topics.events:
        fold = Fold(RECORD.description)
        number = 0
        for message in messages:
            run = decode_message(
                message.value or b"", message.offset, number, int(message.timestamp)
            )
            number += run.events
            fold.begin_run(run.log_time)
            for record in run.records:
                try:
                    outcome = fold.take(record)
                except ZeroDivisionError:
                    fold.pass_over(record)
                    assert isinstance(record, EnrichedEvent)
                    if record.name != ENGAGEMENT:
                        failed.add(record.pathname)
                    continue
                if isinstance(outcome, EventRows):
                    events[outcome.event] += 1
                    add_states(states, outcome.sessions)
        for key, count in fold.take_counters():
            counters[key] += count
    stored = world.store.rows
    assert Counter(stored.get("events_v2", [])) == events
    assert failed <= {row[PATHNAME] for row in events}
    found: Counter[Row] = Counter()
    add_states(found, stored.get("sessions_v2", []))
    assert found == states
    sums: Counter[CounterKey] = Counter()
    for minute, domain, site_id, metric, count, version in stored.get("ingest_counters", []):
        sums[minute, domain, site_id, metric, version] += count
    assert sums == counters


def live(seed: int, seconds: float = 90) -> World:
    worlds: list[World] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fold_module, "rows_of", lay_out)
        patch.setattr(slices, "COPIED_TOGETHER", 1)

        async def main() -> None:
            async with trio.open_nursery() as nursery:
                world = World(Random(seed), Clock(NOON), nursery)  # noqa: S311
                worlds.append(world)
                await world.run(seconds)
                nursery.cancel_scope.cancel()

        trio.run(main, clock=jumping_clock(patch))
        check(worlds[0])
    return worlds[0]


@given(st.integers(0, 2**32))
@settings(
    max_examples=15,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
def test_what_is_in_the_topic_is_stored_once(seed: int) -> None:
    live(seed)
