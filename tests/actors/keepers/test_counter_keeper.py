from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from actors.clock.wall_clock import Clock
from actors.keepers.counter_keeper import FLUSH_SECONDS, Tally
from actors.keepers.salt_keeper import load_salts
from actors.supervision.supervisor import Supervisor
from ingest.enrichment.geo import NoGeoDatabase
from ingest.fold.counts import Counters
from ingest.pipeline.reference import Reference
from ingest.rows.batch import Flush
from ingest.sites.rate_limit import RateLimiter
from ingest.sites.site import Site, SiteRegistry
from tests.examples import NOON


class Desk:
    def __init__(self, directory: Path, room: float = 10) -> None:
        registry = SiteRegistry([Site(7, "example.com")])
        salts = load_salts(directory / "salts.json", NOON)
        reference = Reference(registry, NoGeoDatabase(), salts, RateLimiter())
        self.counters = Counters()
        self.clock = Clock(NOON)
        send, self.receive = trio.open_memory_channel[Flush](room)
        self.tally = Tally(self.counters, send, reference, self.clock, "b")

    def count(self, domain: str = "example.com", metric: str = "buffered") -> None:
        self.counters.count(self.clock.seconds(), metric, domain, 36)


async def test_sends_the_buckets_that_are_over(
    autojump_clock: MockClock, tmp_path: Path, nursery: trio.Nursery
) -> None:
    desk = Desk(tmp_path)
    nursery.start_soon(desk.tally.run)
    desk.count()
    desk.count()
    desk.count("unknown.example", "dropped_not_found")
    (insert,) = await desk.receive.receive()
    assert trio.current_time() == FLUSH_SECONDS
    assert (insert.table, insert.token) == ("ingest_counters", "b-counters-1")
    assert insert.rows == (
        (NOON, "example.com", 7, "buffered", 2, 36),
        (NOON, "unknown.example", None, "dropped_not_found", 1, 36),
    )
    nursery.cancel_scope.cancel()


async def test_sends_nothing_when_nothing_was_counted(
    autojump_clock: MockClock, tmp_path: Path, nursery: trio.Nursery
) -> None:
    desk = Desk(tmp_path)
    nursery.start_soon(desk.tally.run)
    await trio.sleep(100)
    with pytest.raises(trio.WouldBlock):
        desk.receive.receive_nowait()
    nursery.cancel_scope.cancel()


async def test_sends_the_current_bucket_when_told_to_finish(
    autojump_clock: MockClock, tmp_path: Path, nursery: trio.Nursery
) -> None:
    desk = Desk(tmp_path)
    nursery.start_soon(Supervisor().supervise, desk.tally)
    desk.count()
    desk.tally.finish()
    assert [insert.rows async for (insert,) in desk.receive] == [
        ((NOON, "example.com", 7, "buffered", 1, 36),)
    ]
    assert trio.current_time() == 0


async def test_what_could_not_be_handed_over_is_taken_with_the_rest(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    desk = Desk(tmp_path, room=0)
    desk.count()
    with trio.move_on_after(FLUSH_SECONDS + 1):
        await desk.tally.run()
    desk.count()
    (insert,) = desk.tally.take()
    assert [row[4] for row in insert.rows] == [1, 1]
