"""What a process does with the journal that it finds."""

from collections import deque
from collections.abc import Iterator

from msgspec.structs import replace

from actors.dead_letters import DeadLetters
from actors.journal.journal import Journal, JournalError
from ingest.rows.batch import Batch
from ingest.rows.layout import Run, replay
from ingest.sessions.open_sessions import OpenSessions
from ingest.sessions.snapshot import Snapshot


def rebuild_sessions(open_sessions: OpenSessions, snapshot: Snapshot, journal: Journal) -> None:
    """Open the visits again that were open when the last process ended, however it ended.

    Args:
        open_sessions: Empty.
        snapshot: The visits as they were last saved.
        journal: Has the events since then.

    Raises:
        JournalError: It cannot be read.
    """
    open_sessions.restore(snapshot.sessions)
    start = snapshot.position if snapshot.journal == journal.id else 0
    for run in runs(journal, start):
        for rows in run.rows:
            replay(open_sessions, rows)


def spill_backlog(journal: Journal, letters: DeadLetters, flush_rows: int) -> int:
    """Turn what the store has not acknowledged into letters that are put back by themselves.

    For a process that goes on without a journal. The batches are cut as they were, so that the
    store recognises those that it has.

    Returns:
        How many events there were.

    Raises:
        JournalError: It cannot be read, or a letter not be written; nothing is lost.
    """
    cuts = deque(journal.planned)
    batch = Batch(journal.stored)

    def keep() -> None:
        nonlocal batch
        attempted = bool(cuts)
        for insert in batch.flush(journal.id, attempted=attempted):
            content = replace(insert, end=None)
            if not letters.keep(
                "journal", content, "the journal was turned off", replay=True, key=insert.token
            ):
                raise JournalError("its events cannot be kept as letters")
        batch = Batch(batch.end)

    for run in runs(journal, journal.stored):
        for position, rows in enumerate(run.rows, run.first):
            batch.skip_to(position)
            batch.add(rows)
            if batch.end >= (cuts[0] if cuts else batch.first + flush_rows):
                keep()
                if cuts:
                    cuts.popleft()
    if batch:
        keep()
    return journal.backlog


def runs(journal: Journal, position: int) -> Iterator[Run]:
    """The journal's runs from a position to its end."""
    while journal.durable and position < journal.end:
        run = journal.read(position)
        yield run.between(position, journal.end)
        position = max(run.end, position + 1)
