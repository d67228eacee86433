"""What a process does before it takes part in a cluster: it checks that it may."""

from typing import Final

import structlog
import trio

from actors.cluster.failure import KafkaFailure
from ingest.engine.cluster import Cluster
from ingest.engine.cluster_record import ClusterRecord
from ingest.engine.connection import session_milliseconds
from ingest.engine.examination import examine
from ingest.engine.finding import Finding
from ingest.engine.heartbeat import Role
from ingest.engine.role_settings import cluster_problems
from ingest.server.cluster_survey import Survey, survey_cluster
from ingest.server.start_files import StartError
from ingest.settings import Settings

log = structlog.get_logger()

RETRY_SECONDS: Final = 5.0
"""Delay before brokers that did not answer are asked again."""


async def join_cluster(settings: Settings, role: Role) -> ClusterRecord:
    """Ask for the cluster record, and check topics and settings. Waits for brokers that are away.

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
            log.error("Kafka does not answer, the start waits for it", error=str(failure))
            await trio.sleep(RETRY_SECONDS)
        else:
            return examined_record(settings, survey)


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
    timeout = session_milliseconds(settings)
    findings = dict.fromkeys(
        finding
        for broker in survey.brokers or [{}]
        for finding in examine(settings.kafka_prefix, survey.topics, record, broker, timeout)
    )
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
