"""Findings on what keeps and stores events."""

import pytest

from ingest.observation.diagnosis.finding import Severity
from tests.ingest.observation.diagnosis.cases import FRONT, Case, check

CASES: dict[str, Case] = {
    "an outage": (
        {"store_failures": 3, "store_error": "Connection refused."},
        Severity.DEGRADED,
        "store",
        "3 attempts failed in a row (Connection refused).",
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
    "a full outbox": (
        FRONT | {"journal_full": True},
        Severity.DOWN,
        "journal",
        "The outbox has reached its limit",
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_is_found(case: Case) -> None:
    check(case)
