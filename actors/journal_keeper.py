"""Has the journal on the disk each second, and deletes what it need not hold any longer."""

from collections.abc import Awaitable, Callable, Sequence

import structlog
import trio

from actors.actor import Actor
from actors.journal.file_journal import FileJournal
from actors.journal.journal import JournalError
from ingest.metrics import Metrics
from ingest.sessions.open_sessions import OpenSessions
from ingest.sessions.session import Session

log = structlog.get_logger()

BEAT_SECONDS = 1.0
"""How much a loss of power may take (`interval`), as in the databases that have this choice."""

CHECKPOINT_SECONDS = 60.0
"""How often open visits are saved, so that the journal behind them can go."""

SaveSessions = Callable[[Sequence[Session], str, int], Awaitable[None]]


class JournalKeeper(Actor):
    """The actor that owns the journal's files beside the one that is written to.

    Receives and sends nothing. Each second it syncs what was written. Each minute it saves the open
    visits together with the position they stand at, and deletes the segments before it whose rows
    are stored; sooner when the journal is half full. A restart goes on.
    """

    name = "journal"

    def __init__(
        self,
        journal: FileJournal,
        open_sessions: OpenSessions,
        save: SaveSessions,
        metrics: Metrics,
    ) -> None:
        """Own the files' upkeep.

        Args:
            journal: The journal.
            open_sessions: The visits, in step with the journal at every checkpoint.
            save: Keeps visits, the journal's id and the position they stand at.
            metrics: Shows the journal's figures.
        """
        self._journal = journal
        self._open_sessions = open_sessions
        self._save = save
        self._metrics = metrics
        self._saved_at = trio.current_time()
        self._saved_position = -1

    async def run(self) -> None:
        """Beat for ever."""
        while True:
            await trio.sleep(BEAT_SECONDS)
            if self._journal.insecure:
                await self._secure()
            if self._checkpoint_due():
                await self.checkpoint()

    async def _secure(self) -> None:
        started = trio.current_time()
        try:
            await self._journal.secure()
        except JournalError as error:
            log.error("journal cannot be synced", error=str(error))
        self._metrics.journal_sync_seconds.observe(trio.current_time() - started)

    def _checkpoint_due(self) -> bool:
        if self._saved_position == self._journal.end == self._journal.first:
            return False
        if self._journal.bytes * 2 > self._journal.limit and self._journal.reclaimable:
            return True
        return trio.current_time() >= self._saved_at + CHECKPOINT_SECONDS

    async def checkpoint(self) -> None:
        """Save the open visits, then delete what is done with."""
        position, sessions = self._journal.end, list(self._open_sessions)
        self._saved_at = trio.current_time()
        if position != self._saved_position:
            try:
                await self._save(sessions, self._journal.id, position)
            except (OSError, trio.TooSlowError) as error:
                log.error("open visits cannot be saved", error=str(error) or "the disk hangs")
                return
            self._saved_position = position
        self._journal.retire(position)
