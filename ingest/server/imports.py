"""Puts together where a running server does imports."""

from actors.imports.import_files import ImportFiles
from actors.imports.job import Surroundings
from actors.imports.service import ImportDesk
from actors.imports.stored_rows import StoredRows
from actors.pipeline.topology import Collector
from actors.stores.url import parse_url
from ingest.request.client_address import TrustedProxies
from ingest.server.state_files import StateFiles
from ingest.settings import Settings

REST = 1.0
"""Seconds that an import leaves to live events for each second of its own: half of the core."""


def open_import_desk(settings: Settings, files: StateFiles, collector: Collector) -> ImportDesk:
    """The desk of a server; the collector keeps it running.

    Args:
        settings: Those of the server.
        files: Where imports are remembered.
        collector: Whose writer stores the rows.
    """
    desk = ImportDesk(
        Surroundings(
            reference=collector.reference,
            files=ImportFiles(files.imports),
            clock=collector.clock,
            proxies=TrustedProxies.parse(settings.trusted_proxies),
            session_seconds=settings.session_minutes * 60,
            outlet=collector.outlet(),
            receipts=collector.receipts,
            stored=StoredRows(collector.store, parse_url(settings.clickhouse_url).database),
            rest=REST,
        )
    )
    collector.add_keeper(desk)
    return desk
