"""A front's log on disk, a forwarder, its producer's thread, and the client's mock brokers."""

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import trio

from actors.clock.wall_clock import Clock
from actors.cluster.failure import KafkaFailure, Options
from actors.cluster.forwarder import Forwarder, ForwarderOptions
from actors.cluster.producer_thread import ProducerThread, Report
from actors.log.file_log import FileLog
from ingest.engine.message import decode_message
from ingest.model.event import EnrichedEvent
from ingest.records.record import Record
from ingest.telemetry.metrics import Metrics
from tests.actors.cluster.fake_kafka import NOW, FakeVerdicts
from tests.actors.cluster.mock_cluster import PARTITIONS, MockCluster
from tests.actors.log.records import DESCRIPTION, an_event

SECONDS = 60


def open_log(directory: Path) -> FileLog:
    return FileLog.open(
        directory, description=DESCRIPTION, limit_bytes=10**8, fsync="interval", log_time=NOW
    )


def a_forwarder(log: FileLog, options: Options, topic: str) -> Forwarder:
    def producer(
        *,
        told: Callable[[Sequence[Report]], object],
        ended: Callable[[KafkaFailure], object],
    ) -> ProducerThread:
        return ProducerThread({**options, "linger.ms": 2}, told=told, ended=ended, ordered=True)

    forwarding = ForwarderOptions(topic, PARTITIONS)
    metrics = Metrics(lambda domain: True)
    return Forwarder(log, Clock(NOW), FakeVerdicts(), producer, metrics, forwarding)


def events(first: int, last: int) -> list[Record]:
    return [
        msgspec.structs.replace(an_event(number), partition=number % PARTITIONS)
        for number in range(first, last)
    ]


async def test_the_topic_gets_what_the_log_has(tmp_path: Path, cluster: MockCluster) -> None:
    log = open_log(tmp_path)
    forwarder = a_forwarder(log, cluster.options, "forwarded")
    with trio.fail_after(SECONDS):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(forwarder.run)
            for first in range(0, 1000, 10):
                await log.append(events(first, first + 10), NOW)
            log.seal()
    log.close()
    for partition in range(PARTITIONS):
        messages = cluster.messages("forwarded", partition)
        numbers = [
            record.nonce
            for offset, (_, value) in enumerate(messages)
            for record in decode_message(value or b"", offset, 0, NOW).records
            if isinstance(record, EnrichedEvent)
        ]
        assert numbers == list(range(partition, 1000, PARTITIONS))
    again = open_log(tmp_path)
    assert again.committed.number == 1000
    assert again.source_id == log.source_id
    again.close()


async def test_an_event_that_kafka_does_not_take_stops_it(
    tmp_path: Path, cluster: MockCluster
) -> None:
    cluster.write("refusing", b"before")
    log = open_log(tmp_path)
    await log.append([an_event(0, "/" + "long" * 1000)], NOW)
    forwarder = a_forwarder(log, {**cluster.options, "message.max.bytes": 2000}, "refusing")
    with trio.fail_after(SECONDS):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(forwarder.run)
            while forwarder.status()["status"] != "down":  # noqa: ASYNC110 - nobody tells
                await trio.sleep(0.01)
            await log.append(events(1, 9), NOW)
            log.seal()
    assert "MSG_SIZE_TOO_LARGE" in str(forwarder.status()["reason"])
    assert log.committed.number == 0
    assert sum(len(cluster.messages("refusing", partition)) for partition in range(4)) == 1
    log.close()
