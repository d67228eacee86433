"""Findings on actors and on what the server answers."""

from typing import Any

import pytest

from ingest.observation.diagnosis.diagnose import diagnose
from ingest.observation.diagnosis.finding import Severity
from ingest.observation.diagnosis.server_health import ActorHealth, ServerHealth
from tests.ingest.observation.diagnosis.cases import FRONT, Case, check

FAILED = ActorHealth("failed", 10, "ZeroDivisionError", 1.0)
RESTARTED = ActorHealth("running", 1, "ZeroDivisionError", 90.4)

CASES: dict[str, Case] = {
    "an actor given up": ({"actors": {"gate": FAILED}}, Severity.DOWN, "actors", "“gate” failed"),
    "an actor restarted": (
        {"actors": {"gate": RESTARTED}},
        Severity.DEGRADED,
        "actors",
        "“gate” failed 90 s ago (ZeroDivisionError) and was started again; restarts so far: 1.",
    ),
    "an actor that waits to be restarted": (
        {"actors": {"gate": ActorHealth("restarting", 3, "OSError", 0.1)}},
        Severity.DEGRADED,
        "actors",
        "failed just now (OSError)",
    ),
    "an actor restarted minutes ago": (
        {"actors": {"gate": ActorHealth("running", 3, "OSError", 599.0)}},
        Severity.DEGRADED,
        "actors",
        "failed 10 min ago",
    ),
    "draining": ({"open": False}, Severity.DOWN, "intake", "is stopping"),
    "a queue": ({"queue_share": 0.6}, Severity.DEGRADED, "intake", "60% of the room"),
    "a slow loop": ({"loop_lag_seconds": 1.25}, Severity.DEGRADED, "process", "1.2 s late"),
    "no room": ({"refused": {503: 1}}, Severity.DEGRADED, "intake", "1 request could not be taken"),
    "a bug": ({"refused": {500: 2}}, Severity.DEGRADED, "intake", "2 requests met an internal"),
    "a flood": ({"refused": {429: 1200}}, Severity.NOTE, "intake", "1,200 requests beyond"),
    "mistakes": (
        {"refused": {400: 2, 413: 1}},
        Severity.NOTE,
        "intake",
        "3 requests in the last five minutes made no sense",
    ),
    "an actor in trouble": (
        {"actors": {"gate": ActorHealth(trouble="no progress for 40 seconds")}},
        Severity.DEGRADED,
        "actors",
        "no progress for 40 seconds",
    ),
    "a front that stops": (FRONT | {"open": False}, Severity.DOWN, "intake", "sends on what"),
}

WELL: dict[str, dict[str, Any]] = {
    "a failure long ago": {"actors": {"gate": ActorHealth("running", 3, "OSError", 600.0)}},
    "an actor that has finished": {"actors": {"gate": ActorHealth("finished")}},
    "within limits": {
        "queue_share": 0.5,
        "journal_share": 0.5,
        "loop_lag_seconds": 0.5,
        "rows_waiting": 5000,
        "backlog_events": 5000,
    },
    "no errors among the answers": {"refused": {}},
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_is_found(case: Case) -> None:
    check(case)


@pytest.mark.parametrize("health", WELL.values(), ids=WELL)
def test_when_all_is_well(health: dict[str, Any]) -> None:
    assert diagnose(ServerHealth(**health)) == []
