"""What is said of a server, by its health."""

from typing import Any

import pytest

from ingest.observation.diagnosis import (
    ActorHealth,
    Diagnosis,
    ServerHealth,
    Severity,
    diagnose,
    headline,
    status,
)
from ingest.observation.odd_scripts import OddScript

FAILED = ActorHealth("failed", 10, "ZeroDivisionError", 1.0)
RESTARTED = ActorHealth("running", 1, "ZeroDivisionError", 90.4)

FRONT: dict[str, Any] = {"front": True}

CASES: dict[str, tuple[dict[str, Any], Severity, str, str]] = {
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
    "an outage": (
        {"store_failures": 3, "store_error": "Connection refused."},
        Severity.DEGRADED,
        "store",
        "3 attempts failed in a row (Connection refused).",
    ),
    "another server": (
        {"other_servers": "this database is also written by two:8000"},
        Severity.DEGRADED,
        "database",
        "There is another server (this database is also written by two:8000): visitors and",
    ),
    "an outage without a word": (
        {"store_failures": 1},
        Severity.DEGRADED,
        "store",
        "1 attempt failed in a row.",
    ),
    "a full journal": ({"journal_full": True}, Severity.DOWN, "journal", "reached its limit"),
    "a journal that fills": ({"journal_share": 0.75}, Severity.DEGRADED, "journal", "75%"),
    "a disk that fails": (
        {"journal_problem": "No space left on device"},
        Severity.DEGRADED,
        "journal",
        "could not be written (No space left on device).",
    ),
    "a disk that cannot be trusted": (
        {"journal_broken": True, "journal_problem": "Input/output error"},
        Severity.DOWN,
        "journal",
        "cannot be trusted (Input/output error)",
    ),
    "a fold that has stopped": (
        {"fold_problem": "an event waits for room for its dead letter"},
        Severity.DOWN,
        "sessions",
        "an event waits for room",
    ),
    "events lost": ({"events_lost": 1}, Severity.DEGRADED, "journal", "1 event could not be read"),
    "an actor in trouble": (
        {"actors": {"gate": ActorHealth(trouble="no progress for 40 seconds")}},
        Severity.DEGRADED,
        "actors",
        "no progress for 40 seconds",
    ),
    "a letter": ({"letters": 1}, Severity.NOTE, "dead letters", "1 dead letter waits"),
    "letters": ({"letters": 9_999}, Severity.NOTE, "dead letters", "9,999 dead letters wait"),
    "letters that cannot be written": (
        {"letters_problem": "No space left on device"},
        Severity.DEGRADED,
        "dead letters",
        "cannot be written: No space left on device",
    ),
    "too many letters": (
        {"letters": 10_000, "letters_full": True},
        Severity.DOWN,
        "dead letters",
        "10,000 dead letters wait",
    ),
    "a mistake in the sites file": (
        {"sites_problem": "sites.toml, line 3:\n  id: expected a number"},
        Severity.DEGRADED,
        "sites",
        "not in force (sites.toml, line 3: id: expected a number).",
    ),
    "a PostgreSQL that is away": (
        {"sites_problem": "connection refused", "sites_followed": True},
        Severity.DEGRADED,
        "sites",
        "Plausible's PostgreSQL is not followed in all (connection refused).",
    ),
    "no sites": ({"sites": 0}, Severity.DEGRADED, "sites", "No site is registered"),
    "a broken geo database": ({"geo_problem": "gone"}, Severity.DEGRADED, "places", "(gone)"),
    "unknown sites": ({"unknown_events": 7}, Severity.NOTE, "sites", "7 events of the last hour"),
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
    "a front that stops": (FRONT | {"open": False}, Severity.DOWN, "intake", "sends on what"),
    "a full outbox": (
        FRONT | {"journal_full": True},
        Severity.DOWN,
        "journal",
        "The outbox has reached its limit",
    ),
    "another part": (
        {"others": {"dashboard_database": "degraded"}},
        Severity.DEGRADED,
        "dashboard database",
        "this part: dashboard database.",
    ),
    "another part that is down": ({"others": {"x": "down"}}, Severity.DOWN, "x", "part: x."),
    "scripts of unknown sites": (
        {"odd_scripts": [OddScript(f"/js/pa-{n}.js", False, 1, 0) for n in range(7)]},
        Severity.NOTE,
        "scripts",
        "“/js/pa-4.js” (1 request), 2 more.",
    ),
    "scripts with unknown words": (
        {"odd_scripts": [OddScript("/js/script.x.js", True, 1200, 0)]},
        Severity.NOTE,
        "scripts",
        "names have unknown words: “/js/script.x.js” (1,200 requests).",
    ),
    "silence": (
        {"events": 0, "uptime_seconds": 901.0},
        Severity.NOTE,
        "traffic",
        "No event has come",
    ),
}

WELL: dict[str, dict[str, Any]] = {
    "idle": {},
    "just started": {"events": 0, "uptime_seconds": 10.0},
    "a failure long ago": {"actors": {"gate": ActorHealth("running", 3, "OSError", 600.0)}},
    "an actor that has finished": {"actors": {"gate": ActorHealth("finished")}},
    "within limits": {
        "queue_share": 0.5,
        "journal_share": 0.5,
        "loop_lag_seconds": 0.5,
        "rows_waiting": 5000,
        "backlog_events": 5000,
    },
    "unknown sites are taken": {"sites": 0, "unknown_events": 7, "unknown_accepted": True},
    "no errors among the answers": {"refused": {}},
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_is_found(case: tuple[dict[str, Any], Severity, str, str]) -> None:
    health, severity, part, what = case
    (finding,) = diagnose(ServerHealth(**health))
    assert (finding.severity, finding.part) == (severity, part)
    assert what in finding.what
    for sentence in (finding.what, finding.advice):
        assert sentence.endswith(".")
        assert "\n" not in sentence


@pytest.mark.parametrize("health", WELL.values(), ids=WELL)
def test_when_all_is_well(health: dict[str, Any]) -> None:
    assert diagnose(ServerHealth(**health)) == []


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (0.12, "wait in the journal (5,000 so far, 12% of its limit)"),
        (0.0, "wait in the journal (5,000 so far, less than 1% of its limit)"),
        (None, "wait in memory (5,000 so far) and end with the process"),
    ],
)
def test_an_outage_says_where_events_are(share: float | None, expected: str) -> None:
    durable = share is not None
    health = ServerHealth(
        store_failures=1, durable=durable, backlog_events=5000, journal_share=share or 0.0
    )
    findings = diagnose(health)
    assert expected in findings[0].advice
    assert headline(findings) == "Events are taken and kept, but not stored"


def test_a_front_without_kafka_keeps_events() -> None:
    health = ServerHealth(
        front=True, forwards=False, cluster_state="degraded", backlog_events=5000, journal_share=0.1
    )
    findings = diagnose(health)
    assert findings[0].advice == (
        "What Kafka does not have yet is kept in the outbox: 5,000 so far, 10% of its limit."
    )
    assert headline(findings) == "Events are taken and kept, but not sent to Kafka"


def test_with_a_full_journal_nothing_more_is_kept() -> None:
    findings = diagnose(ServerHealth(store_failures=9, journal_full=True, backlog_events=5000))
    assert [finding.part for finding in findings] == ["journal", "store"]
    assert findings[1].advice.startswith("What was taken before waits in the journal (5,000")
    assert headline(findings) == "Events are refused"


def test_events_that_wait_for_the_fold_are_not_refused() -> None:
    health = ServerHealth(fold_problem="x", letters=10_000, letters_full=True)
    assert headline(diagnose(health)) == "Events are taken and kept, but not stored"
    health = ServerHealth(fold_problem="x", letters=10_000, letters_full=True, open=False)
    assert headline(diagnose(health)) == "Events are refused"


def test_the_worst_comes_first() -> None:
    health = ServerHealth(journal_full=True, store_failures=9, letters=1, refused={503: 1, 429: 1})
    found = diagnose(health)
    assert [finding.severity.name for finding in found] == [
        "DOWN",
        *["DEGRADED"] * 2,
        *["NOTE"] * 2,
    ]


@pytest.mark.parametrize(
    ("severities", "word", "line"),
    [
        ([], "ok", "All is well"),
        ([Severity.NOTE], "ok", "All is well"),
        ([Severity.NOTE, Severity.DEGRADED], "degraded", "but something needs care"),
        ([Severity.DEGRADED, Severity.DOWN, Severity.NOTE], "down", "Events are refused"),
    ],
)
def test_the_verdict_is_that_of_the_worst(severities: list[Severity], word: str, line: str) -> None:
    findings = [Diagnosis(severity, "", "", "") for severity in severities]
    assert status(findings) == word
    assert line in headline(findings)
