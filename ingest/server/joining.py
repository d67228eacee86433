"""What a process does before it takes part in a cluster: it checks that it may."""

import math
from typing import Final, NamedTuple

import structlog
import trio

from actors.cluster.failure import KafkaFailure
from ingest.engine.cluster import Cluster
from ingest.engine.cluster_record import ClusterRecord
from ingest.engine.finding import Finding
from ingest.engine.heartbeat import Role
from ingest.engine.role_settings import cluster_problems
from ingest.engine.topics import topic_names
from ingest.server.cluster_survey import Survey, examine_survey, survey_cluster
from ingest.server.start_files import StartError
from ingest.settings import Settings

log = structlog.get_logger()

RETRY_SECONDS: Final = 5.0
"""Delay before brokers that did not answer are asked again."""


class Joined(NamedTuple):
    """A cluster that the process may take part in.

    Attributes:
        record: The cluster's.
        retention_seconds: How long the events topic keeps messages; None if it is not known.
    """

    record: ClusterRecord
    retention_seconds: float | None


async def join_cluster(
    settings: Settings, role: Role, remembered: ClusterRecord | None = None
) -> Joined:
    """Ask for the cluster record, and check topics and settings.

    Waits for brokers that are away, unless the record is remembered from an earlier start.

    Raises:
        StartError: The operator must change something first.
    """
    refuse_settings(settings, role)
    while True:
        try:
            survey = await survey_cluster(settings)
        except KafkaFailure as failure:
            if not failure.passing:
                raise StartError(f"Kafka: {failure}") from None
            if remembered is not None:
                log.error("Kafka does not answer, starting without it", error=str(failure))
                return Joined(remembered, None)
            log.error("Kafka does not answer, the start waits for it", error=str(failure))
            await trio.sleep(RETRY_SECONDS)
        else:
            record = examined_record(settings, survey)
            events = survey.topics[topic_names(settings.kafka_prefix).events]
            retention = float(events.settings.get("retention.ms", math.nan)) / 1000
            return Joined(record, retention if retention > 0 else None)


def refuse_settings(settings: Settings, role: Role) -> None:
    """Refuse settings with which a process cannot have a role.

    Raises:
        StartError: As above.
    """
    problems = cluster_problems(settings, role)
    if problems:
        raise StartError("\n".join(problems))


def examined_record(settings: Settings, survey: Survey) -> ClusterRecord:
    """The cluster record, if the cluster can be used.

    Raises:
        StartError: As above.
    """
    cluster = Cluster()
    for message in survey.control:
        cluster.apply(message.key or b"", message.value, message.timestamp)
    record = cluster.record
    findings = examine_survey(settings, survey, record)
    for finding in findings:
        if not finding.severe:
            log.warning("cluster", finding=finding.text, advice=finding.advice)
    severe = [_sentence(finding) for finding in findings if finding.severe]
    if severe:
        raise StartError("\n".join(severe))
    if record is None:
        raise StartError(
            f"there is no cluster with the prefix {settings.kafka_prefix!r}: make it with "
            "`sluice engine create`"
        )
    if record.session_seconds != settings.session_minutes * 60:
        raise StartError(
            f"SLUICE_SESSION_MINUTES: expected {record.session_seconds / 60:g}, as the cluster "
            f"was made, got {settings.session_minutes}"
        )
    return record


def _sentence(finding: Finding) -> str:
    return f"Kafka: {finding.text}" + (f": {finding.advice}" if finding.advice else "")
