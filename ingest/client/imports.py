"""Imports past events from the command line, in its own process or through the running server."""

import gc
import http.client
import json
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

import trio

from actors.clock.wall_clock import Clock
from actors.files.atomic import StateDirectoryBusyError, locked_directory
from actors.imports.import_files import ImportFiles
from actors.imports.job import ImportJob, ImportMistakeError, Surroundings
from actors.imports.stored_rows import StoredRows
from actors.journal.journal import MemoryJournal
from actors.letters.dead_letters import DeadLetters
from actors.letters.letter_writer import LetterWriter
from actors.pipeline.receipts import Receipts
from actors.pipeline.writer import Writer
from actors.stores.open import open_store
from actors.stores.store import StoreError
from actors.stores.url import parse_url
from actors.supervision.supervisor import Supervisor
from actors.threads.serial_thread import GRACE_SECONDS
from ingest.enrichment.geo import GeoDatabaseError
from ingest.http.import_routes import ADVANCE_SECONDS, ROUTE
from ingest.past.order import ImportOrder
from ingest.past.progress import Progress
from ingest.pipeline.reference import Reference
from ingest.request.client_address import TrustedProxies
from ingest.rows.batch import Flush
from ingest.server.serve import GARBAGE_OBJECTS
from ingest.server.start_files import open_geo_database
from ingest.server.state_files import StateFiles
from ingest.sessions.salts import Salt, Salts, fresh_key
from ingest.settings import Settings
from ingest.sites.rate_limit import RateLimiter
from ingest.sites.site_file import SitesFileError, read_sites
from ingest.telemetry.metrics import Metrics

SERVER_SECONDS: Final = 60.0
"""Longer than the server works on an import before it answers."""

Show = Callable[[Progress], None]


class ImportingError(Exception):
    """The import could not be done; the message says why."""


class LeftOffError(Exception):
    """The import was left before its end, and the same command goes on with it."""


def import_past(settings: Settings, order: ImportOrder, show: Show) -> Progress:
    """Import files.

    A state directory belongs to one process, and so does an embedded store: while a server has
    them, it is asked to do the import. A dry run needs neither.

    Args:
        settings: Those of the server.
        order: What is wanted.
        show: Told how far it is, about twice a second.

    Returns:
        How it ended: finished, known, or stopped by a signal.

    Raises:
        ImportingError: It cannot be done.
        LeftOffError: The server has gone.
        KeyboardInterrupt: A second signal came while the store did not take what was handled.
    """
    files = StateFiles(settings.state_dir)
    if order.dry_run:
        return _import_here(settings, files, order, show)
    try:
        with locked_directory(files.directory):
            return _import_here(settings, files, order, show)
    except StateDirectoryBusyError as busy:
        return _ask_server(files.server, order, show, busy)
    except PermissionError as error:
        raise ImportingError(f"SLUICE_STATE_DIR: {error.strerror}: {error.filename}") from None


def _import_here(settings: Settings, files: StateFiles, order: ImportOrder, show: Show) -> Progress:
    gc.set_threshold(GARBAGE_OBJECTS)
    try:
        outcome = trio.run(_import, settings, files, order, show)
    except (StoreError, SitesFileError, GeoDatabaseError) as error:
        raise ImportingError(str(error)) from None
    if isinstance(outcome, ImportMistakeError):
        raise ImportingError(str(outcome))
    if outcome is None:
        raise KeyboardInterrupt
    return outcome


async def _import(
    settings: Settings, files: StateFiles, order: ImportOrder, show: Show
) -> Progress | ImportMistakeError | None:
    """Do it in this process: one writer, one job.

    Returns:
        How it ended; None when it was interrupted before what was handled had been stored.
    """
    clock = Clock.system()
    reference = _reference(settings, clock)
    store = open_store(settings.clickhouse_url)
    outcome: Progress | ImportMistakeError | None = None
    try:
        if not order.dry_run:
            await store.open()
        to_writer, inbox = trio.open_memory_channel[Flush](0)
        receipts = Receipts()
        metrics = Metrics(lambda domain: reference.registry.find(domain) is not None)
        letters = DeadLetters(files.dead_letters)
        await letters.load()
        writer = Writer(inbox, store, MemoryJournal(), letters, metrics, receipts=receipts)
        import_files = ImportFiles(files.imports)
        around = Surroundings(
            reference,
            import_files,
            clock,
            TrustedProxies.parse(settings.trusted_proxies),
            settings.session_minutes * 60,
            to_writer,
            receipts,
            StoredRows(store, parse_url(settings.clickhouse_url).database),
        )
        if not order.dry_run:
            import_files.delete_old_salts(clock.now())
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(Supervisor().supervise, LetterWriter(letters))
                nursery.start_soon(_write, writer, nursery)
                outcome = await _work(order, around, signals, nursery, show)
                to_writer.close()
        letters.flush()
    finally:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + GRACE_SECONDS):
            await store.aclose()
    return outcome


async def _write(writer: Writer, nursery: trio.Nursery) -> None:
    """Store what comes; when there is no more to come and all is stored, end the others, too."""
    await Supervisor().supervise(writer)
    nursery.cancel_scope.cancel()


async def _work(
    order: ImportOrder,
    around: Surroundings,
    signals: AsyncIterator[int],
    nursery: trio.Nursery,
    show: Show,
) -> Progress | ImportMistakeError | None:
    """Do the work. The first signal has what was handled stored, the second ends everything."""
    try:
        job = await ImportJob.begin(order, around)
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


def _reference(settings: Settings, clock: Clock) -> Reference:
    return Reference(
        read_sites(settings.sites),
        open_geo_database(settings.geoip_database),
        Salts(Salt(fresh_key(), clock.seconds())),  # each import has its own
        RateLimiter(),
        accept_unknown_sites=settings.unknown_sites == "accept",
    )


def _ask_server(
    announcement: Path, order: ImportOrder, show: Show, busy: StateDirectoryBusyError
) -> Progress:
    try:
        server = json.loads(announcement.read_text())
    except (OSError, json.JSONDecodeError):
        raise ImportingError(f"{busy}, and {announcement} does not say how to reach it") from None
    line = _Line(int(server["port"]), str(server["token"]))
    answer = line.ask("POST", ROUTE, json.dumps(order.to_json()))
    ticket = str(answer["ticket"])
    try:
        while True:
            progress = Progress.from_json(answer["progress"])
            show(progress)
            if progress.over:
                return progress
            answer = line.ask("POST", f"{ROUTE}/{ticket}")
    except KeyboardInterrupt:
        _Line(int(server["port"]), str(server["token"])).ask("DELETE", f"{ROUTE}/{ticket}")
        raise
    finally:
        line.close()


class _Line:
    """A connection to the server on this machine."""

    def __init__(self, port: int, token: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SERVER_SECONDS)
        self._headers = {
            "authorization": f"Bearer {token}",
            "content-type": "application/json",
        }
        self._port = port

    def ask(self, method: str, path: str, body: str = "") -> Any:
        """Send a request and read the answer.

        Raises:
            ImportingError: The server refuses.
            LeftOffError: It does not answer, or knows nothing of the import any more.
        """
        try:
            self._connection.request(method, path, body.encode(), self._headers)
            response = self._connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise LeftOffError(
                f"the server on port {self._port} does not answer: {error or type(error).__name__}"
            ) from None
        if response.status < 300:
            return json.loads(content)
        message = _message(response.status, content)
        if response.status in (410, 503):
            raise LeftOffError(message)
        raise ImportingError(message)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _message(status: int, content: bytes) -> str:
    try:
        return str(json.loads(content)["errors"]["import"][0])
    except (ValueError, KeyError, IndexError, TypeError):
        return f"the server answered {status}"
