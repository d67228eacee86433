from typing import Final

import pytest

from ingest.engine.cluster_record import ClusterRecord
from ingest.engine.examination import DescribedTopic, examine
from ingest.engine.finding import Finding
from ingest.engine.topics import wanted_topics

RECORD: Final = ClusterRecord("00c0ffee00c0ffee", 64, 1800)
BROKERS: Final = {
    "offsets.retention.minutes": "10080",
    "offset.metadata.max.bytes": "4096",
    "group.min.session.timeout.ms": "6000",
    "group.max.session.timeout.ms": "1800000",
}
HOUR = 3_600_000
DAY = 24 * HOUR


def described(replication: int = 3) -> dict[str, DescribedTopic]:
    return {
        topic.name: DescribedTopic(topic.partitions, replication, topic.settings)
        for topic in wanted_topics("", 64, replication)
    }


def examined(
    topics: dict[str, DescribedTopic],
    record: ClusterRecord | None = RECORD,
    brokers: dict[str, str] = BROKERS,
) -> list[Finding]:
    return examine("", topics, record, brokers)


def with_settings(topic: str, **settings: int | str | None) -> dict[str, DescribedTopic]:
    """All topics, one of them with other settings; None leaves a setting out."""
    topics = described()
    changed = topics[f"sluice-{topic}"]
    new = {name.replace("_", "."): value for name, value in settings.items()}
    values = {
        name: str(value)
        for name, value in (dict(changed.settings) | new).items()
        if value is not None
    }
    return topics | {f"sluice-{topic}": changed._replace(settings=values)}


def test_what_create_makes_is_in_order() -> None:
    assert examined(described()) == []


def test_other_topics_do_not_matter() -> None:
    assert examined(described() | {"other": DescribedTopic(1, 1, {})}) == []


def test_the_prefix_counts() -> None:
    found = examine("x.", described(), RECORD, BROKERS)

    assert [finding.text for finding in found] == [
        f"x.sluice-{name} does not exist"
        for name in ("events", "checkpoints", "salts", "control", "letters")
    ]
    assert all(finding.severe and "engine create" in finding.advice for finding in found)


def test_without_a_record_the_topic_of_events_counts() -> None:
    topics = described()
    topics["sluice-events"] = topics["sluice-events"]._replace(partitions=32)

    (finding,) = examined(topics, record=None)

    assert finding.text == "sluice-checkpoints has 64 partitions instead of 32"


@pytest.mark.parametrize(
    ("topic", "partitions"), [("events", 32), ("checkpoints", 65), ("salts", 2), ("control", 3)]
)
def test_another_number_of_partitions(topic: str, partitions: int) -> None:
    topics = described()
    name = f"sluice-{topic}"
    topics[name] = topics[name]._replace(partitions=partitions)

    (finding,) = examined(topics)

    wanted = 64 if topic in ("events", "checkpoints") else 1
    assert finding.severe
    assert finding.text == f"{name} has {partitions} partitions instead of {wanted}"


@pytest.mark.parametrize(
    ("topic", "settings", "severe", "text"),
    [
        (
            "events",
            {"message_timestamp_type": "CreateTime"},
            True,
            "sluice-events: message.timestamp.type is CreateTime: records are deleted, and "
            "visits end, by the clocks",
        ),
        ("events", {"cleanup_policy": "compact"}, True, "cleanup.policy is compact"),
        ("control", {"cleanup_policy": "compact,delete"}, True, "cleanup.policy is compact,delete"),
        (
            "salts",
            {"message_timestamp_type": None, "cleanup_policy": None},
            False,
            "do not tell message.timestamp.type and cleanup.policy",
        ),
        (
            "events",
            {"unclean_leader_election_enable": "true"},
            True,
            "unclean.leader.election.enable is true",
        ),
        ("events", {"min_insync_replicas": 1}, False, "min.insync.replicas is 1: what is ack"),
        ("events", {"min_insync_replicas": 3}, False, "as many as there are replicas"),
        ("events", {"min_insync_replicas": 4}, True, "nothing can be written"),
        ("events", {"max_message_bytes": 1_048_588}, False, "unusually large event"),
        ("letters", {"max_message_bytes": 1_048_588}, False, "unusually large event"),
        ("checkpoints", {"max_message_bytes": 262_144}, True, "ordinary messages are refused"),
        ("events", {"retention_ms": 24 * HOUR}, False, "store is away for more than 24 h"),
        ("events", {"retention_ms": 100_500}, True, "store is away for more than 100 s"),
        ("events", {"retention_ms": 30 * DAY}, False, "retention.ms is 30 d: the brokers' disks"),
        ("events", {"retention_ms": -1}, False, "retention.ms is unlimited: the brokers' disks"),
        ("events", {"retention_bytes": 10**9}, False, "retention.bytes is 1,000,000,000"),
        ("checkpoints", {"retention_ms": 24 * HOUR}, True, "checkpoint of an idle partition"),
        ("salts", {"retention_ms": 48 * HOUR}, True, "kept for more than 48 hours"),
        ("salts", {"segment_ms": 2 * HOUR}, True, "with segments of 2 h: salts are kept for more"),
        ("salts", {"retention_ms": -1}, True, "kept for more than 48 hours"),
        ("salts", {"retention_ms": 24 * HOUR}, True, "deleted while they are in force"),
        ("salts", {"retention_ms": 30 * HOUR}, False, "visits of the day before"),
        ("letters", {"retention_ms": 7 * DAY}, False, "before anyone may have looked"),
        ("letters", {"retention_ms": 30 * DAY}, False, "redriven after 21 days"),
    ],
)
def test_settings_of_topics(
    topic: str, settings: dict[str, int | str | None], severe: bool, text: str
) -> None:
    (finding,) = examined(with_settings(topic, **settings))

    assert finding.severe is severe
    assert finding.text.startswith(f"sluice-{topic}: ")
    assert text in finding.text
    assert "sluice" in finding.advice or "see that" in finding.advice


@pytest.mark.parametrize(
    ("topic", "settings"),
    [
        ("events", {"retention_ms": 7 * DAY}),
        ("checkpoints", {"retention_ms": 30 * HOUR, "retention_bytes": -1}),
        ("salts", {"retention_ms": 47 * HOUR, "segment_ms": HOUR // 2, "max_message_bytes": 9000}),
        ("letters", {"retention_ms": 21 * DAY}),
        ("control", {"retention_ms": 1000, "segment_ms": DAY}),
        ("events", {"min_insync_replicas": None, "retention_ms": None, "max_message_bytes": None}),
        ("events", {"retention_ms": "a secret"}),
    ],
)
def test_settings_that_will_do(topic: str, settings: dict[str, int | str | None]) -> None:
    assert examined(with_settings(topic, **settings)) == []


@pytest.mark.parametrize(
    ("replication", "text"),
    [(1, "1 replica: what is acknowledged"), (2, "2 replicas: what is acknowledged")],
)
def test_few_replicas(replication: int, text: str) -> None:
    found = examined(described(replication))

    assert len(found) == 5
    assert not any(finding.severe for finding in found)
    assert all(text in finding.text for finding in found)


def test_the_advice_can_be_run() -> None:
    (finding,) = examined(with_settings("salts", segment_ms=DAY))

    assert finding.advice == (
        "kafka-configs.sh --alter --topic sluice-salts "
        "--add-config retention.ms=169200000,segment.ms=3600000"
    )


@pytest.mark.parametrize(
    ("brokers", "text"),
    [
        ({"offsets.retention.minutes": "1440"}, "forget commits after 24 h"),
        ({"offset.metadata.max.bytes": "100"}, "only 100 bytes of a commit's metadata"),
        ({"group.min.session.timeout.ms": "30000"}, "do not allow a session timeout of 15000 ms"),
        ({"group.max.session.timeout.ms": "10000"}, "do not allow a session timeout of 15000 ms"),
    ],
)
def test_settings_of_brokers(brokers: dict[str, str], text: str) -> None:
    (finding,) = examined(described(), brokers=BROKERS | brokers)

    assert finding.severe
    assert text in finding.text


def test_the_session_timeout_can_be_another() -> None:
    brokers = BROKERS | {"group.min.session.timeout.ms": "30000"}

    assert examine("", described(), RECORD, brokers, 30_000) == []


def test_brokers_that_tell_nothing() -> None:
    assert examined(described(), brokers={}) == []
