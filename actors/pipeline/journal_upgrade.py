"""Upgrades from a version with an old journal: takes over its open sessions and its backlog."""

from collections import deque
from pathlib import Path

import structlog
import trio

from actors.files.atomic import is_full
from actors.letters.letter_directory import LetterDirectory
from actors.log.checkpoint_file import CheckpointFile
from actors.log.old_journal import OldJournal
from actors.pipeline.flush import Flush
from ingest.fold.checkpoint import FoldState
from ingest.fold.fold import PAST_SESSIONS
from ingest.records.record import Description
from ingest.records.row_sessions import follow_rows
from ingest.records.session_snapshot import EMPTY, Snapshot, read_snapshot
from ingest.rows.batch import Batch
from ingest.sessions.live_sessions import LiveSessions
from ingest.sessions.past_sessions import PastSessions

log = structlog.get_logger()

RETRY_SECONDS = 1.0
"""Delay before saving the checkpoint is retried on a full disk."""

FULL_SECONDS = 30.0
"""How long the disk must have been full before the old journal's events are deleted without a
checkpoint."""


class JournalUpgrade:
    """The predecessor of a log that continues an old journal.

    It stores the backlog in the batches that the old version had planned, under the same tokens, so
    that the store recognises repeated inserts. Then it saves the log's first checkpoint and deletes
    the old files. If it is killed before that, it starts again; nothing is lost or doubled.
    """

    def __init__(
        self,
        journal: OldJournal,
        state: FoldState,
        outlet: trio.MemorySendChannel[Flush],
        flush_rows: int,
        checkpoints: CheckpointFile | None,
        snapshot: Path,
    ) -> None:
        """Own the journal and the channel half.

        Args:
            journal: The old journal.
            state: The fold at its end, see `state_of`.
            outlet: To the writer.
            flush_rows: Events in a batch that was not planned.
            checkpoints: Where the first checkpoint is saved; None for a log in memory.
            snapshot: The file of open sessions of the old version.
        """
        self._journal = journal
        self._state = state
        self._outlet = outlet
        self._flush_rows = flush_rows
        self._checkpoints = checkpoints
        self._snapshot = snapshot

    @property
    def backlog(self) -> int:
        """See `Predecessor.backlog`."""
        return self._journal.end - self._journal.stored

    async def drain(self) -> FoldState:
        """See `Predecessor.drain`."""
        if self.backlog:
            log.info("storing the backlog of the old journal", events=self.backlog)
        await self._store_backlog()
        if await self._save_checkpoint():
            self._snapshot.unlink(missing_ok=True)
            self._journal.remove()
            log.info("the old journal is taken over")
        self._outlet.close()
        return self._state

    async def _store_backlog(self) -> None:
        journal = self._journal
        cuts = deque(journal.planned)
        batch, first, end = Batch(), journal.stored, journal.stored
        for run in journal.events(journal.stored):
            await trio.lowlevel.checkpoint()
            for position, rows, _ in run:
                # Lost events leave a gap, which may contain cuts.
                while cuts and position >= cuts[0]:
                    cut = cuts.popleft()
                    await self._store(batch, first, cut, attempted=True)
                    batch, first = Batch(), cut
                batch.add(rows)
                end = position + 1
                if not cuts and len(batch) >= self._flush_rows:
                    journal.plan(end)
                    await self._store(batch, first, end, attempted=False)
                    batch, first = Batch(), end
        if cuts:
            await self._store(batch, first, cuts[0], attempted=True)
        elif not batch.is_empty:
            journal.plan(end)
            await self._store(batch, first, end, attempted=False)
        journal.acknowledge(journal.end)

    async def _store(self, batch: Batch, first: int, end: int, *, attempted: bool) -> None:
        """Store a batch unless it is empty."""
        if batch.is_empty:
            return
        flush = Flush(batch.inserts(f"{self._journal.id}-{first}-{end}", attempted=attempted))
        await self._outlet.send(flush)
        await flush.stored.wait()
        self._journal.acknowledge(end)

    async def _save_checkpoint(self) -> bool:
        """Save the log's first checkpoint.

        Until then the old files stay: the next start restores the same state from them and folds
        the log from there. On a full disk this would never end, so the stored events are deleted to
        make room. After a crash in between, open sessions are split.

        Returns:
            Whether it is saved or not needed.
        """
        if self._checkpoints is None:
            return True
        full_since = trio.current_time()
        while True:
            try:
                with await self._checkpoints.write(self._state) as checkpoint:
                    await checkpoint.publish()
                return True
            except (OSError, trio.TooSlowError) as error:
                log.error("checkpoint cannot be saved", error=str(error) or "the disk hangs")
                if not (isinstance(error, OSError) and is_full(error)):
                    return False
            await trio.sleep(RETRY_SECONDS)
            if trio.current_time() >= full_since + FULL_SECONDS:
                self._journal.make_room()


def state_of(journal: OldJournal, snapshot: Snapshot, description: Description) -> FoldState:
    """The fold's state at the end of an old journal: the saved sessions plus the rows since then.

    Raises:
        OSError: The journal cannot be read.
        ValueError: It is damaged.
    """
    live = LiveSessions(description.session_seconds)
    past = PastSessions(description.session_seconds)
    start = journal.first
    if snapshot.journal == journal.id:
        if journal.first <= snapshot.position <= journal.end:
            start = snapshot.position
            by_time = sorted(snapshot.sessions, key=lambda session: session.timestamp)
            live.restore(by_time)
            past.restore(sorted(snapshot.past, key=lambda session: session.timestamp))
        else:
            # Sessions that continue from an outdated state would cancel rows that do not exist.
            log.error(
                "open sessions do not fit the journal, they begin anew", position=snapshot.position
            )
    for run in journal.events(start):
        for _, rows, origin in run:
            follow_rows(past if origin.past else live, rows)
    past.forget_beyond(PAST_SESSIONS)
    # The log's time was not saved. If a session's is ahead, the next record steps back.
    log_time = max((session.touched for session in live), default=0)
    return FoldState(
        journal.id, journal.end, journal.end, log_time, description, tuple(live), tuple(past), ()
    )


def load_snapshot(path: Path) -> Snapshot:
    """The open sessions of the old version; none if the file is missing or unusable.

    Raises:
        OSError: It exists and cannot be read.
    """
    try:
        with path.open("rb") as lines:
            return read_snapshot(lines)
    except FileNotFoundError:
        return EMPTY
    except ValueError as error:
        log.error("open sessions of the last process are lost", error=str(error))
        return EMPTY


def settle_letters(journal: OldJournal, letters: LetterDirectory) -> None:
    """Delete marked letters whose events the old journal already has, left by a crash.

    Raises:
        OSError: The journal cannot be read, or a letter not be deleted.
        ValueError: The journal is damaged.
    """
    marked = {letter_id for letter_id, entry in letters.scan().letters.items() if entry.marked}
    if not marked:
        return
    for run in journal.events(journal.first):
        for event in run:
            letter = event.origin.letter
            if letter is not None and letter in marked:
                marked.discard(letter)
                letters.drop(letter)
