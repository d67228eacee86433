"""What a process does with the journal that it finds."""

from collections import deque
from collections.abc import Iterator

import structlog
from msgspec.structs import replace

from actors.journal.journal import Journal, JournalError
from actors.letters.dead_letters import DeadLetters
from actors.letters.letter_directory import LetterDirectory
from ingest.rows.batch import Batch
from ingest.rows.layout import Run, replay
from ingest.sessions.open_sessions import PAST_VISITS, OpenSessions
from ingest.sessions.snapshot import EMPTY, Snapshot

log = structlog.get_logger()


def rebuild_sessions(open_sessions: OpenSessions, snapshot: Snapshot, journal: Journal) -> None:
    """Open the visits again that were open when the last process ended, however it ended.

    Args:
        open_sessions: Empty.
        snapshot: The visits as they were last saved.
        journal: Has the events since then.

    Raises:
        JournalError: It cannot be read.
    """
    start = 0
    if journal.durable and snapshot.journal == journal.id:
        start = snapshot.position
        if not journal.first <= start <= journal.end:
            # Events are missing in between: visits that go on from an old state, or from one that
            # no row tells of, would cancel what is not there.
            log.error("open visits do not fit the journal, they begin anew", position=start)
            snapshot, start = EMPTY, 0
    open_sessions.restore(snapshot.sessions)
    open_sessions.past.restore(snapshot.past)
    for run in runs(journal, start):
        for rows in run.rows:
            replay(open_sessions, rows)
    open_sessions.past.forget_beyond(PAST_VISITS)


def settle_letters(journal: Journal, letters: LetterDirectory) -> None:
    """Delete the letters whose events the journal has: a crash came before that was done.

    Raises:
        JournalError: It cannot be read.
        OSError: One cannot be deleted.
    """
    marked = {letter_id for letter_id, entry in letters.scan().letters.items() if entry.marked}
    if not marked:
        return
    for run in runs(journal, journal.first):
        for rows in run.rows:
            if rows.origin.letter in marked:
                letters.drop(rows.origin.letter)
                marked.discard(rows.origin.letter)


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
    kept: list[bool] = []

    def keep() -> None:
        nonlocal batch
        attempted = bool(cuts)
        for insert in batch.flush(journal.id, attempted=attempted):
            content = replace(insert, end=None)
            queued = letters.keep(
                "journal",
                content,
                "the journal was turned off",
                redrive=True,
                key=insert.token,
                told=kept.append,
            )
            if not queued:
                kept.append(False)
        letters.flush()
        if not all(kept):
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
