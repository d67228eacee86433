"""A whole pipeline over a store in memory."""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio

from actors.clock.wall_clock import Clock
from actors.journal.journal import Journal, MemoryJournal
from actors.keepers.salt_keeper import SaltKeeper, load_salts
from actors.observation.broadcast import Broadcast
from actors.pipeline.topology import Collector, CollectorOptions
from actors.supervision.supervisor import RestartPolicy
from actors.supervision.traces import Tracing
from ingest.enrichment.geo import NoGeoDatabase
from ingest.model.verdict import Verdict
from ingest.pipeline.reference import Reference
from ingest.rows.schema import TABLES
from ingest.sessions.open_sessions import OpenSessions
from ingest.sessions.salts import Salt, Salts
from ingest.sites.rate_limit import RateLimiter
from ingest.sites.site import Site, SiteRegistry
from tests.actors.fakes import FakeStore
from tests.examples import NOON, a_request

EVENT_COLUMNS = [column.name for column in TABLES["events_v2"].inserted]


def no_broadcast() -> Broadcast:
    """Of verdicts that nobody looks at."""
    salts = Salts(Salt(bytes(16), 0))
    return Broadcast(Reference(SiteRegistry(), NoGeoDatabase(), salts, RateLimiter()), NOON)


class Pipeline:
    """A collector for `example.com`, with its store."""

    def __init__(
        self,
        directory: Path,
        *,
        start: float = NOON,
        journal: Journal | None = None,
        tracing: Tracing | None = None,
        **policy: Any,
    ) -> None:
        self.clock = Clock(start)
        self.store = FakeStore()
        salts_file = directory / "salts.json"
        site = Site(1, "example.com", revenue_goals={"Buy": "JPY"})
        self.reference = Reference(
            SiteRegistry([site]), NoGeoDatabase(), load_salts(salts_file, start), RateLimiter()
        )
        self.journal = journal or MemoryJournal()
        self.collector = Collector(
            self.reference,
            self.store,
            self.clock,
            self.journal,
            OpenSessions(1800, lambda: secrets.randbits(64)),
            directory / "letters",
            CollectorOptions(flush_rows=100, flush_seconds=5),
            keepers=[SaltKeeper(salts_file, self.reference, self.clock)],
            wall=self.clock.now,
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
    """Run a pipeline, and drain it at the end."""
    async with trio.open_nursery() as nursery:
        await nursery.start(pipeline.collector.run)
        try:
            yield pipeline
        finally:
            pipeline.collector.drain(seconds)


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
