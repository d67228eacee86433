"""Where a running server is asked for an import."""

import secrets

import structlog
import trio

from actors.imports.job import ImportJob, Surroundings
from actors.supervision.actor import Actor
from ingest.past.import_progress import Progress
from ingest.past.import_request import ImportOrder

log = structlog.get_logger()

IDLE_SECONDS = 30.0
"""An import that nobody has asked to go on for so long is put away."""

LEFT_SECONDS = 3.0
"""After so long another may take its place: who wants it to go on asks several times a second."""

BEAT_SECONDS = 5.0
SALTS_SECONDS = 3600.0
"""How often it is looked for an import to put away, and for salts to delete."""


class DeskBusyError(RuntimeError):
    """Another import is under way."""


class NoSuchImportError(LookupError):
    """No import under way has this ticket."""


class ImportDesk(Actor):
    """The actor that owns the one import under way, and the upkeep of the imports' files.

    Receives and sends nothing itself: requests ask it to begin an import and to go on with it, a
    while at a time, so that an import lives as long as somebody wants it, and one that is left
    alone holds nothing up. A restart finds the import as it was.
    """

    name = "imports"

    def __init__(self, around: Surroundings) -> None:
        """Own the channel half until `close`.

        Args:
            around: What imports work with.
        """
        self._around = around
        self._job: ImportJob | None = None
        self._ticket = ""
        self._used_at = 0.0
        self._working = False

    async def run(self) -> None:
        """See to what is left alone, for ever."""
        salts_at = trio.current_time()
        while True:
            if trio.current_time() >= salts_at:
                salts_at += SALTS_SECONDS
                await self._delete_old_salts()
            if not self._working and self._left_for() > IDLE_SECONDS:
                self._put_away()
            await trio.sleep(BEAT_SECONDS)

    async def begin(self, order: ImportOrder) -> tuple[str, Progress]:
        """Begin an import.

        Returns:
            The ticket by which it is asked for, and how far it is.

        Raises:
            DeskBusyError: Another is under way.
            ImportMistakeError: It cannot be done.
        """
        if self._working or (self._job is not None and self._left_for() < LEFT_SECONDS):
            raise DeskBusyError("another import is under way")
        self._put_away()
        self._working = True
        try:
            self._job = await ImportJob.begin(order, self._around)
        finally:
            self._working = False
        self._ticket = secrets.token_urlsafe(8)
        self._used_at = trio.current_time()
        return self._ticket, self._job.progress()

    async def advance(self, ticket: str, seconds: float) -> Progress:
        """Go on with the import; one that fails, or is cancelled in this, is put away.

        Args:
            ticket: Which one.
            seconds: How long to work.

        Raises:
            DeskBusyError: Somebody else does so now.
            NoSuchImportError: It is over, or was put away.
            ImportMistakeError: It cannot go on.
        """
        if self._job is None or ticket != self._ticket:
            raise NoSuchImportError(ticket)
        if self._working:
            raise DeskBusyError("the import is being worked on")
        self._working = True
        try:
            progress = await self._job.advance(seconds)
        except BaseException:
            self._put_away()
            raise
        finally:
            self._working = False
            self._used_at = trio.current_time()
        if progress.over:
            self._put_away()
        return progress

    def end(self, ticket: str) -> None:
        """Put an import away that nobody wants to go on. What was handed over is stored."""
        if ticket == self._ticket and not self._working:
            self._put_away()

    def close(self) -> None:
        """Put the import away and close the channel half."""
        self._put_away()
        self._around.outlet.close()

    def _left_for(self) -> float:
        return trio.current_time() - self._used_at

    def _put_away(self) -> None:
        job, self._job = self._job, None
        if job is not None:
            job.close()

    async def _delete_old_salts(self) -> None:
        under_way = () if self._job is None else (self._job.id,)
        now = self._around.clock.now()
        deleted = await trio.to_thread.run_sync(self._around.files.delete_old_salts, now, under_way)
        if deleted:
            log.info("salts of imports deleted", imports=deleted)
