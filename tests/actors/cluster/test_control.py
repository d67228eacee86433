import pytest
import trio
from trio.testing import MockClock

from actors.clock.wall_clock import Clock
from actors.cluster.control import Control
from actors.cluster.producer_thread import Message
from ingest.engine.cluster import FORGOTTEN_SECONDS, FRESH_SECONDS, Cluster
from ingest.engine.cluster_record import KEY, encode_cluster_record, new_cluster_record
from ingest.engine.heartbeat import INTERVAL_SECONDS, Heartbeat, cluster_mac, encode_heartbeat
from ingest.sites.rate_limit import RateLimiter
from tests.actors.cluster.fake_topic import FakeTopic
from tests.examples import NOON

SECRET = "s" * 32
RECORD = new_cluster_record(4, 30)


class Member:
    """A front's control."""

    def __init__(self, topic: FakeTopic, name: str, secret: str = SECRET, ahead: float = 0) -> None:
        def heartbeat() -> Heartbeat:
            mac = cluster_mac(secret, RECORD.cluster_id)
            return Heartbeat(name, "front", "host", "1", topic.clock.now() + ahead, mac=mac)

        self.limiter = RateLimiter()
        self.reader = topic.reader()
        self.control = Control(
            Cluster(secret), heartbeat, self.reader, topic.send, "control", self.limiter
        )

    @property
    def status(self) -> str:
        return str(self.control.status()["status"])


@pytest.fixture
async def topic(autojump_clock: MockClock) -> FakeTopic:
    topic = FakeTopic(Clock(NOON))
    await topic.send(Message("control", 0, encode_cluster_record(RECORD), KEY))
    return topic


async def test_fronts_share_the_limits_while_they_run(
    topic: FakeTopic, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    stays, leaves, dies = (Member(topic, name) for name in ("a", "b", "c"))
    scopes = [trio.CancelScope() for _ in range(2)]

    async def run(member: Member, scope: trio.CancelScope) -> None:
        with scope:
            await member.control.run()

    nursery.start_soon(stays.control.run)
    nursery.start_soon(run, leaves, scopes[0])
    nursery.start_soon(run, dies, scopes[1])
    await trio.sleep(10)
    assert stays.limiter.fronts == dies.limiter.fronts == 3
    assert stays.status == "ok"
    assert stays.control.status()["fronts"] == 3
    scopes[0].cancel()
    await leaves.control.leave()
    await trio.sleep(2)
    assert stays.limiter.fronts == 2
    scopes[1].cancel()
    await trio.sleep(FRESH_SECONDS + 2 * INTERVAL_SECONDS)
    assert stays.limiter.fronts == 1


async def test_while_kafka_is_away_the_limits_stay(
    topic: FakeTopic, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    members = [Member(topic, name) for name in ("a", "b")]
    for member in members:
        nursery.start_soon(member.control.run)
    await trio.sleep(10)
    topic.away = True
    await trio.sleep(600)
    assert members[0].limiter.fronts == 2
    assert members[0].status == "degraded"
    topic.away = False
    await trio.sleep(10)
    assert members[0].status == "ok"


async def test_other_secrets_degrade_all(
    topic: FakeTopic, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    members = [Member(topic, "a"), Member(topic, "b", "other" * 8)]
    for member in members:
        nursery.start_soon(member.control.run)
    await trio.sleep(10)
    for member in members:
        assert member.status == "degraded"
        assert "SLUICE_CLUSTER_SECRET" in str(member.control.status()["reason"])


@pytest.mark.parametrize(("ahead", "status"), [(50, "ok"), (70, "degraded"), (-70, "degraded")])
async def test_a_wrong_clock_degrades_its_own_front_only(
    topic: FakeTopic, autojump_clock: MockClock, nursery: trio.Nursery, ahead: float, status: str
) -> None:
    wrong, right = Member(topic, "a", ahead=ahead), Member(topic, "b")
    nursery.start_soon(wrong.control.run)
    nursery.start_soon(right.control.run)
    await trio.sleep(10)
    assert wrong.status == status
    assert right.status == "ok"
    assert wrong.control.figures()["sluice_clock_difference_seconds"] == pytest.approx(
        -ahead, abs=1
    )


async def test_members_that_ended_long_ago_are_deleted(
    topic: FakeTopic, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    old = Heartbeat("old", "worker", "host", "1", NOON)
    await topic.send(Message("control", 0, encode_heartbeat(old), old.key))
    topic.clock.follow(NOON + FORGOTTEN_SECONDS + 60)
    nursery.start_soon(Member(topic, "a").control.run)
    await trio.sleep(30)
    deleted = [message for message in topic.messages if message.value is None]
    assert {message.key for message in deleted} == {old.key}
