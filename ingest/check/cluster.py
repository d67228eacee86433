"""Checks what the members of a cluster share: the brokers, the topics, the cluster record."""

import importlib.util
import logging
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import trio

from ingest.check.deduplication import check_deduplication
from ingest.check.report import (
    CheckResult,
    Level,
    Report,
    by_severity,
    ok,
    problem,
    section,
    warning,
)
from ingest.engine.cluster_record import ClusterRecord
from ingest.engine.connection import admin_options, connection_notes, connection_problems
from ingest.engine.connection_failure import explain_failure
from ingest.engine.creation import examine_record, find_record
from ingest.engine.finding import Finding
from ingest.engine.heartbeat import Role
from ingest.engine.role_settings import cluster_problems
from ingest.engine.topics import topic_names
from ingest.settings import Settings

if TYPE_CHECKING:
    from ingest.server.cluster_survey import Survey

CLIENT_MISSING: Final = "Kafka's client is not installed"
INSTALL_CLIENT: Final = "pip install 'sluice-collector[kafka]'"

VERDICTS: Final = ("the cluster can work", "the cluster cannot work")

_ROLES: Final[tuple[Role, ...]] = ("front", "worker")


def client_installed() -> bool:
    """Whether Kafka's client, an optional extra, is installed."""
    return importlib.util.find_spec("confluent_kafka") is not None


def silence_client() -> None:
    """Keep Kafka's client from logging what our results say."""
    logging.getLogger("kafka").setLevel(logging.CRITICAL + 1)


def check_engine(settings: Settings) -> Report:
    """Check everything that the members of a cluster share; changes nothing."""
    connection, topics, record = _ask(settings)
    sections = [section("connection", by_severity(connection))]
    if topics:
        sections.append(
            section(f"topics: {settings.kafka_prefix}sluice-*", by_severity(topics)),
        )
    if record is not None:
        found = check_deduplication(settings, record.partitions)
        sections.append(section("store", by_severity(found)))
    if not connection_problems(settings):
        sections.append(section("roles", _roles(settings)))
    return Report(tuple(sections), VERDICTS)


def check_cluster(settings: Settings) -> Iterator[CheckResult]:
    """The same in short, for the check of a process: what is wrong, and one line on what is not."""
    connection, topics, record = _ask(settings)
    wrong = [each for each in (*connection, *topics) if each.level is not Level.OK]
    if record is not None:
        wrong += [
            each
            for each in check_deduplication(settings, record.partitions)
            if each.level is not Level.OK
        ]
        yield ok(f"cluster {record.cluster_id}, {record.partitions} partitions")
    yield from by_severity(wrong)


class _Answers(NamedTuple):
    """Results of asking the brokers.

    Attributes:
        connection: On the connection.
        topics: On the topics and the cluster record; none if the brokers could not be asked.
        record: The cluster record; None if it is not known.
    """

    connection: list[CheckResult]
    topics: Sequence[CheckResult] = ()
    record: ClusterRecord | None = None


def _ask(settings: Settings) -> _Answers:
    if not client_installed():
        return _Answers([problem(CLIENT_MISSING, INSTALL_CLIENT)])
    problems = connection_problems(settings)
    if problems:
        return _Answers([problem(text, "") for text in problems])
    from actors.cluster.failure import KafkaFailure
    from ingest.server.cluster_survey import survey_cluster

    silence_client()
    options = admin_options(settings)
    notes = [warning(text) for text in connection_notes(settings)]
    try:
        survey = trio.run(survey_cluster, settings)
    except KafkaFailure as failure:
        finding = explain_failure(failure.name, str(failure), options)
        return _Answers([*notes, _result(finding)])
    if not survey.brokers:
        notes.append(warning("the brokers do not tell their settings, or one of them is away"))
    answer = f"the brokers at {options['bootstrap.servers']} answer"
    return _Answers(
        [ok(f"{answer} ({options['security.protocol']})"), *notes], *_topics(settings, survey)
    )


def _topics(settings: Settings, survey: "Survey") -> tuple[list[CheckResult], ClusterRecord | None]:
    """Results on the topics and the record, and the record."""
    from ingest.server.cluster_survey import examine_survey

    names = topic_names(settings.kafka_prefix)
    findings: list[Finding] = []
    record = None
    try:
        found = find_record((message.key, message.value) for message in survey.control)
    except ValueError as error:
        findings.append(
            Finding(True, f"{names.control}: {error}", "run the version that wrote it, or a later")
        )
    else:
        record = found.record
        if names.control in survey.topics:
            findings += examine_record(names, found, settings.session_minutes)
    findings += examine_survey(settings, survey, record)
    results = [_result(finding) for finding in dict.fromkeys(findings)]
    if record is not None:
        results.append(
            ok(
                f"cluster record: id {record.cluster_id}, {record.partitions} partitions, "
                f"visits end after {record.session_seconds / 60:g} minutes"
            )
        )
    results += [
        ok(f"{name}: partitions: {topic.partitions}, replicas: {topic.replication}")
        for name, topic in survey.topics.items()
        if not any(name in finding.text for finding in findings)
    ]
    return results, record


def _roles(settings: Settings) -> Iterator[CheckResult]:
    """Which roles a process with these settings could have; it needs only one."""
    lacking = {role: cluster_problems(settings, role) for role in _ROLES}
    level = Level.WARNING if all(lacking.values()) else Level.OK
    for role, problems in lacking.items():
        if not problems:
            yield ok(f"`sluice serve --role {role}` has the settings that it needs")
        for text in problems:
            yield CheckResult(level, f"`sluice serve --role {role}` does not start: {text}")


def _result(finding: Finding) -> CheckResult:
    level = Level.PROBLEM if finding.severe else Level.WARNING
    return CheckResult(level, finding.text, finding.advice)
