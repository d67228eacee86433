"""A whole pipeline over a store in memory."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio

from actors.clock.wall_clock import Clock
from actors.keepers.salt_keeper import SaltKeeper, load_salts
from actors.log.checkpoint_file import CheckpointFile
from actors.log.file_log import FileLog
from actors.log.log import WritableLog
from actors.log.memory_log import MemoryLog
from actors.observation.broadcast import Broadcast
from actors.pipeline.front_half import FrontHalf
from actors.pipeline.storing import FlushLimits, Storing
from actors.pipeline.topology import Collector
from actors.supervision.supervisor import RestartPolicy
from actors.supervision.traces import Tracing
from ingest.enrichment.geo import NoGeoDatabase
from ingest.model.verdict import Verdict
from ingest.pipeline.reference import Reference
from ingest.records.record import Description
from ingest.rows.schema import TABLES
from ingest.server.durability import fitting_state
from ingest.sessions.salts import Salt, Salts
from ingest.sites.rate_limit import RateLimiter
from ingest.sites.site import Site, SiteRegistry
from tests.actors.fakes import FakeStore
from tests.examples import NOON, a_request

EVENT_COLUMNS = [column.name for column in TABLES["events_v2"].inserted]

DESCRIPTION = Description(session_seconds=1800)
FLUSH_ROWS = 100
FLUSH_SECONDS = 5
LIMIT_EVENTS = 1_224
"""As a process would have it that flushes as many rows: what the batcher takes, and some more."""


def no_broadcast() -> Broadcast:
    """Of verdicts that nobody looks at."""
    salts = Salts(Salt(bytes(16), 0))
    return Broadcast(Reference(SiteRegistry(), NoGeoDatabase(), salts, RateLimiter()), NOON)


class Pipeline:
    """A collector for `example.com`, with its log and its store.

    With `on_disk` its log is the one in the directory, and goes on where an earlier one has ended.
    """

    def __init__(
        self,
        directory: Path,
        *,
        start: float = NOON,
        on_disk: bool = False,
        limit_bytes: int = 100_000_000,
        store: FakeStore | None = None,
        tracing: Tracing | None = None,
        **policy: Any,
    ) -> None:
        self.clock = Clock(start)
        self.store = store or FakeStore()
        salts_file = directory / "salts.json"
        site = Site(1, "example.com", revenue_goals={"Buy": "JPY"})
        self.reference = Reference(
            SiteRegistry([site]), NoGeoDatabase(), load_salts(salts_file, start), RateLimiter()
        )
        checkpoints = CheckpointFile(directory / "checkpoint") if on_disk else None
        self.log: WritableLog
        if on_disk:
            self.log = FileLog.open(
                directory / "log",
                description=DESCRIPTION,
                limit_bytes=limit_bytes,
                fsync="interval",
                log_time=self.clock.seconds(),
            )
        else:
            self.log = MemoryLog(
                DESCRIPTION, limit_events=LIMIT_EVENTS, log_time=self.clock.seconds()
            )
        checkpoint = None if checkpoints is None else checkpoints.load()
        self.front = FrontHalf(
            self.reference, self.clock, self.log, directory / "letters", wall=self.clock.now
        )
        self.storing = Storing(
            self.log,
            fitting_state(self.log, checkpoint, DESCRIPTION),
            self.store,
            self.clock,
            self.front.verdicts,
            self.front.letters,
            self.front.metrics,
            FlushLimits(FLUSH_ROWS, FLUSH_SECONDS),
            checkpoints=checkpoints,
            tracing=tracing,
        )
        self.collector = Collector(
            self.front,
            self.storing,
            keepers=[SaltKeeper(salts_file, self.reference, self.clock)],
            policy=RestartPolicy(**policy) if policy else None,
            tracing=tracing,
        )

    async def send(self, **request: Any) -> list[Verdict]:
        return await self.collector.intake.submit(
            a_request(timestamp=self.clock.seconds(), **request)
        )

    def events(self) -> list[dict[str, Any]]:
        rows = self.store.rows.get("events_v2", [])
        return [dict(zip(EVENT_COLUMNS, row, strict=True)) for row in rows]

    def counted(self) -> dict[str, int]:
        counted: dict[str, int] = {}
        for row in self.store.rows.get("ingest_counters", []):
            counted[row[3]] = counted.get(row[3], 0) + row[4]
        return counted


@asynccontextmanager
async def running(pipeline: Pipeline, seconds: float = 20) -> AsyncIterator[Pipeline]:
    """Run a pipeline, drain it at the end, and close its log."""
    async with trio.open_nursery() as nursery:
        await nursery.start(pipeline.collector.run)
        try:
            yield pipeline
        finally:
            pipeline.collector.drain(seconds)
    pipeline.log.close()


@asynccontextmanager
async def crashing(pipeline: Pipeline) -> AsyncIterator[Pipeline]:
    """Run a pipeline, and end it as `kill -9` does: nothing is drained, saved or closed."""
    async with trio.open_nursery() as nursery:
        await nursery.start(pipeline.collector.run)
        yield pipeline
        nursery.cancel_scope.cancel()


def fail_once(owner: object, name: str, monkeypatch: Any) -> Callable[[], bool]:
    """Make a method raise at its next call, once; the result tells whether it did."""
    method = getattr(owner, name)
    failed = False

    def failing(*arguments: Any, **keywords: Any) -> Any:
        nonlocal failed
        if not failed:
            failed = True
            raise ZeroDivisionError("203.0.113.9")
        return method(*arguments, **keywords)

    monkeypatch.setattr(owner, name, failing)
    return lambda: failed
