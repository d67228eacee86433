import pytest
import trio

from actors.cluster.failure import KafkaFailure
from actors.cluster.topic_reader import TopicMessage, TopicReader
from tests.actors.cluster.mock_cluster import MockCluster

SECONDS = 60


async def read(reader: TopicReader, count: int) -> list[TopicMessage]:
    found: list[TopicMessage] = []
    with trio.fail_after(SECONDS):
        while len(found) < count:
            found += await reader.read()
    return found


async def read_to_the_end(reader: TopicReader) -> list[TopicMessage]:
    found: list[TopicMessage] = []
    with trio.fail_after(SECONDS):
        while not reader.caught_up:
            found += await reader.read()
    return found


async def test_reads_to_the_end_then_follows(cluster: MockCluster) -> None:
    cluster.write("followed", b"a", None, key=b"k")
    reader = TopicReader(cluster.options, "followed")
    found = await read_to_the_end(reader)
    assert [(one.offset, one.key, one.value) for one in found] == [(0, b"k", b"a"), (1, b"k", None)]
    assert all(one.timestamp > 1_600_000_000 for one in found)
    assert reader.position == 2
    cluster.write("followed", b"b")
    (one,) = await read(reader, 1)
    assert (one.offset, one.value) == (2, b"b")
    assert reader.position == 3
    reader.close()


async def test_starts_at_an_offset(cluster: MockCluster) -> None:
    cluster.write("middle", *(b"%d" % i for i in range(1500)))
    reader = TopicReader(cluster.options, "middle", start=200)
    found = await read_to_the_end(reader)
    assert [one.offset for one in found] == list(range(200, 1500))
    reader.close()


async def test_starts_at_the_first_message_if_the_offset_is_gone(cluster: MockCluster) -> None:
    cluster.write("gone", b"a")
    reader = TopicReader(cluster.options, "gone", start=100)
    assert [one.value for one in await read(reader, 1)] == [b"a"]
    reader.close()


async def test_an_empty_topic_ends_at_once(cluster: MockCluster) -> None:
    cluster.write("other", b"a")
    reader = TopicReader(cluster.options, "other", 1)
    assert await read_to_the_end(reader) == []
    assert reader.position == 0
    reader.close()


async def test_says_why_nothing_is_read() -> None:
    reader = TopicReader({"bootstrap.servers": "127.0.0.1:1"}, "topic")
    with trio.fail_after(SECONDS):
        while reader.problem is None:
            assert await reader.read() == []
        assert not reader.caught_up
    reader.close()


async def test_wrong_options_are_a_failure() -> None:
    reader = TopicReader({"no.such.option": 1}, "topic")
    with pytest.raises(KafkaFailure, match=r"no\.such\.option") as failed:
        await reader.read()
    assert not failed.value.passing
    reader.close()
