"""What imports need, over a store in memory."""

import json
from pathlib import Path
from typing import Any

import trio

from actors.clock.wall_clock import Clock
from actors.imports.import_files import ImportFiles
from actors.imports.job import ImportContext, ImportJob, ImportMistakeError
from actors.imports.stored_rows import StoredRows
from actors.pipeline.flush import Flush
from actors.pipeline.writer import Retry, Writer
from actors.supervision.supervisor import Supervisor
from ingest.enrichment.geo import NoGeoDatabase
from ingest.past.import_progress import ImportProgress
from ingest.past.import_request import ImportRequest, ImportSelection
from ingest.pipeline.reference import Reference
from ingest.request.client_address import TrustedProxies
from ingest.sessions.salts import Salts
from ingest.sites.rate_limit import RateLimiter
from ingest.sites.site import Site, SiteRegistry
from ingest.telemetry.metrics import Metrics
from tests.actors.fakes import FakeStore, LettersAtOnce
from tests.examples import NOON
from tests.ingest.past.states import SALT

SITE = ImportSelection("example.com")


class CountingStore(FakeStore):
    """Answers the only question that an import asks: how many of these rows are there?"""

    def __init__(self) -> None:
        super().__init__()
        self.queries: list[str] = []
        self.unavailable: list[Exception] = []

    async def query(self, sql: str) -> list[str]:
        await trio.lowlevel.checkpoint()
        if self.unavailable:
            raise self.unavailable.pop(0)
        self.queries.append(sql)
        table = "events_v2" if "events_v2" in sql else "sessions_v2"
        names = (3, 4, 0) if table == "events_v2" else (3, 0, 6)
        found = {
            tuple(row[name] for name in names)
            for row in self.rows.get(table, [])
            if all(str(row[name]) in sql for name in names)
        }
        return [json.dumps({"uniqExact": str(len(found))})]


class ImportEnvironment:
    """A state directory and a store that outlast the processes which use them."""

    def __init__(self, directory: Path, now: float = NOON) -> None:
        self.directory = directory
        self.store = CountingStore()
        self.files = ImportFiles(directory / "imports")
        self.now = now

    def write(self, content: bytes, name: str = "access.log") -> str:
        path = self.directory / name
        path.write_bytes(content)
        return str(path)

    def context(self, outlet: Any, pause_ratio: float = 0.0) -> ImportContext:
        return ImportContext(
            Reference(
                SiteRegistry([Site(1, "example.com")]), NoGeoDatabase(), Salts(SALT), RateLimiter()
            ),
            self.files,
            Clock(self.now),
            TrustedProxies.parse("private"),
            1800,
            outlet,
            StoredRows(self.store, "default"),
            pause_ratio,
        )

    def writer(self, inbox: trio.MemoryReceiveChannel[Flush]) -> Writer:
        return Writer(
            inbox,
            self.store,
            LettersAtOnce(self.directory / "letters"),
            Metrics(lambda domain: True),
            retry=Retry(first=1, longest=1),
        )

    async def run(self, request: ImportRequest, *, steps: int | None = None) -> ImportProgress:
        """Do an import in a process of its own.

        Args:
            request: What is wanted.
            steps: How often it goes on before the process is killed; None: to its end.
        """
        outlet, inbox = trio.open_memory_channel[Flush](0)
        mistake = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(Supervisor().supervise, self.writer(inbox))
            try:
                job = await ImportJob.begin(request, self.context(outlet))
                progress = job.progress()
                while not progress.over and steps != 0:
                    progress = await job.advance(0.001)
                    steps = None if steps is None else steps - 1
                job.close()
            except ImportMistakeError as error:
                mistake = error
            nursery.cancel_scope.cancel()
        if mistake is not None:
            raise mistake
        return progress

    def events(self) -> list[tuple[Any, ...]]:
        return self.store.rows.get("events_v2", [])

    def visits(self) -> dict[str, int]:
        """What a dashboard would sum up."""
        rows = self.store.rows.get("sessions_v2", [])
        return {
            "visits": sum(row[1] for row in rows),
            "pageviews": sum(row[1] * row[10] for row in rows),
            "bounces": sum(row[1] * row[7] for row in rows),
            "seconds": sum(row[1] * row[12] for row in rows),
        }


def an_import_request(*paths: str, **changes: Any) -> ImportRequest:
    # Most tests are about what comes after the lines were looked at.
    fields: dict[str, Any] = {"selection": SITE, "force": True}
    return ImportRequest(paths, **(fields | changes))
