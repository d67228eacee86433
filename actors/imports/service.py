"""The service that imports past events in a running server."""

import secrets

import structlog
import trio

from actors.imports.job import ImportContext, ImportJob
from actors.supervision.actor import Actor
from ingest.past.import_progress import ImportProgress
from ingest.past.import_request import ImportRequest

log = structlog.get_logger()

IDLE_SECONDS = 30.0
"""An import is closed after this time without a call of `advance`."""

ABANDONED_SECONDS = 3.0
"""After this time without a call of `advance` another import may start; clients call it several
times a second."""

CHECK_SECONDS = 5.0
SALTS_SECONDS = 3600.0
"""How often to check for an import to close, and for salts to delete."""


class ImportBusyError(RuntimeError):
    """Another import is running."""


class NoSuchImportError(LookupError):
    """No running import has this ticket."""


class ImportService(Actor):
    """The actor that owns the one running import and cleans up the files of imports.

    Receives and sends nothing itself. Requests call `begin` and then `advance`, each for a limited
    time. So an import runs only while its client asks for it, and an abandoned import blocks
    nothing. A restart keeps the import.
    """

    name = "imports"

    def __init__(self, context: ImportContext) -> None:
        """Own the channel half until `close`.

        Args:
            context: What imports work with.
        """
        self._context = context
        self._job: ImportJob | None = None
        self._ticket = ""
        self._used_at = 0.0
        self._working = False

    async def run(self) -> None:
        """Close idle imports and delete old salts, forever."""
        salts_at = trio.current_time()
        while True:
            if trio.current_time() >= salts_at:
                salts_at += SALTS_SECONDS
                await self._delete_old_salts()
            if not self._working and self._idle_seconds() > IDLE_SECONDS:
                self._close_job()
            await trio.sleep(CHECK_SECONDS)

    async def begin(self, request: ImportRequest) -> tuple[str, ImportProgress]:
        """Begin an import.

        Returns:
            The import's ticket, and its progress.

        Raises:
            ImportBusyError: Another import is running.
            ImportMistakeError: The import cannot be done.
        """
        if self._working or (self._job is not None and self._idle_seconds() < ABANDONED_SECONDS):
            raise ImportBusyError("another import is under way")
        self._close_job()
        self._working = True
        try:
            self._job = await ImportJob.begin(request, self._context)
        finally:
            self._working = False
        self._ticket = secrets.token_urlsafe(8)
        self._used_at = trio.current_time()
        return self._ticket, self._job.progress()

    async def advance(self, ticket: str, seconds: float) -> ImportProgress:
        """Continue the import. If it fails or this call is cancelled, it is closed.

        Args:
            ticket: Which one.
            seconds: How long to work.

        Raises:
            ImportBusyError: Another call is advancing it now.
            NoSuchImportError: It has ended, or was closed.
            ImportMistakeError: It cannot continue.
        """
        if self._job is None or ticket != self._ticket:
            raise NoSuchImportError(ticket)
        if self._working:
            raise ImportBusyError("the import is being worked on")
        self._working = True
        try:
            progress = await self._job.advance(seconds)
        except BaseException:
            self._close_job()
            raise
        finally:
            self._working = False
            self._used_at = trio.current_time()
        if progress.over:
            self._close_job()
        return progress

    def end(self, ticket: str) -> None:
        """Close an import that is no longer wanted. Batches that were handed over are stored."""
        if ticket == self._ticket and not self._working:
            self._close_job()

    def close(self) -> None:
        """Close the import and the channel half."""
        self._close_job()
        self._context.outlet.close()

    def _idle_seconds(self) -> float:
        return trio.current_time() - self._used_at

    def _close_job(self) -> None:
        job, self._job = self._job, None
        if job is not None:
            job.close()

    async def _delete_old_salts(self) -> None:
        under_way = () if self._job is None else (self._job.id,)
        now = self._context.clock.now()
        deleted = await trio.to_thread.run_sync(
            self._context.files.delete_old_salts, now, under_way
        )
        if deleted:
            log.info("salts of imports deleted", imports=deleted)
