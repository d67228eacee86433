"""Finds all problems, and says the state of the whole."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from ingest.observation.diagnosis.cluster import (
    examine_cluster,
    examine_kafka,
    examine_other_servers,
    examine_others,
)
from ingest.observation.diagnosis.drops import examine_drops
from ingest.observation.diagnosis.finding import (
    KAFKA,
    LETTERS,
    SESSIONS,
    STORE,
    Diagnosis,
    Severity,
)
from ingest.observation.diagnosis.intake import examine_actors, examine_intake
from ingest.observation.diagnosis.server_health import ServerHealth
from ingest.observation.diagnosis.sites import examine_files, examine_scripts, examine_traffic
from ingest.observation.diagnosis.storing import (
    examine_journal,
    examine_letters,
    examine_sessions,
    examine_store,
)

EXAMINATIONS: Final[tuple[Callable[[ServerHealth], Iterator[Diagnosis]], ...]] = (
    examine_actors,
    examine_intake,
    examine_journal,
    examine_sessions,
    examine_store,
    examine_files,
    examine_letters,
    examine_other_servers,
    examine_kafka,
    examine_cluster,
    examine_others,
    examine_drops,
    examine_traffic,
    examine_scripts,
)
"""All that is looked at; what is equally bad is reported in this order."""


def diagnose(health: ServerHealth) -> list[Diagnosis]:
    """Find all problems, the worst first."""
    found = [finding for examine in EXAMINATIONS for finding in examine(health)]
    return sorted(found, key=lambda finding: -finding.severity)


def headline(findings: Sequence[Diagnosis]) -> str:
    """The overall state in one line."""
    worst = max((finding.severity for finding in findings), default=Severity.NOTE)
    parts = {finding.part for finding in findings if finding.severity is worst}
    if worst is Severity.NOTE:
        return "All is well"
    if worst is Severity.DOWN and (SESSIONS not in parts or parts - {SESSIONS, LETTERS}):
        return "Events are refused"
    if parts & {SESSIONS, STORE}:
        return "Events are taken and kept, but not stored"
    if KAFKA in parts:
        return "Events are taken and kept, but not sent to Kafka"
    return "Events are taken, but something needs care"


def status(findings: Sequence[Diagnosis]) -> str:
    """The overall state in one word, as in readiness: `ok`, `degraded` or `down`."""
    worst = max((finding.severity for finding in findings), default=Severity.NOTE)
    return {Severity.NOTE: "ok", Severity.DEGRADED: "degraded", Severity.DOWN: "down"}[worst]
