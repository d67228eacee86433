from collections.abc import Sequence

import pytest
import trio

from actors.cluster.failure import KafkaFailure, Options
from actors.cluster.producer_thread import Message, ProducerThread, Report
from tests.actors.cluster.mock_cluster import PARTITIONS, MockCluster

SECONDS = 60
"""Limit of a test, generous enough for a slow machine."""

NOBODY: Options = {"bootstrap.servers": "127.0.0.1:1", "reconnect.backoff.ms": 20}


class Told:
    """What a producer tells."""

    def __init__(self) -> None:
        self.reports: list[Report] = []
        self.failures: list[KafkaFailure] = []
        self._news = trio.Event()

    def told(self, reports: Sequence[Report]) -> None:
        self.reports += reports
        self._news.set()

    def ended(self, failure: KafkaFailure) -> None:
        self.failures.append(failure)
        self._news.set()

    async def wait(self, reports: int = 0, failures: int = 0) -> None:
        with trio.fail_after(SECONDS):
            while len(self.reports) < reports or len(self.failures) < failures:
                self._news = trio.Event()
                await self._news.wait()


def a_producer(options: Options, told: Told, *, ordered: bool = True) -> ProducerThread:
    options = {**options, "linger.ms": 2}
    producer = ProducerThread(options, told=told.told, ended=told.ended, ordered=ordered)
    producer.start()
    return producer


async def test_reports_each_message_with_its_offset(cluster: MockCluster) -> None:
    told = Told()
    producer = a_producer(cluster.options, told)
    sent = [Message("reports", i % PARTITIONS, b"%d" % i, tag=i) for i in range(100)]
    producer.send_nowait(sent[:60])
    producer.send_nowait(sent[60:])
    await told.wait(reports=100)
    assert {report.failure for report in told.reports} == {None}
    for partition in range(PARTITIONS):
        of_partition = range(partition, 100, PARTITIONS)
        reports = [report for report in told.reports if report.tag in of_partition]
        assert [report.tag for report in reports] == list(of_partition)
        assert [report.offset for report in reports] == list(range(len(reports)))
        assert cluster.messages("reports", partition) == [(None, b"%d" % i) for i in of_partition]
    producer.close()
    await producer.closed()
    assert told.failures == []


async def test_sends_messages_of_several_topics_keys_and_marks(cluster: MockCluster) -> None:
    told = Told()
    producer = a_producer(cluster.options, told)
    producer.send_nowait([Message("one", 0, b"a", b"k"), Message("two", 0, b"b")])
    with trio.fail_after(SECONDS):
        assert await producer.send(Message("one", 0, None, b"k", tag="ignored")) == 1
    assert cluster.messages("one") == [(b"k", b"a"), (b"k", None)]
    assert cluster.messages("two") == [(None, b"b")]
    producer.close()


async def test_sends_nothing_behind_a_message_that_is_too_large(cluster: MockCluster) -> None:
    cluster.write("large", b"before")
    told = Told()
    producer = a_producer(cluster.options, told)
    large = bytes(2 * 1024 * 1024)
    values = [b"a", large, b"b"]
    producer.send_nowait([Message("large", 0, value, tag=i) for i, value in enumerate(values)])
    await told.wait(failures=1)
    (failure,) = told.failures
    assert failure.name == "MSG_SIZE_TOO_LARGE"
    assert not failure.passing
    refused = [report for report in told.reports if report.failure is not None]
    assert [report.tag for report in refused] == [1]
    assert (None, b"b") not in cluster.messages("large")
    with pytest.raises(KafkaFailure, match="TOO_LARGE"):
        await producer.send(Message("large", 0, b"c"))


async def test_an_unknown_partition_is_refused_for_good(cluster: MockCluster) -> None:
    told = Told()
    producer = a_producer(cluster.options, told)
    producer.send_nowait([Message("few", PARTITIONS, b"a", tag=1)])
    await told.wait(reports=1, failures=1)
    assert told.failures[0].name == "_UNKNOWN_PARTITION"
    assert not told.failures[0].passing


async def test_without_order_a_refusal_is_only_the_messages_own(cluster: MockCluster) -> None:
    told = Told()
    producer = a_producer(cluster.options, told, ordered=False)
    with trio.fail_after(SECONDS):
        with pytest.raises(KafkaFailure) as refused:
            await producer.send(Message("single", PARTITIONS, b"a"))
        assert not refused.value.passing
        assert await producer.send(Message("single", 0, b"b")) == 0
    assert told.failures == []
    producer.close()


async def test_an_end_with_brokers_away_leaves_messages_unreported() -> None:
    told = Told()
    producer = a_producer(NOBODY, told)
    producer.send_nowait([Message("away", 0, b"a")])
    with trio.fail_after(SECONDS):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_fail_to_send, producer)
            while producer.problem is None:  # noqa: ASYNC110 - nobody is told of it
                await trio.sleep(0.01)
            producer.close(0.05)
            await producer.closed()
    assert told.reports == []
    assert told.failures == []


async def _fail_to_send(producer: ProducerThread) -> None:
    with pytest.raises(KafkaFailure, match="closed"):
        await producer.send(Message("away", 0, b"b"))


async def test_tells_that_its_options_are_wrong() -> None:
    told = Told()
    producer = a_producer({"no.such.option": 1}, told)
    await told.wait(failures=1)
    assert "no.such.option" in str(told.failures[0])
    assert not told.failures[0].passing
    await producer.closed()


async def test_ends_without_having_started() -> None:
    producer = ProducerThread(NOBODY)
    producer.close()
    await producer.closed()
