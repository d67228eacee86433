"""Puts a server's import service together."""

from actors.imports.import_files import ImportFiles
from actors.imports.job import ImportContext
from actors.imports.service import ImportService
from actors.imports.stored_rows import StoredRows
from actors.pipeline.topology import Collector
from actors.stores.url import parse_url
from ingest.request.client_address import TrustedProxies
from ingest.server.state_files import StateFiles
from ingest.settings import Settings

PAUSE_RATIO = 1.0
"""Seconds that an import leaves to live events for each second of its own: half of the core."""


def open_import_service(
    settings: Settings, files: StateFiles, collector: Collector
) -> ImportService:
    """The import service of a server; the collector keeps it running.

    Args:
        settings: Those of the server.
        files: Where imports are remembered.
        collector: Whose writer stores the rows.
    """
    service = ImportService(
        ImportContext(
            reference=collector.reference,
            files=ImportFiles(files.imports),
            clock=collector.clock,
            proxies=TrustedProxies.parse(settings.trusted_proxies),
            session_seconds=settings.session_minutes * 60,
            outlet=collector.outlet(),
            stored=StoredRows(collector.store, parse_url(settings.clickhouse_url).database),
            pause_ratio=PAUSE_RATIO,
        )
    )
    collector.add_keeper(service)
    return service
