"""What is wrong with the topics and brokers of a cluster, as they describe themselves.

Settings that the brokers do not tell are not examined; the lack of the most important ones is told.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from ingest.engine.cluster_record import ClusterRecord
from ingest.engine.connection import MESSAGE_MAX_BYTES, SESSION_MILLISECONDS
from ingest.engine.finding import Finding, problem, warning
from ingest.engine.message import MESSAGE_BYTES
from ingest.engine.plan import NEEDED_BYTES
from ingest.engine.topics import (
    DAY,
    EVENTS_RETENTION,
    HOUR,
    LETTERS_RETENTION,
    REPLICATION,
    SALTS_RETENTION,
    TopicNames,
    WantedTopic,
    topic_names,
    wanted_topics,
)

CREATE: Final = "make it with `sluice engine create`"

_SALT_LIFETIME: Final = 48 * HOUR
_SALT_USE: Final = 25 * HOUR
"""A salt is made an hour before its day."""

_CHECKPOINT_USE: Final = 25 * HOUR
"""An idle partition saves a checkpoint once a day."""

_LETTER_SOURCES: Final = 21 * DAY
"""How long workers remember which letters they have taken."""

_LEAST_MESSAGE: Final = 2 * MESSAGE_BYTES
"""Limit below which even ordinary messages and parts of checkpoints may be refused."""

_TOLD: Final = ("message.timestamp.type", "cleanup.policy")
"""Settings without which a topic cannot be trusted."""


class DescribedTopic(NamedTuple):
    """A topic as the brokers describe it.

    Attributes:
        partitions: How many.
        replication: How many brokers have each record; the least of all partitions.
        settings: By their names in Kafka, those that are in force.
    """

    partitions: int
    replication: int
    settings: Mapping[str, str]


def examine(
    prefix: str,
    topics: Mapping[str, DescribedTopic],
    record: ClusterRecord | None,
    brokers: Mapping[str, str],
    session_milliseconds: int = SESSION_MILLISECONDS,
) -> list[Finding]:
    """Compare a cluster's topics and brokers with what they should be.

    Args:
        prefix: `KAFKA_PREFIX`.
        topics: The topics that exist, by name; others may be among them.
        record: The cluster record; None if there is none.
        brokers: Settings of a broker, by their names in Kafka.
        session_milliseconds: The session timeout of the workers' group.

    Returns:
        What was found, topic by topic.
    """
    names = topic_names(prefix)
    found: list[Finding] = []
    events = topics.get(names.events)
    partitions = record.partitions if record else events.partitions if events else 1
    for wanted in wanted_topics(prefix, partitions):
        topic = topics.get(wanted.name)
        if topic is None:
            found.append(problem(f"{wanted.name} does not exist", CREATE))
        else:
            found += _topic_findings(names, wanted, topic)
    found += _broker_findings(brokers, session_milliseconds)
    return found


def _topic_findings(
    names: TopicNames, wanted: WantedTopic, topic: DescribedTopic
) -> Iterator[Finding]:
    yield from _partition_findings(wanted, topic)
    yield from _replica_findings(wanted, topic)
    untold = [name for name in _TOLD if name not in topic.settings]
    if untold:
        yield warning(
            f"{wanted.name}: the brokers do not tell {' and '.join(untold)}",
            f"see that it is {_assignments(wanted, *untold)}",
        )
    yield from _value_findings(wanted, topic)
    yield from _size_findings(names, wanted, topic)
    yield from _retention_findings(names, wanted, topic)


def _partition_findings(wanted: WantedTopic, topic: DescribedTopic) -> Iterator[Finding]:
    if topic.partitions != wanted.partitions:
        yield problem(
            f"{wanted.name} has {topic.partitions} partitions instead of {wanted.partitions}",
            "their number cannot change while the topic is in use: drain the cluster, and create "
            "another one with a new KAFKA_PREFIX",
        )


def _replica_findings(wanted: WantedTopic, topic: DescribedTopic) -> Iterator[Finding]:
    replication, least = topic.replication, _number(topic, "min.insync.replicas")
    if replication < REPLICATION:
        yield warning(
            f"{wanted.name} has {replication} replica{'s' if replication > 1 else ''}: "
            "what is acknowledged may be lost with a broker",
            f"have {REPLICATION} replicas for anything but trials",
        )
    if least is None:
        return
    if least > replication:
        yield problem(
            f"{wanted.name}: min.insync.replicas is {least}, but there are {replication} replicas: "
            "nothing can be written",
            _set(wanted.name, f"min.insync.replicas={max(1, replication - 1)}"),
        )
    elif least == replication > 1:
        yield warning(
            f"{wanted.name}: min.insync.replicas is {least}, as many as there are replicas: "
            "nothing can be written while a broker is away",
            _set(wanted.name, f"min.insync.replicas={replication - 1}"),
        )
    elif least < 2 and replication >= REPLICATION:
        yield warning(
            f"{wanted.name}: min.insync.replicas is {least}: what is acknowledged may be lost with "
            "a broker",
            _set(wanted.name, "min.insync.replicas=2"),
        )
    if replication > 1 and topic.settings.get("unclean.leader.election.enable") == "true":
        yield problem(
            f"{wanted.name}: unclean.leader.election.enable is true: what is acknowledged may be "
            "lost when brokers end",
            _set(wanted.name, "unclean.leader.election.enable=false"),
        )


def _value_findings(wanted: WantedTopic, topic: DescribedTopic) -> Iterator[Finding]:
    """Settings that must have one value."""
    for name, why in (
        (
            "message.timestamp.type",
            "records are deleted, and visits end, by the clocks of those who send them",
        ),
        ("cleanup.policy", "records are deleted that are still needed, or kept for too long"),
    ):
        value = topic.settings.get(name)
        if value not in (None, wanted.settings[name]):
            yield problem(
                f"{wanted.name}: {name} is {value}: {why}",
                _set(wanted.name, _assignments(wanted, name)),
            )


def _size_findings(
    names: TopicNames, wanted: WantedTopic, topic: DescribedTopic
) -> Iterator[Finding]:
    limit = _number(topic, "max.message.bytes")
    if limit is None:
        return
    advice = _set(wanted.name, _assignments(wanted, "max.message.bytes"))
    if limit < _LEAST_MESSAGE and wanted.name != names.salts:
        yield problem(
            f"{wanted.name}: max.message.bytes is {limit:,}: ordinary messages are refused", advice
        )
    elif limit < MESSAGE_MAX_BYTES and wanted.name in (names.events, names.letters):
        yield warning(
            f"{wanted.name}: max.message.bytes is {limit:,}: an unusually large event is refused, "
            "and its front stops there",
            advice,
        )


def _retention_findings(
    names: TopicNames, wanted: WantedTopic, topic: DescribedTopic
) -> Iterator[Finding]:
    if wanted.name == names.control:
        return
    retention = _number(topic, "retention.ms")
    if retention is not None:
        kept = math.inf if retention < 0 else retention
        segment = _number(topic, "segment.ms") or 0
        text = f"{wanted.name}: retention.ms is {_duration(kept)}"
        if wanted.name == names.salts and segment:
            text += f", with segments of {_duration(segment)}"
        severe, why = _judge(names, wanted.name, kept, segment)
        if why:
            values = "retention.ms,segment.ms" if wanted.name == names.salts else "retention.ms"
            advice = _set(wanted.name, _assignments(wanted, *values.split(",")))
            yield Finding(severe, f"{text}: {why}", advice)
    size = _number(topic, "retention.bytes")
    if size is not None and size >= 0 and wanted.name != names.checkpoints:
        yield warning(
            f"{wanted.name}: retention.bytes is {size:,}: records may be deleted before their time",
            _set(wanted.name, "retention.bytes=-1"),
        )


def _judge(names: TopicNames, name: str, kept: float, segment: int) -> tuple[bool, str]:
    """Whether a retention is a severe fault, and why it is one; empty if it is none.

    Args:
        names: Of all topics.
        name: Of the topic.
        kept: Its retention in milliseconds.
        segment: Milliseconds after which it begins another segment.
    """
    if name == names.salts:
        if kept + segment > _SALT_LIFETIME:
            return True, "salts are kept for more than 48 hours, as long as visitors can be linked"
        if kept < _SALT_USE:
            return True, "salts are deleted while they are in force: new fronts do not find them"
        if kept < SALTS_RETENTION:
            return False, "new fronts do not find the visits of the day before"
    elif name == names.letters:
        if kept < LETTERS_RETENTION:
            return False, "dead letters are deleted before anyone may have looked at them"
        if kept > _LETTER_SOURCES:
            return False, "a letter that is redriven after 21 days may be stored twice"
    elif kept > 7 * DAY:
        return False, "the brokers' disks may fill"
    elif name == names.checkpoints:
        if kept < _CHECKPOINT_USE:
            return True, "the checkpoint of an idle partition is deleted before there is another"
    elif kept < EVENTS_RETENTION:
        severe = kept < HOUR
        return severe, f"events are lost if the store is away for more than {_duration(kept)}"
    return False, ""


def _broker_findings(brokers: Mapping[str, str], session: int) -> Iterator[Finding]:
    topic = DescribedTopic(0, 0, brokers)
    minutes = _number(topic, "offsets.retention.minutes")
    if minutes is not None and minutes * 60_000 < EVENTS_RETENTION:
        yield problem(
            f"the brokers forget commits after {_duration(minutes * 60_000)} "
            "(offsets.retention.minutes): after a longer stop, workers may store events twice",
            "set it to at least 2880 on all brokers; 10080 is usual",
        )
    metadata = _number(topic, "offset.metadata.max.bytes")
    if metadata is not None and metadata < NEEDED_BYTES:
        yield problem(
            f"the brokers take only {metadata} bytes of a commit's metadata "
            "(offset.metadata.max.bytes)",
            f"set it to at least {NEEDED_BYTES} on all brokers; 4096 is usual",
        )
    least = _number(topic, "group.min.session.timeout.ms")
    most = _number(topic, "group.max.session.timeout.ms")
    if (least or 0) > session or (most or math.inf) < session:
        yield problem(
            f"the brokers do not allow a session timeout of {session} ms "
            "(group.min.session.timeout.ms, group.max.session.timeout.ms)",
            f"allow {session} on all brokers, or set session.timeout.ms in SLUICE_KAFKA_OPTIONS",
        )


def _number(topic: DescribedTopic, name: str) -> int | None:
    """A setting as a number; None if it is not told, or not as a number."""
    try:
        return int(topic.settings[name])
    except (KeyError, ValueError):
        return None


def _assignments(wanted: WantedTopic, *names: str) -> str:
    return ",".join(f"{name}={wanted.settings[name]}" for name in names)


def _set(topic: str, assignments: str) -> str:
    """The command that sets settings of a topic."""
    return f"kafka-configs.sh --alter --topic {topic} --add-config {assignments}"


def _duration(milliseconds: float) -> str:
    if milliseconds == math.inf:
        return "unlimited"
    for unit, size in (("d", DAY), ("h", HOUR), ("min", 60_000)):
        if milliseconds >= 2 * size and milliseconds % size == 0:
            return f"{milliseconds // size:.0f} {unit}"
    return f"{milliseconds / 1000:.0f} s"
