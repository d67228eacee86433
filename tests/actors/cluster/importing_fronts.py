"""Fronts that import, with the folds of the workers behind their topic."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trio

from actors.clock.wall_clock import Clock
from actors.cluster.control import Control
from actors.cluster.forwarder import Forwarder, ForwarderOptions
from actors.cluster.import_destination import OutboxDestination
from actors.cluster.import_states import ClusterImports
from actors.imports.opening import ImportContext
from actors.imports.past_import import PastImport
from ingest.engine.cluster import Cluster
from ingest.engine.heartbeat import Heartbeat
from ingest.engine.message import decode_message
from ingest.engine.partitioning import Partitioner
from ingest.engine.salt_agreement import DailySalt, SaltAgreement
from ingest.enrichment.geo import NoGeoDatabase
from ingest.fold.fold import Fold
from ingest.past.import_progress import ImportProgress
from ingest.past.import_request import ImportRequest
from ingest.past.import_state import ImportState
from ingest.pipeline.reference import Reference
from ingest.records.record import Description
from ingest.request.client_address import TrustedProxies
from ingest.rows.layout import EventRows
from ingest.sessions.salts import Salt, Salts
from ingest.sites.rate_limit import RateLimiter
from ingest.sites.site import Site, SiteRegistry
from ingest.telemetry.metrics import Metrics
from tests.actors.cluster.fake_kafka import FakeKafka, FakeVerdicts
from tests.actors.cluster.fake_topic import FakeTopic
from tests.actors.cluster.list_log import ListLog
from tests.actors.imports.running_imports import Fuse, MortalAppends

PARTITIONS = 3
DAY = 86_400


class MortalStates(ClusterImports):
    """Dies before or after it has written."""

    fuse = Fuse(None)

    def save(self, state: ImportState) -> None:
        self.fuse.step()
        super().save(state)
        self.fuse.step()


class MortalDestination(MortalAppends, OutboxDestination):
    """Dies before or after any of its steps."""

    async def keep(self) -> None:
        await super().keep()
        self.fuse.step()


@dataclass
class Front:
    """A process of a front."""

    log: ListLog
    forwarder: Forwarder
    states: MortalStates
    destination: MortalDestination
    cluster: Cluster
    context: ImportContext
    agreement: SaltAgreement

    async def run(self, request: ImportRequest, steps: int | None = None) -> ImportProgress:
        """Do an import; it dies before its step of a number, if there is one."""
        self.states.fuse = self.destination.fuse = Fuse(steps)
        past_import = PastImport(request, self.context)
        await past_import.run()
        return past_import.progress()


class ClusterEnvironment:
    """Kafka and the disks of fronts, which outlast the processes."""

    def __init__(self, directory: Path, now: float) -> None:
        self.directory = directory
        self.now = now
        self.kafka = FakeKafka()
        self.control = FakeTopic(Clock(now))
        self.logs: dict[str, ListLog] = {}
        self.salt = DailySalt(int(now // DAY), bytes(16), int(now))

    def write(self, content: bytes, name: str = "access.log") -> str:
        path = self.directory / name
        path.write_bytes(content)
        return str(path)

    @asynccontextmanager
    async def front(self, name: str) -> AsyncIterator[Front]:
        """A front that dies at the end, and starts again with its disk the next time."""
        log = self.logs.get(name)
        log = ListLog(len(self.logs)) if log is None else log.reopened(log.source_id + 100)
        self.logs[name] = log
        clock = Clock(self.now)
        forwarder = Forwarder(
            log,
            clock,
            FakeVerdicts(),
            self.kafka.producer,
            Metrics(lambda domain: True),
            ForwarderOptions("events", PARTITIONS),
        )
        agreement = SaltAgreement()
        agreement.restore(self.salt)
        beat = Heartbeat(name, "front", "host", "1", self.now)
        control = Control(
            Cluster(), lambda: beat, self.control.reader(), self.control.send, "control"
        )
        states = MortalStates(
            control, self.control.send, "control", agreement.salts_at, lambda: self.now
        )
        destination = MortalDestination(log, forwarder, control.cluster, clock)
        reference = Reference(
            SiteRegistry([Site(1, "example.com")]),
            NoGeoDatabase(),
            Salts(Salt(bytes(16), 0)),
            RateLimiter(),
            partition_of=Partitioner("s" * 32, PARTITIONS).partition_of,
        )
        context = ImportContext(
            reference, states, clock, TrustedProxies.parse("private"), 1800, destination
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(forwarder.run)
            nursery.start_soon(control.run)
            yield Front(log, forwarder, states, destination, control.cluster, context, agreement)
            nursery.cancel_scope.cancel()

    def folded(self) -> "Stored":
        """What the workers store of the topic."""
        stored = Stored()
        for partition, messages in sorted(self.kafka.topic.items()):
            fold = Fold(Description(1800))
            for offset, message in enumerate(messages):
                run = decode_message(message, offset, 0, int(self.now))
                fold.begin_run(run.log_time)
                for record in run.records:
                    rows = fold.take(record)
                    if isinstance(rows, EventRows):
                        stored.add(partition, rows)
            assert list(fold.imports) == []
        return stored


class Stored:
    """Rows of the workers."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []
        self.visits: Counter[str] = Counter()
        self.partitions: set[int] = set()

    def add(self, partition: int, rows: EventRows) -> None:
        self.partitions.add(partition)
        self.events.append(rows.event)
        for row in rows.sessions:
            self.visits["visits"] += row[1]
            self.visits["pageviews"] += row[1] * row[10]
            self.visits["bounces"] += row[1] * row[7]
            self.visits["seconds"] += row[1] * row[12]

    def without_ids(self) -> list[tuple[Any, ...]]:
        """The events in order of their time, without what is random."""
        return sorted((*row[:3], *row[5:]) for row in self.events)
