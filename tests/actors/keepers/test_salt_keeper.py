import errno
import time
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from actors.clock.wall_clock import Clock
from actors.files import atomic as files
from actors.keepers.salt_keeper import RECHECK_SECONDS, RETRY_SECONDS, SaltKeeper, load_salts
from ingest.enrichment.geo import NoGeoDatabase
from ingest.pipeline.reference import Reference
from ingest.sessions.salts import Salt, Salts, expire
from ingest.sites.rate_limit import RateLimiter
from ingest.sites.site import SiteRegistry
from tests.examples import NOON

MIDNIGHT = NOON + 12 * 3600
DAY = 24 * 3600


def a_reference(salts: Salts) -> Reference:
    return Reference(SiteRegistry(()), NoGeoDatabase(), salts, RateLimiter())


def test_the_first_start_makes_salts_and_the_next_finds_them(tmp_path: Path) -> None:
    path = tmp_path / "salts.json"
    salts = load_salts(path, NOON)
    assert salts.previous is None
    assert load_salts(path, NOON + 60) == salts


def test_a_start_after_midnight_rotates(tmp_path: Path) -> None:
    path = tmp_path / "salts.json"
    before = load_salts(path, NOON)
    after = load_salts(path, MIDNIGHT + 1)
    assert after.previous == before.current
    assert after.current != before.current
    assert load_salts(path, MIDNIGHT + 2) == after


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff"], ids=["empty", "no salts", "no text"])
def test_a_file_without_salts_is_kept_aside(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "salts.json"
    path.write_bytes(content)
    made = load_salts(path, NOON)
    assert (tmp_path / "salts.damaged").read_bytes() == content
    assert load_salts(path, NOON + 60) == made


async def test_a_damaged_file_lives_no_longer_than_a_salt(
    tmp_path: Path, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    path = tmp_path / "salts.json"
    path.write_text("{}")
    clock = Clock(time.time())
    reference = a_reference(load_salts(path, clock.now()))
    aside = tmp_path / "salts.damaged"
    nursery.start_soon(SaltKeeper(path, reference, clock).run)
    await trio.sleep(47 * 3600)
    assert aside.exists()
    await trio.sleep(2 * 3600)
    assert not aside.exists()


async def test_rotates_after_the_clock_has_jumped_ahead_and_back(
    tmp_path: Path, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    path = tmp_path / "salts.json"
    clock = Clock(NOON)
    reference = a_reference(load_salts(path, NOON))
    nursery.start_soon(SaltKeeper(path, reference, clock).run)
    await trio.sleep(1)
    clock.follow(NOON + 30 * DAY)
    await trio.sleep(RECHECK_SECONDS + 1)
    ahead = reference.salts
    clock.follow(NOON + 10)
    await trio.sleep(RECHECK_SECONDS + 1)
    back = reference.salts
    assert back.current != ahead.current
    assert back.previous is not None
    assert back.previous.key == ahead.current.key
    assert back.previous.created_at <= clock.now()
    await clock.sleep_until(MIDNIGHT + RECHECK_SECONDS + 1)
    assert reference.salts.current not in (back.current, ahead.current)
    await clock.sleep_until(MIDNIGHT + 2 * DAY + RECHECK_SECONDS + 1)
    assert ahead.current.key.hex() not in path.read_text()


async def test_rotates_at_midnight_utc(
    tmp_path: Path, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    path = tmp_path / "salts.json"
    clock = Clock(NOON)
    first = load_salts(path, NOON)
    reference = a_reference(first)
    nursery.start_soon(SaltKeeper(path, reference, clock).run)

    await clock.sleep_until(MIDNIGHT - 1)
    assert reference.salts == first
    await clock.sleep_until(MIDNIGHT + 1)
    second = reference.salts
    assert second.previous == first.current
    await clock.sleep_until(MIDNIGHT + DAY + 1)
    third = reference.salts
    assert third.previous == second.current
    assert first.current.key.hex() not in path.read_text()
    assert load_salts(path, clock.now()) == third


async def test_takes_other_salts_when_they_are_chosen(
    tmp_path: Path, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    path = tmp_path / "salts.json"
    chosen = [Salts(Salt(b"1" * 16, NOON))]

    def choose(salts: Salts | None, key: bytes, now: float) -> Salts:
        return chosen[-1]

    reference = a_reference(load_salts(path, NOON, choose))
    assert reference.salts == chosen[0]
    nursery.start_soon(SaltKeeper(path, reference, Clock(NOON), choose, 1.0).run)
    await trio.sleep(10)
    chosen.append(Salts(Salt(b"2" * 16, NOON + 10), chosen[0].current))
    await trio.sleep(2)
    assert reference.salts == chosen[1]
    assert load_salts(path, NOON + 12) == chosen[1]


async def test_the_previous_salt_is_forgotten_even_if_the_disk_is_full(
    tmp_path: Path,
    autojump_clock: MockClock,
    nursery: trio.Nursery,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A salt that is not made at midnight is not deleted at midnight either."""
    path = tmp_path / "missing" / "salts.json"
    clock = Clock(MIDNIGHT - 60)
    salts = Salts(Salt(b"1" * 16, MIDNIGHT - DAY), Salt(b"2" * 16, MIDNIGHT - 2 * DAY + 60))
    reference = a_reference(salts)

    def choose(salts: Salts | None, key: bytes, now: float) -> Salts:
        assert salts is not None
        return expire(salts, now)

    nursery.start_soon(SaltKeeper(path, reference, clock, choose, 1.0).run)
    await trio.sleep(30)
    assert reference.salts == salts
    await trio.sleep(120)
    assert reference.salts == Salts(salts.current)


def fill_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing new can be written, as on a full disk."""

    def fail(*arguments: object, **keywords: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "write_atomically", fail)


async def test_rotates_on_a_full_disk(
    tmp_path: Path,
    autojump_clock: MockClock,
    nursery: trio.Nursery,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "salts.json"
    first = load_salts(path, NOON)
    fill_disk(monkeypatch)
    second = load_salts(path, MIDNIGHT)
    assert second.previous == first.current
    clock, reference = Clock(MIDNIGHT), a_reference(second)
    nursery.start_soon(SaltKeeper(path, reference, clock).run)
    await clock.sleep_until(MIDNIGHT + DAY + 1)
    assert reference.salts.previous == second.current
    assert first.current.key.hex() not in path.read_text()
    assert load_salts(path, clock.now()) == reference.salts
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_first_start_needs_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill_disk(monkeypatch)
    with pytest.raises(OSError, match="No space"):
        load_salts(tmp_path / "salts.json", NOON)


async def test_a_salt_is_not_used_before_it_is_kept_nor_longer_than_it_may(
    tmp_path: Path, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    salts = load_salts(tmp_path / "salts.json", NOON)
    clock, reference = Clock(NOON), a_reference(salts)
    path = tmp_path / "missing" / "salts.json"
    nursery.start_soon(SaltKeeper(path, reference, clock).run)
    await clock.sleep_until(NOON + 2 * DAY - 1)
    assert reference.salts == salts
    await clock.sleep_until(NOON + 2 * DAY + 2 * RETRY_SECONDS)
    renewed = reference.salts
    assert renewed.current.key != salts.current.key
    assert renewed.previous is None
    path.parent.mkdir()
    await clock.sleep_until(NOON + 2 * DAY + 4 * RETRY_SECONDS)
    assert load_salts(path, clock.now()) == reference.salts == renewed


async def test_rotates_when_the_clock_is_set_over_midnight(
    tmp_path: Path, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    path = tmp_path / "salts.json"
    clock, first = Clock(NOON), load_salts(path, NOON)
    reference = a_reference(first)
    nursery.start_soon(SaltKeeper(path, reference, clock).run)
    await trio.sleep(1)
    clock.follow(MIDNIGHT + 3600)
    await trio.testing.wait_all_tasks_blocked()
    assert reference.salts.previous == first.current
