"""Examines what is outside: servers of the same database, Kafka, the cluster, other parts."""

from collections.abc import Iterator

from ingest.observation.diagnosis.finding import CLUSTER, KAFKA, Diagnosis, Severity
from ingest.observation.diagnosis.server_health import ServerHealth
from ingest.observation.diagnosis.words import quote, sentence, share


def examine_other_servers(health: ServerHealth) -> Iterator[Diagnosis]:
    """Other servers of the same database."""
    if health.other_servers:
        yield Diagnosis(
            Severity.DEGRADED,
            "database",
            f"There is another server{quote(health.other_servers)}: visitors and visits that "
            "reach both are counted twice.",
            "Let only one server write to a database and stop the other; where several are wanted, "
            "see docs/cluster.md.",
        )


def examine_kafka(health: ServerHealth) -> Iterator[Diagnosis]:
    """Whether a front's events go on."""
    if health.cluster_state == "ok":
        return
    part, what = (
        (CLUSTER, "This front is not as its cluster needs it")
        if health.forwards
        else (KAFKA, "Events do not go on to Kafka")
    )
    yield Diagnosis(
        Severity.DOWN if health.cluster_state == "down" else Severity.DEGRADED,
        part,
        f"{what}{quote(health.cluster_problem)}.",
        f"What Kafka does not have yet is kept in the outbox: {health.backlog_events:,} so far, "
        f"{share(health.journal_share)} of its limit.",
    )


def examine_cluster(health: ServerHealth) -> Iterator[Diagnosis]:
    """What members of the cluster report, or lack."""
    for text, advice in health.cluster_findings:
        yield Diagnosis(Severity.DEGRADED, CLUSTER, sentence(text), sentence(advice))


def examine_others(health: ServerHealth) -> Iterator[Diagnosis]:
    """Parts that readiness reports besides."""
    for part, state in health.others.items():
        name = part.replace("_", " ")
        yield Diagnosis(
            Severity.DOWN if state == "down" else Severity.DEGRADED,
            name,
            f"Readiness is not content with this part: {name}.",
            "“/ready” says why.",
        )
