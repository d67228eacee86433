"""The topics of a cluster: their names, and the settings with which they are made."""

from typing import Final, NamedTuple

from ingest.engine.connection import MESSAGE_MAX_BYTES

HOUR: Final = 3_600_000
"""Milliseconds."""

DAY: Final = 24 * HOUR

EVENTS_RETENTION: Final = 48 * HOUR
"""How long the store may be away. Milliseconds, like all of these."""

SALTS_RETENTION: Final = 47 * HOUR
"""A record may live for another segment, so no salt is older than 48 hours."""

LETTERS_RETENTION: Final = 14 * DAY

PARTITIONS: Final = 64
"""Usual number of partitions, up to 300,000 events a second."""

REPLICATION: Final = 3

_BATCH_BYTES: Final = 1_000
"""What a broker adds to a message before it compares the size with the limit."""


class TopicNames(NamedTuple):
    """The names of a cluster's topics and of the group of its workers."""

    events: str
    checkpoints: str
    salts: str
    control: str
    letters: str
    workers: str

    @property
    def topics(self) -> tuple[str, ...]:
        """The names of all topics."""
        return self[:5]


class WantedTopic(NamedTuple):
    """A topic as it should be.

    Attributes:
        name: With the prefix.
        partitions: How many.
        replication: How many brokers have each record.
        settings: By their names in Kafka.
    """

    name: str
    partitions: int
    replication: int
    settings: dict[str, str]


def topic_names(prefix: str) -> TopicNames:
    """The names after a prefix, `KAFKA_PREFIX`."""
    return TopicNames(*(f"{prefix}sluice-{name}" for name in TopicNames._fields))


def wanted_topics(
    prefix: str, partitions: int = PARTITIONS, replication: int = REPLICATION
) -> tuple[WantedTopic, ...]:
    """All topics of a cluster.

    Args:
        prefix: `KAFKA_PREFIX`.
        partitions: Number of partitions of the topics of events and checkpoints.
        replication: How many brokers have each record.
    """
    names = topic_names(prefix)
    # One broker fewer, so that one may be away; two brokers cannot keep two copies then.
    common = {
        # Retention and the folds go by the time when the broker had a record, not by the sender's.
        "message.timestamp.type": "LogAppendTime",
        "unclean.leader.election.enable": "false",
        "min.insync.replicas": str(max(1, min(2, replication - 1))),
        "max.message.bytes": str(MESSAGE_MAX_BYTES + _BATCH_BYTES),
    }
    hourly = {"segment.ms": str(HOUR), "segment.bytes": str(128 * 1024 * 1024)}
    deleted = {"cleanup.policy": "delete", "retention.bytes": "-1"} | hourly | common
    return (
        WantedTopic(
            names.events,
            partitions,
            replication,
            deleted | {"retention.ms": str(EVENTS_RETENTION)},
        ),
        WantedTopic(
            names.checkpoints,
            partitions,
            replication,
            # The size matters where workers are not allowed to delete records.
            deleted | {"retention.ms": str(EVENTS_RETENTION), "retention.bytes": str(1024**3)},
        ),
        WantedTopic(names.salts, 1, replication, deleted | {"retention.ms": str(SALTS_RETENTION)}),
        WantedTopic(
            names.control,
            1,
            replication,
            {
                "cleanup.policy": "compact",
                # New members read it from its beginning: heartbeats must be compacted soon.
                "segment.ms": str(HOUR // 6),
                "segment.bytes": str(16 * 1024 * 1024),
                "min.cleanable.dirty.ratio": "0.1",
            }
            | common,
        ),
        WantedTopic(
            names.letters, 1, replication, deleted | {"retention.ms": str(LETTERS_RETENTION)}
        ),
    )
