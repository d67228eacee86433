"""Findings on other processes."""

import pytest

from ingest.observation.diagnosis.finding import Severity
from tests.ingest.observation.diagnosis.cases import FRONT, Case, check

CASES: dict[str, Case] = {
    "another server": (
        {"other_servers": "this database is also written by two:8000"},
        Severity.DEGRADED,
        "database",
        "There is another server (this database is also written by two:8000): visitors and",
    ),
    "a front without Kafka": (
        FRONT | {"forwards": False, "cluster_state": "degraded", "cluster_problem": "no broker"},
        Severity.DEGRADED,
        "Kafka",
        "Events do not go on to Kafka (no broker).",
    ),
    "a front that refuses": (
        FRONT | {"forwards": False, "cluster_state": "down"},
        Severity.DOWN,
        "Kafka",
        "Events do not go on to Kafka.",
    ),
    "a front with another secret": (
        FRONT | {"cluster_state": "down", "cluster_problem": "the secrets differ"},
        Severity.DOWN,
        "cluster",
        "not as its cluster needs it (the secrets differ).",
    ),
    "something on the cluster": (
        FRONT | {"cluster_findings": [("two versions\nrun", "upgrade all members")]},
        Severity.DEGRADED,
        "cluster",
        "Two versions run.",
    ),
    "another part": (
        {"others": {"dashboard_database": "degraded"}},
        Severity.DEGRADED,
        "dashboard database",
        "this part: dashboard database.",
    ),
    "another part that is down": ({"others": {"x": "down"}}, Severity.DOWN, "x", "part: x."),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_is_found(case: Case) -> None:
    check(case)
