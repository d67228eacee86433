"""Servers on one database, whose clock follows trio's."""

from collections.abc import Sequence

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from actors.keepers.other_servers import OtherServers
from actors.stores.store import StoreMisconfigured, StoreUnavailable
from ingest.rows.servers import BEAT_SECONDS, SILENT_SECONDS, SeenServer, Server
from tests.actors.fakes import FakeStore

US = Server("p1", "d1", "one:8000")
THEM = Server("p2", "d2", "two:8000")
WARNING = "another server writes to this database"
ALSO = "this database is also written by"
OVER = "another server no longer writes to this database"


class Database(FakeStore):
    """Keeps beats, unless it has a failure to raise."""

    def __init__(self) -> None:
        super().__init__()
        self.beats: dict[Server, list[float]] = {}
        self.failure: Exception | None = None

    async def beat(self, server: Server) -> None:
        await trio.lowlevel.checkpoint()
        if self.failure is not None:
            raise self.failure
        self.beats.setdefault(server, []).append(trio.current_time())

    async def servers(self) -> Sequence[SeenServer] | None:
        await trio.lowlevel.checkpoint()
        now = trio.current_time()
        return [
            SeenServer(server, int(now - beats[0]), int(now - beats[-1]))
            for server, beats in self.beats.items()
        ]


@pytest.fixture
def database() -> Database:
    return Database()


async def run_for(seconds: float, *keepers: OtherServers) -> None:
    async with trio.open_nursery() as nursery:
        for keeper in keepers:
            nursery.start_soon(keeper.run)
        await trio.sleep(seconds)
        nursery.cancel_scope.cancel()


async def test_a_server_alone(autojump_clock: MockClock, database: Database) -> None:
    keeper = OtherServers(database, US)
    with capture_logs() as entries:
        await run_for(10 * BEAT_SECONDS + 1, keeper)
    assert len(database.beats[US]) == 11
    assert keeper.status() == {"status": "ok", "count": 0}
    assert keeper.figures() == {"sluice_other_servers": 0}
    assert entries == []


async def test_two_servers_warn_until_one_ends(
    autojump_clock: MockClock, database: Database
) -> None:
    us, them = OtherServers(database, US), OtherServers(database, THEM)
    with capture_logs() as entries:
        await run_for(5 * BEAT_SECONDS + 1, us, them)
        assert us.status() == {"status": "degraded", "count": 1, "reason": f"{ALSO} two:8000"}
        assert them.status() == {"status": "degraded", "count": 1, "reason": f"{ALSO} one:8000"}
        assert us.figures() == {"sluice_other_servers": 1}
        assert sorted((entry["event"], entry["server"]) for entry in entries) == [
            (WARNING, "one:8000"),
            (WARNING, "two:8000"),
        ]
        del entries[:]
        await run_for(SILENT_SECONDS + 2 * BEAT_SECONDS, us)
        assert us.status()["status"] == "ok"
        assert [(entry["event"], entry["server"]) for entry in entries] == [(OVER, "two:8000")]


async def test_a_predecessor_is_not_another_server(
    autojump_clock: MockClock, database: Database
) -> None:
    successor = OtherServers(database, Server("p9", US.directory, US.name))
    elsewhere = OtherServers(database, Server("p8", "lost with the disk", US.name))
    with capture_logs() as entries:
        for keeper in (OtherServers(database, US), successor, elsewhere):
            await run_for(5 * BEAT_SECONDS + 1, keeper)
            assert keeper.status()["status"] == "ok"
    assert entries == []


async def test_another_server_that_is_restarted_is_told_of_once(
    autojump_clock: MockClock, database: Database
) -> None:
    us = OtherServers(database, US)
    with capture_logs() as entries:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(us.run)
            for process in ("p2", "p3", "p4"):
                server = Server(process, THEM.directory, THEM.name)
                await run_for(5 * BEAT_SECONDS, OtherServers(database, server))
                assert us.status() == {
                    "status": "degraded",
                    "count": 1,
                    "reason": f"{ALSO} two:8000",
                }
            nursery.cancel_scope.cancel()
    assert len([entry for entry in entries if entry.get("server") == "two:8000"]) == 1


@pytest.mark.parametrize("failure", [StoreUnavailable("gone"), StoreMisconfigured("no right")])
async def test_a_store_that_cannot_be_asked_changes_and_tells_nothing(
    autojump_clock: MockClock, database: Database, failure: Exception
) -> None:
    us, them = OtherServers(database, US), OtherServers(database, THEM)
    await run_for(5 * BEAT_SECONDS, us, them)
    database.failure = failure
    with capture_logs() as entries:
        await run_for(4 * SILENT_SECONDS, us, them)
        assert us.status()["status"] == them.status()["status"] == "degraded"
        database.failure = None
        await run_for(2 * SILENT_SECONDS, us, them)
    assert us.status()["status"] == them.status()["status"] == "degraded"
    assert [entry for entry in entries if entry["log_level"] != "debug"] == []


async def test_a_server_that_ended_during_an_outage_is_forgotten_after_it(
    autojump_clock: MockClock, database: Database
) -> None:
    us, them = OtherServers(database, US), OtherServers(database, THEM)
    await run_for(5 * BEAT_SECONDS, us, them)
    database.failure = StoreUnavailable("gone")
    await run_for(4 * SILENT_SECONDS, us)
    database.failure = None
    await run_for(SILENT_SECONDS + 2 * BEAT_SECONDS, us)
    assert us.status()["status"] == "ok"


async def test_a_store_that_keeps_no_record(autojump_clock: MockClock) -> None:
    keeper = OtherServers(FakeStore(), US)
    await run_for(3 * BEAT_SECONDS, keeper)
    assert keeper.status()["status"] == "ok"


async def test_a_restart_waits_for_the_next_beat(
    autojump_clock: MockClock, database: Database
) -> None:
    keeper = OtherServers(database, US)
    database.failure = ZeroDivisionError()
    for attempt in range(3):
        with pytest.raises(ZeroDivisionError):
            await keeper.run()
        assert trio.current_time() == pytest.approx(attempt * BEAT_SECONDS)
