"""Imports past events from the command line, in its own process or through the running server."""

import json
import signal
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final

import trio

from actors.clock.wall_clock import Clock
from actors.files.atomic import StateDirectoryBusyError, locked_directory
from actors.imports.destination import DryRun, StoringDestination
from actors.imports.import_files import ImportFiles
from actors.imports.importer import FAILED, Importer, Report, run_import
from actors.imports.opening import ImportMistakeError
from actors.imports.past_import import PastImport
from actors.pipeline.topology import SPILL_SECONDS, Collector
from actors.stores.open import open_store
from actors.stores.store import StoreError
from ingest.client.running_server import NoServerError, RunningServer, RunningServerError
from ingest.enrichment.geo import GeoDatabaseError
from ingest.http.import_routes import ROUTE
from ingest.past.import_progress import ImportProgress, Phase
from ingest.past.import_request import ImportRequest
from ingest.pipeline.reference import Reference
from ingest.plausible.postgres import PlausibleError
from ingest.server.durability import DurabilityError, open_kept_events
from ingest.server.imports import import_context
from ingest.server.roles.all import open_pipeline
from ingest.server.serve import only_error, require_kafka_client
from ingest.server.start_files import StartError, open_geo_database, read_registry
from ingest.server.state_files import StateFiles, describe_failure
from ingest.sessions.salts import Salt, Salts, fresh_key
from ingest.settings import Settings
from ingest.sites.rate_limit import RateLimiter
from ingest.sites.site_file import SitesFileError

SERVER_SECONDS: Final = 60.0
"""How long the server may be silent; it reports twice a second."""

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
    try:
        outcome = trio.run(_import, settings, files, request, show)
    except Exception as raised:
        match only_error(raised):
            case ImportFailedError() as error:
                raise error from None
            case PlausibleError() as error:
                raise ImportFailedError(error.explanation) from None
            case (
                StoreError()
                | SitesFileError()
                | GeoDatabaseError()
                | DurabilityError()
                | StartError()
            ) as error:
                raise ImportFailedError(str(error)) from None
        raise
    if isinstance(outcome, ImportMistakeError):
        raise ImportFailedError(str(outcome))
    if outcome is None:
        raise KeyboardInterrupt
    return outcome


async def _import(
    settings: Settings, files: StateFiles, request: ImportRequest, show: Show
) -> Report | None:
    """Do it in this process.

    Returns:
        The last report; None if it was interrupted before there was one, or a second time.
    """
    last: Report | None = None
    outcome: Report | None = None
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            async with _follow(settings, files, request) as reports:
                with trio.CancelScope() as following:
                    nursery.start_soon(_watch, signals, following, nursery.cancel_scope)
                    async for last in reports:
                        if isinstance(last, ImportProgress):
                            show(last)
            if following.cancelled_caught and isinstance(last, ImportProgress):
                last = replace(last, phase=Phase.STOPPED)
            outcome = last
            nursery.cancel_scope.cancel()
    return outcome


async def _watch(
    signals: AsyncIterator[int], following: trio.CancelScope, everything: trio.CancelScope
) -> None:
    """End the import at the first signal, and everything at the second."""
    await anext(signals)
    following.cancel()
    await anext(signals)
    everything.cancel()


def _follow(
    settings: Settings, files: StateFiles, request: ImportRequest
) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[Report]]:
    """Run the import in a pipeline that fits the directory; a dry run needs none."""
    if request.dry_run:
        return _dry_run(settings, files, request)
    if files.cluster.exists():
        return _front(settings, files, request)
    return _single_process(settings, files, request)


Reports = AsyncGenerator[trio.MemoryReceiveChannel[Report], None]


@asynccontextmanager
async def _dry_run(settings: Settings, files: StateFiles, request: ImportRequest) -> Reports:
    """Run an import that needs neither the state directory nor the store."""
    nowhere = DryRun(settings.session_minutes * 60)
    states = ImportFiles(files.imports)
    reference = _reference(settings, files)
    context = import_context(settings, states, reference, Clock.system(), nowhere)
    reports, following = trio.open_memory_channel[Report](1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_run_to_end, PastImport(request, context), reports)
        yield following
        nursery.cancel_scope.cancel()


async def _run_to_end(past_import: PastImport, reports: trio.MemorySendChannel[Report]) -> None:
    with reports:
        await run_import(past_import, reports)


@asynccontextmanager
async def _single_process(settings: Settings, files: StateFiles, request: ImportRequest) -> Reports:
    """Run an import with the pipeline of a single process."""
    clock, reference = Clock.system(), _reference(settings, files)
    store = open_store(settings.clickhouse_url)
    try:
        await store.open()
        with open_kept_events(settings, files, clock) as kept:
            front, storing = open_pipeline(settings, files, clock, reference, kept, store)
            destination = StoringDestination(kept.log, storing, clock)
            states = ImportFiles(files.imports)
            importer = Importer(import_context(settings, states, reference, clock, destination))
            collector = Collector(front, storing, keepers=[importer])
            async with _run(collector, importer, request, settings.shutdown_seconds) as reports:
                yield reports
    finally:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + SPILL_SECONDS):
            await store.aclose()


@asynccontextmanager
async def _front(settings: Settings, files: StateFiles, request: ImportRequest) -> Reports:
    """Run an import with the pipeline of a front."""
    require_kafka_client(f"{files.directory} is the directory of a front, which")
    from ingest.server.roles.front import open_front

    async with (
        open_front(settings, files) as front,
        _run(front.collector, front.importer, request, settings.shutdown_seconds) as reports,
    ):
        yield reports


@asynccontextmanager
async def _run(
    collector: Collector, importer: Importer, request: ImportRequest, seconds: float
) -> Reports:
    """Run an import in a pipeline, which is drained at the end."""
    async with trio.open_nursery() as watching:
        watching.start_soon(_watch_supervisor, collector)
        async with trio.open_nursery() as nursery:
            await nursery.start(collector.run)
            try:
                async with importer.follow(request) as reports:
                    yield reports
            finally:
                collector.drain(seconds)
        watching.cancel_scope.cancel()


async def _watch_supervisor(collector: Collector) -> None:
    """End everything when the pipeline cannot go on."""
    await collector.supervisor.fatal.wait()
    raise ImportFailedError(FAILED)


def _reference(settings: Settings, files: StateFiles) -> Reference:
    return Reference(
        read_registry(settings, files),
        open_geo_database(settings.geoip_database),
        Salts(Salt(fresh_key(), 0)),  # each import has its own
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
    body = json.dumps(request.to_json()).encode()
    headers = {"content-type": "application/json"}
    try:
        with server.open(ROUTE, body, headers, seconds=SERVER_SECONDS) as answer:
            for line in answer:
                progress = _progress_of(json.loads(line))
                show(progress)
                if progress.over:
                    return progress
    except (OSError, HTTPException, ValueError):
        pass  # It has ended in the middle.
    except RunningServerError as error:
        if error.status in (None, 503):
            raise ImportIncompleteError(str(error)) from None
        raise ImportFailedError(str(error)) from None
    raise ImportIncompleteError(f"the server on port {server.port} has ended")


def _progress_of(line: Any) -> ImportProgress:
    if "error" in line:
        raise ImportFailedError(str(line["error"]))
    return ImportProgress.from_json(line["progress"])
