"""What an administrator's client knows of leaders, after they have changed."""

from contextlib import suppress

import trio

from actors.cluster.admin import Admin, Bounds
from actors.cluster.failure import KafkaFailure
from tests.cluster.brokers import WAIT_SECONDS, Brokers


async def bounds_of(admin: Admin, topic: str) -> Bounds:
    """The bounds of the only partition; a failure may pass with time."""
    with trio.fail_after(WAIT_SECONDS):
        while True:
            # There is none while the brokers elect a leader.
            with suppress(KafkaFailure):
                return (await admin.bounds(topic, [0]))[0]
            await trio.sleep(0.5)


async def test_a_leader_that_died_is_forgotten(brokers: Brokers, name: str) -> None:
    brokers.create_topic(name)
    admin = Admin(brokers.options())
    try:
        assert await bounds_of(admin, name) == Bounds(0, 0)
        for _ in range(3):
            brokers.restart(brokers.leader(name))
            assert await bounds_of(admin, name) == Bounds(0, 0)
    finally:
        admin.close()
