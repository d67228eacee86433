"""Imports Plausible's export from the command line, in its own process or through the server."""

from collections.abc import Callable
from contextlib import AbstractContextManager, aclosing, nullcontext
from http.client import HTTPException
from pathlib import Path
from typing import Final

import msgspec
import trio

from actors.files.atomic import StateDirectoryBusyError, locked_directory
from actors.imports.export_archive import MAGIC
from actors.imports.export_import import ExportMistakeError, import_export
from actors.stores.open import open_store
from actors.stores.store import ImportStore, StoreError, StoreMisconfigured
from actors.stores.url import EmbeddedAddress, parse_url
from actors.threads.serial_thread import GRACE_SECONDS
from ingest.client.imports import ImportFailedError, ImportIncompleteError
from ingest.client.running_server import NoServerError, RunningServer, RunningServerError
from ingest.http.export_routes import ROUTE
from ingest.past.export_progress import ExportProgress, ExportRequest, ExportStep
from ingest.plausible.postgres import PlausibleError
from ingest.server.start_files import read_registry
from ingest.server.state_files import StateFiles, describe_failure
from ingest.settings import Settings
from ingest.sites.site import SiteRegistry
from ingest.sites.site_file import SitesFileError

SERVER_SECONDS: Final = 120.0
"""How long the server may be silent; longer than an insert may take."""

Show = Callable[[ExportProgress], None]


def is_zip(path: str) -> bool:
    """Whether a file is a ZIP file, by its first bytes; False if it cannot be read."""
    try:
        with Path(path).open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def import_plausible_export(
    settings: Settings, request: ExportRequest, show: Show
) -> ExportProgress:
    """Import an export.

    Only one process can open an embedded store. If a server runs, it does the import. A dry run
    needs no store.

    Args:
        settings: Those of the server.
        request: What to import.
        show: Called with the progress.

    Returns:
        How it ended.

    Raises:
        ImportFailedError: The import failed.
        ImportIncompleteError: The store or the server has failed; the same command goes on.
    """
    files = StateFiles(settings.state_dir)
    try:
        with _lock(settings, files, request):
            return trio.run(_import_here, settings, request, show)
    except StateDirectoryBusyError as busy:
        return _ask_server(files.server, request, show, busy)
    except PlausibleError as error:
        raise ImportFailedError(error.explanation) from None
    except (ExportMistakeError, StoreMisconfigured, SitesFileError) as error:
        raise ImportFailedError(str(error)) from None
    except StoreError as error:
        raise ImportIncompleteError(str(error)) from None
    except OSError as error:
        raise ImportFailedError(describe_failure(error)) from None


def _lock(
    settings: Settings, files: StateFiles, request: ExportRequest
) -> AbstractContextManager[None]:
    """Lock the state directory, if the embedded store is to be opened."""
    address = parse_url(settings.clickhouse_url)
    if request.dry_run or not isinstance(address, EmbeddedAddress):
        return nullcontext()
    return locked_directory(files.directory)


async def _import_here(settings: Settings, request: ExportRequest, show: Show) -> ExportProgress:
    registry = read_registry(settings, StateFiles(settings.state_dir))
    if request.dry_run:
        return await _run(request, registry, None, show)
    store = open_store(settings.clickhouse_url)
    try:
        await store.open()
        return await _run(request, registry, store, show)
    finally:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + GRACE_SECONDS):
            await store.aclose()


async def _run(
    request: ExportRequest, registry: SiteRegistry, store: ImportStore | None, show: Show
) -> ExportProgress:
    async with aclosing(import_export(request, registry, store)) as steps:
        async for progress in steps:
            show(progress)
    return progress


def _ask_server(
    server_file: Path, request: ExportRequest, show: Show, busy: StateDirectoryBusyError
) -> ExportProgress:
    last: ExportProgress | None = None
    try:
        server = RunningServer.find(server_file)
        headers = {"content-type": "application/json"}
        body = msgspec.json.encode(request)
        with server.open(ROUTE, body, headers, seconds=SERVER_SECONDS) as answer:
            for line in answer:
                step = msgspec.json.decode(line, type=ExportStep)
                if step.mistake:
                    raise ImportFailedError(step.mistake)
                if step.failure:
                    raise ImportIncompleteError(step.failure)
                last = step.progress or last
                if last is not None:
                    show(last)
    except NoServerError:
        raise ImportFailedError(f"{busy}, and {server_file} does not say how to reach it") from None
    except RunningServerError as error:
        raise (ImportIncompleteError if error.status is None else ImportFailedError)(
            str(error)
        ) from None
    except (OSError, HTTPException, ValueError) as error:
        raise ImportIncompleteError(f"the server does not answer any more: {error}") from None
    if last is None or not last.over:
        raise ImportIncompleteError("the server has ended")
    return last
