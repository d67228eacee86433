"""Topics: deletion of records, settings, and the time that brokers give to records."""

import time

from confluent_kafka import (
    TIMESTAMP_LOG_APPEND_TIME,
    Consumer,
    KafkaError,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourceType

from tests.cluster.brokers import WAIT_SECONDS, Brokers
from tests.cluster.member import read_topic


def test_deleting_records_moves_the_low_mark_at_once(brokers: Brokers, name: str) -> None:
    brokers.create_topic(name)
    _produce(brokers, name, 10)
    low = brokers.admin.delete_records([TopicPartition(name, 0, 7)], request_timeout=WAIT_SECONDS)
    assert next(iter(low.values())).result().low_watermark == 7
    with Consumer(
        {**brokers.options(), "group.id": name, "auto.offset.reset": "error"}
    ) as consumer:
        assert consumer.get_watermark_offsets(TopicPartition(name, 0), WAIT_SECONDS) == (7, 10)
        consumer.assign([TopicPartition(name, 0, 3)])
        message = consumer.poll(WAIT_SECONDS)
        assert message is not None
        error = message.error()
        assert error is not None
        assert error.code() == KafkaError._AUTO_OFFSET_RESET
    assert read_topic(brokers, name) == [b"7", b"8", b"9"]


def test_a_broker_gives_a_record_the_time_of_its_append(brokers: Brokers, name: str) -> None:
    brokers.create_topic(name, settings={"message.timestamp.type": "LogAppendTime"})
    before = int(time.time() * 1000)
    (report,) = _produce(brokers, name, 1, timestamp=1_000)
    kind, appended = report.timestamp()
    assert kind == TIMESTAMP_LOG_APPEND_TIME
    assert before <= appended <= time.time() * 1000


def test_settings_can_be_read(brokers: Brokers, name: str) -> None:
    brokers.create_topic(name, settings={"retention.ms": "172800000"})
    topic = _settings(brokers, ResourceType.TOPIC, name)
    assert topic["retention.ms"] == "172800000"
    assert topic["min.insync.replicas"] == "2"
    assert {
        "segment.ms",
        "segment.bytes",
        "message.timestamp.type",
        "cleanup.policy",
    } <= topic.keys()
    broker = _settings(brokers, ResourceType.BROKER, "1")
    assert broker["offset.metadata.max.bytes"] == "4096"
    assert broker["offsets.retention.minutes"] == "10080"
    assert broker["group.min.session.timeout.ms"] == "6000"


def _settings(brokers: Brokers, kind: ResourceType, name: str) -> dict[str, str | None]:
    resource = ConfigResource(kind, name)
    entries = brokers.admin.describe_configs([resource])[resource].result(WAIT_SECONDS)
    return {key: entry.value for key, entry in entries.items()}


def _produce(brokers: Brokers, name: str, count: int, timestamp: int = 0) -> list[Message]:
    reports: list[Message] = []
    producer = Producer(brokers.options())
    for number in range(count):
        producer.produce(
            name,
            str(number).encode(),
            partition=0,
            timestamp=timestamp,
            on_delivery=lambda error, message: reports.append(message) if error is None else None,
        )
    assert producer.flush(WAIT_SECONDS) == 0
    assert len(reports) == count
    return reports
