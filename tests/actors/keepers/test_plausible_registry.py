import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from actors.clock.wall_clock import Clock
from actors.keepers.plausible_registry import (
    FULL_SECONDS,
    PAUSE_SECONDS,
    POLL_SECONDS,
    READ_SECONDS,
    PlausibleRegistry,
)
from ingest.plausible.postgres import PlausibleError
from ingest.plausible.tables import PlausibleData, PlausibleSite, StoredSalt
from ingest.sessions.salts import Salt, Salts
from ingest.sites.site import Site, SiteRegistry
from ingest.sites.site_file import SitesFileError
from tests.examples import NOON

KEY, OTHER = b"k" * 16, b"o" * 16
SALTS = (StoredSalt(KEY, NOON - 100),)
ONE, TWO = PlausibleSite(1, "one.example"), PlausibleSite(2, "two.example")


class Database:
    """Stands for Plausible's database."""

    def __init__(self) -> None:
        self.data = PlausibleData((ONE,), salts=SALTS)
        self.error: Exception | None = None
        self.readings: list[bool] = []
        self.closed = False
        self.asked = threading.Event()
        self.answers = threading.Event()
        self.answers.set()
        self._seen: PlausibleData | None = None

    def read_changes(self, *, everything: bool = False) -> PlausibleData | None:
        self.readings.append(everything)
        self.asked.set()
        self.answers.wait()
        if self.error is not None:
            self._seen = None
            raise self.error
        changed = everything or self.data is not self._seen
        self._seen = self.data
        return self.data if changed else None

    def interrupt(self) -> None:
        self.error = PlausibleError("the connection is lost")
        self.answers.set()

    def close(self) -> None:
        self.closed = True


class Following:
    def __init__(self, directory: Path) -> None:
        self.database = Database()
        self.saved = directory / "plausible.json"
        self.local = directory / "local.toml"
        self.local.write_text("")
        self.clock = Clock(NOON)
        self.placed: list[SiteRegistry] = []
        self.actor = self.start()

    def start(self) -> PlausibleRegistry:
        return PlausibleRegistry(self.database, self.saved, self.local, self.clock)

    async def begin(self) -> None:
        await self.actor.load()
        self.placed = [self.actor.sites]
        self.actor.attach(self.placed.append)

    @property
    def domains(self) -> list[str]:
        return [site.domain for site in self.placed[-1]]

    @property
    def reason(self) -> object:
        return self.actor.status().get("reason")


@pytest.fixture
async def following(tmp_path: Path) -> AsyncIterator[Following]:
    found = Following(tmp_path)
    yield found
    found.actor.close()


AWAY = PlausibleError("PostgreSQL: connection refused", "start it")


async def test_the_sites_of_the_start(following: Following) -> None:
    await following.begin()
    assert following.domains == ["one.example"]
    assert following.actor.status() == {
        "status": "ok",
        "source": "postgres",
        "file_written_ns": following.local.stat().st_mtime_ns,
    }


async def test_a_change_is_taken_over(following: Following) -> None:
    await following.begin()
    await following.actor.look()
    assert len(following.placed) == 1
    following.database.data = PlausibleData((ONE, TWO), salts=SALTS)
    await following.actor.look()
    assert following.domains == ["one.example", "two.example"]


async def test_everything_is_read_each_few_minutes(
    following: Following, mock_clock: MockClock
) -> None:
    await following.begin()
    for _ in range(3):
        await following.actor.look()
    mock_clock.jump(FULL_SECONDS)
    await following.actor.look()
    assert following.database.readings == [True, False, False, False, True]
    assert len(following.placed) == 1


async def test_what_was_read_stays_while_the_database_is_away(following: Following) -> None:
    await following.begin()
    following.database.error = AWAY
    await following.actor.look()
    assert following.domains == ["one.example"]
    assert following.reason == ("PostgreSQL: connection refused (last read 2026-09-22 12:00 UTC)")
    following.database.error = None
    following.database.data = PlausibleData((TWO,), salts=SALTS)
    await following.actor.look()
    assert following.domains == ["two.example"]
    assert following.reason is None


async def test_a_start_without_the_database_uses_what_was_saved(following: Following) -> None:
    await following.begin()
    following.database.error = AWAY
    following.actor.close()
    following.actor = following.start()
    await following.begin()
    assert following.domains == ["one.example"]
    assert following.reason == (
        "PostgreSQL: connection refused (last read before this start); "
        "Plausible's salts are not known: Sluice makes its own meanwhile"
    )
    following.database.error = None
    await following.actor.look()
    assert following.reason is None


async def test_the_first_start_needs_the_database(following: Following) -> None:
    following.database.error = AWAY
    with pytest.raises(PlausibleError, match="refused") as raised:
        await following.begin()
    assert raised.value.advice == "start it"
    following.saved.write_text("{")
    with pytest.raises(PlausibleError, match=r"refused; .*plausible.json: not Plausible's sites"):
        await following.begin()


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_database_that_is_emptied_is_not_believed(
    following: Following, restarted: bool
) -> None:
    await following.begin()
    following.database.data = PlausibleData((), salts=SALTS)
    if restarted:
        following.actor.close()
        following.actor = following.start()
        await following.begin()
    for _ in range(2):
        await following.actor.look()
        assert following.domains == ["one.example"]
        assert "has no sites any more (last read" in str(following.reason)
    following.database.data = PlausibleData((TWO,), salts=SALTS)
    await following.actor.look()
    assert following.domains == ["two.example"]
    assert following.reason is None


async def test_a_database_without_sites(following: Following) -> None:
    following.database.data = PlausibleData((), salts=SALTS)
    await following.begin()
    assert following.domains == []
    assert following.reason is None


async def test_the_saved_data_follows(following: Following) -> None:
    await following.begin()
    following.database.data = PlausibleData((TWO,), salts=SALTS)
    await following.actor.look()
    following.database.error = AWAY
    following.actor.close()
    following.actor = following.start()
    await following.begin()
    assert following.domains == ["two.example"]
    assert KEY not in following.saved.read_bytes()
    assert following.saved.stat().st_mode & 0o777 == 0o600


async def test_data_that_cannot_be_saved_is_saved_later(following: Following) -> None:
    following.saved.mkdir()
    await following.begin()
    assert following.domains == ["one.example"]
    assert "plausible.json cannot be written: Is a directory" in str(following.reason)
    following.saved.rmdir()
    await following.actor.look()
    assert following.reason is None
    assert following.saved.exists()


LOCAL = """
[[site]]
id = 9
domain = "one.example"
drop_server_clients = true
"""


async def test_the_local_file_is_followed(following: Following) -> None:
    await following.begin()
    following.local.write_text(LOCAL)
    await following.actor.look()
    assert list(following.placed[-1]) == [Site(1, "one.example", drop_server_clients=True)]
    following.local.write_text("nonsense")
    await following.actor.look()
    assert "local.toml:1:" in str(following.reason)
    following.database.data = PlausibleData((ONE, TWO), salts=SALTS)
    await following.actor.look()
    assert [site.drop_server_clients for site in following.placed[-1]] == [True, False]


async def test_a_local_file_with_mistakes_ends_the_start(following: Following) -> None:
    following.local.write_text("nonsense")
    others = set(threading.enumerate())
    with pytest.raises(SitesFileError):
        await following.begin()
    for thread in set(threading.enumerate()) - others:
        if thread.name == "plausible":
            thread.join()
    assert following.database.closed


async def test_salts(following: Following) -> None:
    await following.begin()
    actor = following.actor
    theirs = Salts(Salt(KEY, NOON - 100))
    assert actor.choose_salts(None, OTHER, NOON) == theirs
    following.clock.follow(NOON + 86_400)
    assert following.reason == (
        "Plausible has made no salt since 2026-09-22 11:58 UTC: Sluice makes its own meanwhile"
    )
    assert actor.choose_salts(theirs, OTHER, NOON + 86_400).current.key == OTHER


async def test_an_unexpected_error_is_not_repeated_at_once(
    following: Following, autojump_clock: MockClock
) -> None:
    await following.begin()
    following.actor.failed(ZeroDivisionError())
    assert str(following.reason).startswith("unexpected ZeroDivisionError")
    readings = len(following.database.readings)
    with trio.move_on_after(PAUSE_SECONDS - POLL_SECONDS):
        await following.actor.run()
    assert len(following.database.readings) == readings


async def test_a_change_is_not_lost_by_an_unexpected_error(following: Following) -> None:
    await following.begin()
    following.database.data = PlausibleData((ONE, TWO), salts=SALTS)

    def fail(sites: SiteRegistry) -> None:
        raise ZeroDivisionError

    following.actor.attach(fail)
    with pytest.raises(ZeroDivisionError) as raised:
        await following.actor.look()
    following.actor.failed(raised.value)
    following.actor.attach(following.placed.append)
    await following.actor.look()
    assert following.domains == ["one.example", "two.example"]
    assert following.reason is None


async def test_a_database_that_does_not_answer_is_not_waited_for(
    following: Following, nursery: trio.Nursery, mock_clock: MockClock
) -> None:
    await following.begin()
    database = following.database
    database.asked.clear()
    database.answers.clear()
    nursery.start_soon(following.actor.look)
    await trio.to_thread.run_sync(database.asked.wait)
    mock_clock.jump(READ_SECONDS)
    while following.reason is None:
        await trio.lowlevel.checkpoint()
    assert "has not answered within 60 s (last read" in str(following.reason)
    database.error = None
    await following.actor.look()
    assert following.reason is None


async def test_the_connection_is_closed(following: Following) -> None:
    others = set(threading.enumerate())
    await following.begin()
    (own,) = (each for each in set(threading.enumerate()) - others if each.name == "plausible")
    following.actor.close()
    own.join()
    assert following.database.closed
    following.actor = following.start()
