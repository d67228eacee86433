"""Has the journal on the disk each second, and deletes what it need not hold any longer."""

import math

import structlog
import trio

from actors.files.atomic import is_full
from actors.journal.file_journal import FileJournal
from actors.journal.journal import Journal, JournalError
from actors.journal.session_file import SessionFile
from actors.supervision.actor import Actor
from ingest.sessions.open_sessions import OpenSessions
from ingest.sessions.snapshot import Snapshot
from ingest.telemetry.metrics import Metrics

log = structlog.get_logger()

BEAT_SECONDS = 1.0
"""How much a loss of power may take (`interval`), as in the databases that have this choice."""

FULL_SECONDS = 30.0
"""How long the disk must have been full before stored events go although visits are not saved."""

CHECKPOINT_SECONDS = 60.0
"""How often open visits are saved, so that the journal behind them can go."""


class JournalKeeper(Actor):
    """The actor that owns the journal's files beside the one that is written to.

    Receives and sends nothing. Each second it syncs what was written. Each minute it saves the open
    visits together with the position they stand at, and deletes the segments before it whose rows
    are stored; sooner when the journal is half full, or the disk is. A restart goes on.
    """

    name = "journal"

    def __init__(
        self,
        journal: FileJournal,
        open_sessions: OpenSessions,
        session_file: SessionFile,
        metrics: Metrics,
    ) -> None:
        """Own the files' upkeep.

        Args:
            journal: The journal.
            open_sessions: The visits, in step with the journal at every checkpoint.
            session_file: Keeps them.
            metrics: Shows the journal's figures.
        """
        self._journal = journal
        self._open_sessions = open_sessions
        self._session_file = session_file
        self._metrics = metrics
        self._saved_at = trio.current_time()
        self._saved_position = -1
        self._full_since = math.inf

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
        wanted = self._journal.bytes * 2 > self._journal.limit or self._journal.problem is not None
        if wanted and self._journal.reclaimable:
            return True
        return trio.current_time() >= self._saved_at + CHECKPOINT_SECONDS

    async def checkpoint(self) -> None:
        """Save the open visits, then delete what is done with."""
        snapshot = take_snapshot(self._open_sessions, self._journal)
        self._saved_at = trio.current_time()
        if snapshot.position != self._saved_position:
            try:
                # Visits must not have seen what a loss of power takes from the journal.
                await self._journal.secure()
                await self._session_file.save(snapshot)
            except (OSError, JournalError, trio.TooSlowError) as error:
                log.error("open visits cannot be saved", error=str(error) or "the disk hangs")
                if isinstance(error, OSError) and is_full(error):
                    self._make_room()
                return
            self._saved_position = snapshot.position
            self._full_since = math.inf
        self._journal.retire(snapshot.position)

    def _make_room(self) -> None:
        """Delete what is stored although the visits behind it are not saved.

        Otherwise a journal that has filled the disk could never shrink. The file of visits goes
        first: after a crash meanwhile, those that the rest of the journal does not tell of would
        begin anew, but none would go on from an old state. So it is not done before the disk has
        been full for a while: most full disks are emptied by somebody else.
        """
        now = trio.current_time()
        self._full_since = min(self._full_since, now)
        if self._journal.reclaimable and now >= self._full_since + FULL_SECONDS:
            log.warning("disk is full, deleting stored events before visits are saved")
            self._session_file.forget()
            self._saved_position = -1
            self._journal.retire(self._journal.end)


def take_snapshot(open_sessions: OpenSessions, journal: Journal) -> Snapshot:
    """The visits as they are now, and where in the journal that is."""
    return Snapshot(journal.id, journal.end, tuple(open_sessions), tuple(open_sessions.past))
