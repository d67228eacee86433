"""Examines what keeps and stores events: the journal, the fold, the store, dead letters."""

from collections.abc import Iterator
from typing import Final

from ingest.observation.diagnosis.finding import (
    LETTERS,
    SESSIONS,
    STORE,
    Diagnosis,
    Severity,
)
from ingest.observation.diagnosis.server_health import ServerHealth
from ingest.observation.diagnosis.words import count, quote, share

JOURNAL_SHARE: Final = 0.5
"""Share of the journal's limit beyond which the operator is warned."""


def examine_journal(health: ServerHealth) -> Iterator[Diagnosis]:
    """The journal, or a front's outbox."""
    name, end = ("outbox", "Kafka") if health.front else ("journal", "the store")
    if health.journal_full:
        yield Diagnosis(
            Severity.DOWN,
            "journal",
            f"The {name} has reached its limit: events are refused with 503.",
            f"Bring {end} back, or raise SLUICE_JOURNAL_MEGABYTES if the disk has room.",
        )
    elif health.journal_share > JOURNAL_SHARE:
        yield Diagnosis(
            Severity.DEGRADED,
            "journal",
            f"The {name} is filling up: {health.journal_share:.0%} of its limit.",
            f"At the limit events are refused; see why {end} is slow, or raise "
            "SLUICE_JOURNAL_MEGABYTES.",
        )
    if health.journal_broken:
        yield Diagnosis(
            Severity.DOWN,
            "journal",
            f"The {name} cannot be trusted{quote(health.journal_problem or '')}: "
            "events are refused with 503.",
            f"What can be read still goes to {end}; then the process ends with exit code "
            "74. See to the disk of SLUICE_STATE_DIR.",
        )
    elif health.journal_problem:
        yield Diagnosis(
            Severity.DEGRADED,
            "journal",
            f"The {name} could not be written{quote(health.journal_problem)}.",
            "Events that cannot be kept are refused with 503; see to the disk of SLUICE_STATE_DIR.",
        )
    if health.events_lost:
        yield Diagnosis(
            Severity.DEGRADED,
            "journal",
            f"{count(health.events_lost, 'event')} could not be read from the {name}.",
            "A file is missing, or was damaged and put aside with the suffix .damaged; see to the "
            "disk of SLUICE_STATE_DIR.",
        )


def examine_sessions(health: ServerHealth) -> Iterator[Diagnosis]:
    """Whether events become rows."""
    if health.fold_problem is not None:
        yield Diagnosis(
            Severity.DOWN,
            SESSIONS,
            f"No events become rows: {health.fold_problem}.",
            "Events are taken and wait in the journal; replay or drop dead letters, or see to the "
            "disk of SLUICE_STATE_DIR, and it goes on by itself.",
        )


def examine_store(health: ServerHealth) -> Iterator[Diagnosis]:
    """Whether the store takes rows."""
    if not health.store_failures:
        return
    if health.durable:
        taken = (
            "What was taken before waits" if health.journal_full else "Events are taken and wait"
        )
        kept = (
            f"{taken} in the journal ({health.backlog_events:,} so far, "
            f"{share(health.journal_share)} of its limit)"
        )
    else:
        kept = f"Events wait in memory ({health.backlog_events:,} so far) and end with the process"
    yield Diagnosis(
        Severity.DEGRADED,
        STORE,
        f"The store does not take rows: {count(health.store_failures, 'attempt')} failed in a row"
        f"{quote(health.store_error)}.",
        f"{kept}; they are stored by themselves once ClickHouse is back.",
    )


def examine_letters(health: ServerHealth) -> Iterator[Diagnosis]:
    """Dead letters."""
    if health.letters_problem is not None:
        yield Diagnosis(
            Severity.DEGRADED,
            LETTERS,
            f"Dead letters cannot be written: {health.letters_problem}.",
            "Events that would become one are answered with 503 meanwhile; see to the disk.",
        )
    if not health.letters:
        return
    yield Diagnosis(
        Severity.DOWN if health.letters_full else Severity.NOTE,
        LETTERS,
        f"{count(health.letters, 'dead letter')} {'waits' if health.letters == 1 else 'wait'} "
        "for somebody to look.",
        "“sluice dead-letters” lists them; replay them once the cause is mended, or drop them.",
    )
