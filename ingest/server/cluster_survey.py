"""Asks the brokers what there is of a cluster."""

import math
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import NamedTuple

from actors.cluster.admin import Admin
from actors.cluster.failure import KafkaFailure
from actors.cluster.topic_reader import TopicMessage
from actors.cluster.topic_reading import append_times, read_to_end
from ingest.engine.cluster import Cluster
from ingest.engine.cluster_record import ClusterRecord
from ingest.engine.cluster_status import ClusterStatus, PartitionStatus
from ingest.engine.connection import admin_options, consumer_options, session_milliseconds
from ingest.engine.examination import DescribedTopic, examine
from ingest.engine.finding import Finding
from ingest.engine.topics import TopicNames, topic_names
from ingest.settings import Settings


class NoClusterError(Exception):
    """There is no cluster to be asked; the message is for the operator."""


class Survey(NamedTuple):
    """What the brokers say of a cluster.

    Attributes:
        topics: Those of the cluster that exist, by name. Without settings if they are not told.
        brokers: The settings of each broker; empty if they are not told.
        control: All messages of the control topic; none if it does not exist.
    """

    topics: Mapping[str, DescribedTopic]
    brokers: Sequence[Mapping[str, str]]
    control: Sequence[TopicMessage]


async def survey_cluster(settings: Settings) -> Survey:
    """Ask for all that can be examined.

    Raises:
        SettingsError: The settings cannot be used for a connection.
        KafkaFailure: The brokers cannot be asked.
    """
    names = topic_names(settings.kafka_prefix)
    with closing(Admin(admin_options(settings))) as admin:
        topics = await describe_topics(admin, names)
        try:
            brokers = list((await admin.broker_settings()).values())
        except KafkaFailure:
            # Not allowed, or a broker is away. Nothing depends on it.
            brokers = []
    return Survey(topics, brokers, await read_control(settings, topics))


def examine_survey(
    settings: Settings, survey: Survey, record: ClusterRecord | None
) -> list[Finding]:
    """What is wrong with the brokers and the topics of a cluster, each finding once.

    Args:
        settings: Of this process.
        survey: What the brokers say.
        record: The cluster's; None if there is none.
    """
    timeout = session_milliseconds(settings)
    return list(
        dict.fromkeys(
            finding
            for broker in survey.brokers or [{}]
            for finding in examine(settings.kafka_prefix, survey.topics, record, broker, timeout)
        )
    )


async def describe_topics(admin: Admin, names: TopicNames) -> dict[str, DescribedTopic]:
    """The topics of a cluster that exist, by name.

    Raises:
        KafkaFailure: The brokers cannot be asked.
    """
    shapes = await admin.topics()
    found = {name: shapes[name] for name in names.topics if name in shapes}
    settings: Mapping[str, Mapping[str, str]] = {}
    if found:
        try:
            settings = await admin.topic_settings(found)
        except KafkaFailure as failure:
            if failure.passing:
                raise
    return {name: DescribedTopic(*shape, settings.get(name, {})) for name, shape in found.items()}


async def read_control(
    settings: Settings, topics: Mapping[str, DescribedTopic]
) -> list[TopicMessage]:
    """All messages of the control topic; none if it does not exist.

    Raises:
        KafkaFailure: It cannot be read.
    """
    control = topic_names(settings.kafka_prefix).control
    if control not in topics:
        return []
    return await read_to_end(consumer_options(settings), control)


async def survey_status(settings: Settings) -> ClusterStatus:
    """Ask how far the workers are, and who runs.

    Raises:
        NoClusterError: The topics or the cluster record are missing.
        SettingsError: The settings cannot be used for a connection.
        KafkaFailure: The brokers cannot be asked.
    """
    names = topic_names(settings.kafka_prefix)
    with closing(Admin(admin_options(settings))) as admin:
        topics = await describe_topics(admin, names)
        cluster = _read_cluster(settings, await read_control(settings, topics))
        if cluster.record is None or names.events not in topics:
            raise NoClusterError(
                f"there is no cluster with the prefix {settings.kafka_prefix!r}: make it with "
                "`sluice engine create`"
            )
        numbers = range(topics[names.events].partitions)
        bounds = await admin.bounds(names.events, numbers)
        committed = await admin.committed(names.workers, names.events, numbers)
    owners = {number: member.name for number, member in cluster.owners.items()}
    partitions = [
        PartitionStatus(
            number,
            owners.get(number, ""),
            None if committed[number].offset < 0 else committed[number].offset,
            *bounds[number],
        )
        for number in numbers
    ]
    times = await append_times(
        consumer_options(settings),
        names.events,
        {each.partition: each.next for each in partitions if each.lag},
    )
    retention = float(topics[names.events].settings.get("retention.ms", math.nan))
    return ClusterStatus(
        cluster,
        [each._replace(oldest_at=times.get(each.partition)) for each in partitions],
        retention / 1000 if retention > 0 else None,
        time.time(),
    )


def _read_cluster(settings: Settings, messages: Sequence[TopicMessage]) -> Cluster:
    secret = settings.cluster_secret
    cluster = Cluster(None if secret is None else secret.get_secret_value())
    for message in messages:
        cluster.apply(message.key or b"", message.value, message.timestamp)
    # Whoever has fallen silent since is not among the members.
    cluster.log_time = max(cluster.log_time, time.time())
    # The status compares the age of what waits with the retention, whether workers run or not.
    cluster.retention_seconds = math.inf
    return cluster
