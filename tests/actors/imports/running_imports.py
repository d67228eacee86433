"""Imports through a whole pipeline with its log on disk, over a store in memory."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio

from actors.imports.destination import LogDestination, StoringDestination
from actors.imports.import_files import ImportFiles
from actors.imports.importer import Importer, Report
from actors.imports.opening import ImportContext
from actors.imports.past_import import PastImport
from actors.supervision.supervisor import Supervisor
from ingest.past.import_progress import ImportProgress
from ingest.past.import_request import ImportRequest, ImportSelection
from ingest.past.import_state import ImportState
from ingest.records.record import Record
from ingest.request.client_address import TrustedProxies
from tests.actors.fakes import FakeStore
from tests.actors.pipeline.running_pipeline import Pipeline, crashing, running
from tests.examples import NOON

SITE = ImportSelection("example.com")


class DeathError(Exception):
    """Stands for the death of the process: nothing happens after it."""


class Fuse:
    """Kills an import before its step of that number, if there is one."""

    def __init__(self, steps: int | None) -> None:
        self.steps = steps

    def step(self) -> None:
        if self.steps is not None:
            self.steps -= 1
            if self.steps < 0:
                raise DeathError


class MortalFiles(ImportFiles):
    """Dies before or after it has written."""

    def __init__(self, directory: Path, fuse: Fuse) -> None:
        super().__init__(directory)
        self._fuse = fuse

    def save(self, state: ImportState) -> None:
        self._fuse.step()
        super().save(state)
        self._fuse.step()


class MortalAppends(LogDestination):
    """Dies before or after it has appended."""

    fuse = Fuse(None)

    async def _appended(self, records: Sequence[Record]) -> bool:
        self.fuse.step()
        appended = await super()._appended(records)
        self.fuse.step()
        return appended


class MortalDestination(MortalAppends, StoringDestination):
    """Dies before or after any of its steps."""

    async def store(self) -> None:
        self.fuse.step()
        await super().store()

    async def end(self, source: str, number: int) -> None:
        self.fuse.step()
        await super().end(source, number)
        self.fuse.step()


class ImportEnvironment:
    """A state directory and a store that outlast the processes which use them."""

    def __init__(self, directory: Path, now: float = NOON) -> None:
        self.directory = directory
        self.store = FakeStore()
        self.files = ImportFiles(directory / "imports")
        self.now = now

    def write(self, content: bytes, name: str = "access.log") -> str:
        path = self.directory / name
        path.write_bytes(content)
        return str(path)

    def pipeline(self, *, on_disk: bool = True) -> Pipeline:
        return Pipeline(self.directory, start=self.now, on_disk=on_disk, store=self.store)

    def context(
        self, pipeline: Pipeline, fuse: Fuse | None = None, pause_ratio: float = 0.0
    ) -> ImportContext:
        fuse = fuse or Fuse(None)
        destination = MortalDestination(pipeline.log, pipeline.storing, pipeline.clock)
        destination.fuse = fuse
        return ImportContext(
            pipeline.reference,
            MortalFiles(self.directory / "imports", fuse),
            pipeline.clock,
            TrustedProxies.parse("private"),
            1800,
            destination,
            pause_ratio,
        )

    async def run(self, request: ImportRequest, *, on_disk: bool = True) -> ImportProgress:
        """Do an import in a process of its own, which ends in order."""
        pipeline = self.pipeline(on_disk=on_disk)
        past_import = PastImport(request, self.context(pipeline))
        failure: Exception | None = None
        async with running(pipeline):
            try:
                await past_import.run()
            except Exception as error:
                failure = error  # raised without the nursery's group
        if failure is not None:
            raise failure
        return past_import.progress()

    async def killed(self, request: ImportRequest, steps: int) -> bool:
        """Do an import in a process that dies with it, before its step of that number.

        Returns:
            Whether it has died before its end.
        """
        pipeline = self.pipeline()
        past_import = PastImport(request, self.context(pipeline, Fuse(steps)))
        died = False
        async with crashing(pipeline):
            try:
                await past_import.run()
            except DeathError:
                died = True
        return died

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


@asynccontextmanager
async def an_importer(
    environment: ImportEnvironment, pipeline: Pipeline, **context: Any
) -> AsyncIterator[Importer]:
    """The actor beside a running pipeline, under a supervisor of its own."""
    importer = Importer(environment.context(pipeline, **context))
    async with running(pipeline), trio.open_nursery() as nursery:
        await nursery.start(Supervisor().supervise, importer)
        yield importer
        nursery.cancel_scope.cancel()


def gate(pipeline: Pipeline, monkeypatch: Any) -> trio.Event:
    """Let nothing be appended to a pipeline's log before the event."""
    opened, append = trio.Event(), pipeline.log.append

    async def append_later(*arguments: Any) -> int:
        await opened.wait()
        return await append(*arguments)

    monkeypatch.setattr(pipeline.log, "append", append_later)
    return opened


async def last_report(importer: Importer, request: ImportRequest) -> Report | None:
    """Follow an import to its end."""
    last: Report | None = None
    async with importer.follow(request) as reports:
        async for report in reports:
            last = report
    return last
