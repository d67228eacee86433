"""What is said of a server, by its health."""

import pytest

from ingest.observation.diagnosis.diagnose import diagnose, headline, status
from ingest.observation.diagnosis.finding import Diagnosis, Severity
from ingest.observation.diagnosis.server_health import ServerHealth


def test_a_server_at_rest_is_well() -> None:
    assert diagnose(ServerHealth()) == []


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
