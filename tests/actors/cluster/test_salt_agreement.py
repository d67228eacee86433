from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from actors.clock.wall_clock import Clock
from actors.cluster.producer_thread import Message
from actors.cluster.salt_agreement import SaltAgreementKeeper, load_agreement
from actors.files import atomic
from ingest.enrichment.geo import NoGeoDatabase
from ingest.pipeline.reference import Reference
from ingest.sessions import salts
from ingest.sessions.salts import Salt, Salts
from ingest.sites.rate_limit import RateLimiter
from ingest.sites.site import SiteRegistry
from tests.actors.cluster.fake_topic import FakeTopic
from tests.examples import NOON

MIDNIGHT = NOON + 12 * 3600
DAY = 24 * 3600


class Front:
    """A keeper, its file and the reference data."""

    def __init__(
        self,
        path: Path,
        topic: FakeTopic,
        jitter: float = 0.0,
        theirs: Callable[[float], Salts | None] | None = None,
    ) -> None:
        clock = topic.clock
        unused = Salts(Salt(bytes(16), NOON))
        self.reference = Reference(SiteRegistry(()), NoGeoDatabase(), unused, RateLimiter())
        self.reader = topic.reader()
        self.keeper = SaltAgreementKeeper(
            path,
            load_agreement(path, clock.now(), jitter),
            self.reference,
            clock,
            self.reader,
            topic.send,
            "salts",
            theirs,
        )

    def at(self, received: int) -> Salts:
        return self.reference.salts_at(received)

    @property
    def status(self) -> str:
        return str(self.keeper.status()["status"])


Start = Callable[..., Front]


@pytest.fixture
def start(nursery: trio.Nursery) -> Start:
    """Makes a front and runs its keeper, until the test ends."""

    def run(*arguments: Any, **options: Any) -> Front:
        front = Front(*arguments, **options)
        nursery.start_soon(front.keeper.run)
        return front

    return run


async def test_fronts_agree_on_today_and_tomorrow(
    autojump_clock: MockClock, start: Start, tmp_path: Path
) -> None:
    topic = FakeTopic(Clock(NOON))
    fronts = [start(tmp_path / f"{n}.json", topic, jitter=60.0 * n) for n in range(3)]
    assert not any(front.keeper.accepting for front in fronts)
    assert fronts[0].status == "down"
    await trio.sleep(10)
    assert all(front.keeper.accepting for front in fronts)
    today = fronts[0].at(NOON + 10)
    assert {front.at(NOON + 10) for front in fronts} == {today}
    proposals = len(topic.messages)
    await trio.sleep(11.5 * 3600)
    assert len(topic.messages) == proposals + 1  # the others saw it
    assert fronts[1].at(MIDNIGHT - 1) == today
    tomorrow = fronts[1].at(MIDNIGHT)
    assert tomorrow.current != today.current
    assert tomorrow.previous == today.current
    assert {front.at(MIDNIGHT) for front in fronts} == {tomorrow}
    await trio.sleep(3600)
    assert {front.status for front in fronts} == {"ok"}


async def test_a_restart_without_kafka_has_todays_salt(
    autojump_clock: MockClock, start: Start, tmp_path: Path
) -> None:
    path = tmp_path / "salts.json"
    topic = FakeTopic(Clock(NOON))
    front = start(path, topic)
    await trio.sleep(11.5 * 3600)
    topic.away = True
    later = Front(path, topic)
    assert later.keeper.accepting
    for received in (NOON, MIDNIGHT):
        assert later.at(received) == front.at(received)
    found = salts.parse(path.read_text())  # as a single process reads it
    assert found.current == front.at(NOON).current
    topic.away = False
    await trio.sleep(3600)
    assert salts.parse(path.read_text()).current == front.at(MIDNIGHT).current


async def test_without_kafka_the_old_salt_stays_until_it_is_too_old(
    autojump_clock: MockClock, start: Start, tmp_path: Path
) -> None:
    path = tmp_path / "salts.json"
    topic = FakeTopic(Clock(NOON))
    front = start(path, topic)
    await trio.sleep(60)
    today = front.at(NOON)
    topic.away = True
    await trio.sleep(13 * 3600)
    assert front.at(MIDNIGHT + 60).current == today.current
    assert front.keeper.accepting
    assert front.status == "degraded"
    assert "connection refused" in str(front.keeper.status()["reason"])
    await trio.sleep(36 * 3600)
    assert not front.keeper.accepting
    assert not path.exists()
    assert front.at(NOON + 3 * DAY).current != today.current
    topic.away = False
    await trio.sleep(180)
    assert front.keeper.accepting
    assert front.status == "ok"


async def test_the_topics_salt_wins_over_the_disk(
    autojump_clock: MockClock, start: Start, tmp_path: Path
) -> None:
    topic = FakeTopic(Clock(NOON))
    first = start(tmp_path / "first.json", topic)
    await trio.sleep(10)
    path = tmp_path / "single.json"
    path.write_text(salts.serialise(Salts(Salt(b"x" * 16, NOON - 60))))
    front = start(path, topic)
    assert front.at(NOON).current.key == b"x" * 16
    await trio.sleep(10)
    assert front.at(NOON + 10) == first.at(NOON + 10)


async def test_a_file_that_cannot_be_written_is_written_later(
    autojump_clock: MockClock,
    start: Start,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "missing" / "salts.json"
    front = start(path, FakeTopic(Clock(NOON)))
    await trio.sleep(10)
    assert front.keeper.accepting
    assert front.status == "degraded"
    path.parent.mkdir()
    await trio.sleep(120)
    assert front.status == "ok"
    assert path.stat().st_mode & 0o777 == atomic.OWNER_ONLY


async def test_records_that_are_no_salts_are_left_out(
    autojump_clock: MockClock, start: Start, tmp_path: Path
) -> None:
    topic = FakeTopic(Clock(NOON))
    front = start(tmp_path / "salts.json", topic)
    front.reader.fails = True
    await trio.sleep(10)
    assert "not allowed" in str(front.keeper.status()["reason"])
    await topic.send(Message("salts", 0, b"nonsense"))
    await topic.send(Message("salts", 0, None))
    front.reader.fails = False
    await trio.sleep(10)
    assert front.status == "ok"


def test_a_damaged_file_is_kept_aside(tmp_path: Path) -> None:
    path = tmp_path / "salts.json"
    path.write_text("{}")
    assert load_agreement(path, NOON, 0.0).agreed == []
    assert (tmp_path / "salts.damaged").read_text() == "{}"


async def test_fronts_that_follow_plausible_agree_on_its_salts(
    autojump_clock: MockClock, start: Start, tmp_path: Path
) -> None:
    topic = FakeTopic(Clock(NOON))
    made = [Salt(b"1" * 16, NOON - 60)]
    fronts = [
        start(tmp_path / f"{n}.json", topic, theirs=lambda now: Salts(made[-1])) for n in range(2)
    ]
    await trio.sleep(10)
    assert {front.at(NOON + 10) for front in fronts} == {Salts(made[0])}
    await trio.sleep(12 * 3600)
    assert {front.at(MIDNIGHT) for front in fronts} == {Salts(made[0])}
    assert {front.status for front in fronts} == {"ok"}  # Plausible is not late yet
    made.append(Salt(b"2" * 16, MIDNIGHT + 5))
    await trio.sleep(10)
    assert {front.at(MIDNIGHT + 20) for front in fronts} == {Salts(made[1], made[0])}


async def test_fronts_make_their_own_salt_if_plausible_has_stopped(
    autojump_clock: MockClock, start: Start, tmp_path: Path
) -> None:
    topic = FakeTopic(Clock(NOON))
    made = [Salt(b"1" * 16, NOON - 60)]
    fronts = [
        start(tmp_path / f"{n}.json", topic, theirs=lambda now: Salts(made[-1])) for n in range(2)
    ]
    await trio.sleep(13 * 3600)
    (own,) = {front.at(MIDNIGHT + 3600) for front in fronts}
    assert own.previous == made[0]
    made.append(Salt(b"2" * 16, MIDNIGHT + 3600))
    await trio.sleep(60)
    assert {front.at(MIDNIGHT + 3660) for front in fronts} == {own}
    assert "agreed on another salt before they saw Plausible's" in str(
        fronts[0].keeper.status()["reason"]
    )
    await trio.sleep(23 * 3600)
    made.append(Salt(b"3" * 16, MIDNIGHT + DAY))
    await trio.sleep(60)
    assert {front.at(MIDNIGHT + DAY + 60) for front in fronts} == {Salts(made[2], own.current)}
    assert {front.status for front in fronts} == {"ok"}
