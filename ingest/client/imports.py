"""Imports past events from the command line, in its own process or through the running server."""

import gc
import json
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

import trio

from actors.clock.wall_clock import Clock
from actors.files.atomic import StateDirectoryBusyError, locked_directory
from actors.imports.import_files import ImportFiles
from actors.imports.job import ImportContext, ImportJob, ImportMistakeError
from actors.imports.stored_rows import StoredRows
from actors.letters.dead_letters import DeadLetters
from actors.letters.letter_writer import LetterWriter
from actors.pipeline.flush import Flush
from actors.pipeline.writer import Writer
from actors.stores.open import open_store
from actors.stores.store import StoreError
from actors.stores.url import parse_url
from actors.supervision.supervisor import Supervisor
from actors.threads.serial_thread import GRACE_SECONDS
from ingest.client.running_server import NoServerError, RunningServer, RunningServerError
from ingest.enrichment.geo import GeoDatabaseError
from ingest.http.import_routes import ADVANCE_SECONDS, ROUTE
from ingest.past.import_progress import ImportProgress
from ingest.past.import_request import ImportRequest
from ingest.pipeline.reference import Reference
from ingest.plausible.postgres import PlausibleError
from ingest.request.client_address import TrustedProxies
from ingest.server.serve import GARBAGE_OBJECTS
from ingest.server.start_files import open_geo_database, read_plausible_sites
from ingest.server.state_files import StateFiles, describe_failure
from ingest.sessions.salts import Salt, Salts, fresh_key
from ingest.settings import Settings
from ingest.sites.rate_limit import RateLimiter
from ingest.sites.site_file import SitesFileError, read_sites
from ingest.telemetry.metrics import Metrics

SERVER_SECONDS: Final = 60.0
"""Timeout of a request, longer than the server works on an import before it answers."""

Show = Callable[[ImportProgress], None]


class ImportFailedError(Exception):
    """The import failed; the message says why."""


class ImportIncompleteError(Exception):
    """The import is incomplete; the same command resumes it."""


def import_past(settings: Settings, request: ImportRequest, show: Show) -> ImportProgress:
    """Import files.

    Only one process can use a state directory and an embedded store. If a server uses them, it does
    the import. A dry run needs neither.

    Args:
        settings: Those of the server.
        request: What to import.
        show: Called with the progress about twice a second.

    Returns:
        How it ended: finished, known, or stopped by a signal.

    Raises:
        ImportFailedError: The import failed.
        ImportIncompleteError: The server has ended.
        KeyboardInterrupt: A second signal came before the handled events were stored.
    """
    files = StateFiles(settings.state_dir)
    if request.dry_run:
        return _import_here(settings, files, request, show)
    try:
        with locked_directory(files.directory):
            return _import_here(settings, files, request, show)
    except StateDirectoryBusyError as busy:
        return _ask_server(files.server, request, show, busy)
    except OSError as error:
        raise ImportFailedError(describe_failure(error)) from None


def _import_here(
    settings: Settings, files: StateFiles, request: ImportRequest, show: Show
) -> ImportProgress:
    gc.set_threshold(GARBAGE_OBJECTS)
    try:
        outcome = trio.run(_import, settings, files, request, show)
    except PlausibleError as error:
        raise ImportFailedError(error.explanation) from None
    except (StoreError, SitesFileError, GeoDatabaseError) as error:
        raise ImportFailedError(str(error)) from None
    if isinstance(outcome, ImportMistakeError):
        raise ImportFailedError(str(outcome))
    if outcome is None:
        raise KeyboardInterrupt
    return outcome


async def _import(
    settings: Settings, files: StateFiles, request: ImportRequest, show: Show
) -> ImportProgress | ImportMistakeError | None:
    """Do it in this process: one writer, one job.

    Returns:
        The final progress; None if it was interrupted before the handled events were stored.
    """
    clock = Clock.system()
    reference = _reference(settings, files, clock)
    store = open_store(settings.clickhouse_url)
    outcome: ImportProgress | ImportMistakeError | None = None
    try:
        if not request.dry_run:
            await store.open()
        to_writer, inbox = trio.open_memory_channel[Flush](0)
        metrics = Metrics(lambda domain: reference.registry.find(domain) is not None)
        letters = DeadLetters(files.dead_letters)
        await letters.load()
        writer = Writer(inbox, store, letters, metrics)
        import_files = ImportFiles(files.imports)
        context = ImportContext(
            reference,
            import_files,
            clock,
            TrustedProxies.parse(settings.trusted_proxies),
            settings.session_minutes * 60,
            to_writer,
            StoredRows(store, parse_url(settings.clickhouse_url).database),
        )
        if not request.dry_run:
            import_files.delete_old_salts(clock.now())
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(Supervisor().supervise, LetterWriter(letters))
                nursery.start_soon(_write, writer, nursery)
                outcome = await _work(request, context, signals, nursery, show)
                to_writer.close()
        letters.flush()
    finally:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + GRACE_SECONDS):
            await store.aclose()
    return outcome


async def _write(writer: Writer, nursery: trio.Nursery) -> None:
    """Store all flushes, then cancel the other tasks."""
    await Supervisor().supervise(writer)
    nursery.cancel_scope.cancel()


async def _work(
    request: ImportRequest,
    context: ImportContext,
    signals: AsyncIterator[int],
    nursery: trio.Nursery,
    show: Show,
) -> ImportProgress | ImportMistakeError | None:
    """Run the import; a first signal ends it once handled events are stored, a second at once."""
    try:
        job = await ImportJob.begin(request, context)
    except ImportMistakeError as mistake:
        return mistake

    async def watch() -> None:
        await anext(signals)
        job.stop()
        await anext(signals)
        nursery.cancel_scope.cancel()

    nursery.start_soon(watch)
    try:
        while True:
            progress = await job.advance(ADVANCE_SECONDS)
            show(progress)
            if progress.over:
                return progress
    except ImportMistakeError as mistake:
        return mistake
    finally:
        job.close()


def _reference(settings: Settings, files: StateFiles, clock: Clock) -> Reference:
    if isinstance(settings.sites, Path):
        registry = read_sites(settings.sites)
    else:
        registry = read_plausible_sites(settings, files)[0].registry
    return Reference(
        registry,
        open_geo_database(settings.geoip_database),
        Salts(Salt(fresh_key(), clock.seconds())),  # each import has its own
        RateLimiter(),
        accept_unknown_sites=settings.unknown_sites == "accept",
    )


def _ask_server(
    server_file: Path, request: ImportRequest, show: Show, busy: StateDirectoryBusyError
) -> ImportProgress:
    try:
        server = RunningServer.find(server_file)
    except NoServerError:
        raise ImportFailedError(f"{busy}, and {server_file} does not say how to reach it") from None
    answer = _ask(server, "POST", ROUTE, json.dumps(request.to_json()))
    ticket = str(answer["ticket"])
    try:
        while True:
            progress = ImportProgress.from_json(answer["progress"])
            show(progress)
            if progress.over:
                return progress
            answer = _ask(server, "POST", f"{ROUTE}/{ticket}")
    except KeyboardInterrupt:
        _ask(server, "DELETE", f"{ROUTE}/{ticket}")
        raise


def _ask(server: RunningServer, method: str, path: str, body: str = "") -> Any:
    """Send a request and read the answer.

    Raises:
        ImportFailedError: The server refuses.
        ImportIncompleteError: It does not answer, or knows nothing of the import any more.
    """
    headers = {"content-type": "application/json"}
    try:
        return json.loads(
            server.ask(path, body.encode(), headers, seconds=SERVER_SECONDS, method=method)
        )
    except RunningServerError as error:
        if error.status in (None, 410, 503):
            raise ImportIncompleteError(str(error)) from None
        raise ImportFailedError(str(error)) from None
