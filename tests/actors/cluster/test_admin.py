import threading

import pytest
import trio
from confluent_kafka.admin import AdminClient

from actors.cluster.admin import Admin, Bounds, CommittedOffset, TopicShape
from actors.cluster.failure import KafkaFailure
from tests.actors.cluster.mock_cluster import PARTITIONS, MockCluster


async def test_knows_the_cluster_and_its_topics(cluster: MockCluster) -> None:
    cluster.write("shaped", b"a")
    admin = Admin(cluster.options)
    assert (await admin.cluster_id()).startswith("mockCluster")
    assert (await admin.topics())["shaped"] == TopicShape(PARTITIONS, 3)
    admin.close()


async def test_knows_the_bounds_of_partitions(cluster: MockCluster) -> None:
    cluster.write("bounded", b"a", b"b", partition=1)
    admin = Admin(cluster.options)
    assert await admin.bounds("bounded", [0, 1]) == {0: Bounds(0, 0), 1: Bounds(0, 2)}
    admin.close()


async def test_knows_what_a_group_has_committed(cluster: MockCluster) -> None:
    cluster.write("consumed", b"a")
    cluster.commit("group", "consumed", 1, 5, "plan")
    admin = Admin(cluster.options)
    committed = await admin.committed("group", "consumed", [0, 1])
    assert committed[0].offset < 0
    assert committed[1] == CommittedOffset(5, "plan")
    admin.close()


async def test_a_request_that_the_brokers_do_not_know_fails(cluster: MockCluster) -> None:
    cluster.write("kept", b"a")
    admin = Admin(cluster.options)
    with pytest.raises(KafkaFailure) as failed:
        await admin.delete_records("kept", {0: 1})
    assert failed.value.name == "_UNSUPPORTED_FEATURE"
    assert not failed.value.passing
    admin.close()


async def test_says_why_the_brokers_do_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.cluster.admin.ANSWER_SECONDS", 3.0)
    admin = Admin({"bootstrap.servers": "127.0.0.1:1"})
    with pytest.raises(KafkaFailure, match="refused") as failed:
        await admin.cluster_id()
    assert failed.value.passing
    admin.close()


async def test_its_client_ends_when_it_is_closed(
    cluster: MockCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If anything else decided when, it could be the client's own thread, which aborts."""
    clients: list[AdminClient] = []

    def make(options: dict[str, str | int | float | bool]) -> AdminClient:
        clients.append(AdminClient(options))
        return clients[-1]

    monkeypatch.setattr("actors.cluster.admin.AdminClient", make)
    admin = Admin(cluster.options)
    await admin.cluster_id()
    (thread,) = (each for each in threading.enumerate() if each.name == "kafka-admin")
    admin.close()
    await trio.to_thread.run_sync(thread.join)
    with pytest.raises(RuntimeError, match="closed"):
        clients[0].list_topics(timeout=1)
