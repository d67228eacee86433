"""Creates a server's import service."""

from actors.imports.import_files import ImportFiles
from actors.imports.job import ImportContext
from actors.imports.service import ImportService
from actors.imports.stored_rows import StoredRows
from actors.pipeline.topology import Collector
from actors.stores.store import Store
from actors.stores.url import parse_url
from ingest.request.client_address import TrustedProxies
from ingest.server.state_files import StateFiles
from ingest.settings import Settings

PAUSE_RATIO = 1.0
"""Seconds that an import pauses per second of work, so that live events get half of the core."""


def open_import_service(
    settings: Settings, files: StateFiles, collector: Collector, store: Store
) -> ImportService:
    """Create the import service of a server; the collector runs it.

    Args:
        settings: The server's settings.
        files: The state directory, which has the files of imports.
        collector: Its writer stores the rows; it has one.
        store: Tells which rows it has.
    """
    outlet = collector.back.outlet()
    assert outlet is not None  # noqa: S101 - the composition root has chosen a back half with one
    service = ImportService(
        ImportContext(
            reference=collector.reference,
            files=ImportFiles(files.imports),
            clock=collector.clock,
            proxies=TrustedProxies.parse(settings.trusted_proxies),
            session_seconds=settings.session_minutes * 60,
            outlet=outlet,
            stored=StoredRows(store, parse_url(settings.clickhouse_url).database),
            pause_ratio=PAUSE_RATIO,
        )
    )
    collector.add_keeper(service)
    return service
