import pytest

from actors.cluster.failure import KafkaFailure
from actors.cluster.topic_reader import TopicReader
from actors.cluster.topic_reading import append_times, read_to_end
from tests.actors.cluster.mock_cluster import MockCluster

GROUP = {"group.id": "readers"}


async def test_all_messages_of_a_topic(cluster: MockCluster) -> None:
    cluster.write("whole", b"a", None, b"c", key=b"k")
    messages = await read_to_end(cluster.options, "whole")
    assert [(each.key, each.value) for each in messages] == [
        (b"k", b"a"),
        (b"k", None),
        (b"k", b"c"),
    ]
    assert await read_to_end(cluster.options, "whole") == messages


async def test_an_unreachable_broker_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.cluster.topic_reading.READ_SECONDS", 0.5)
    with pytest.raises(KafkaFailure, match="topic was not read: ") as failed:
        await read_to_end({"bootstrap.servers": "127.0.0.1:1"}, "topic")
    assert failed.value.passing


async def test_when_messages_were_appended(cluster: MockCluster) -> None:
    cluster.write("timed", b"a", b"b", partition=0)
    cluster.write("timed", b"c", partition=2)
    reader = TopicReader(cluster.options, "timed", 2)
    while not (messages := await reader.read()):
        pass
    reader.close()

    times = await append_times({**cluster.options, **GROUP}, "timed", {0: 1, 2: 0})

    assert times.keys() == {0, 2}
    assert times[2] == messages[0].timestamp > 0
    assert await append_times({**cluster.options, **GROUP}, "timed", {}) == {}


async def test_a_message_that_does_not_come_is_left_out(
    cluster: MockCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.cluster.topic_reading.LOOK_SECONDS", 3.0)
    cluster.write("short", b"a", partition=0)
    times = await append_times({**cluster.options, **GROUP}, "short", {0: 0, 1: 0})
    assert list(times) == [0]
