"""Imports Plausible's export into the tables of imported sums, each file once."""

import hashlib
import json
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import closing
from itertools import islice
from typing import Final, TypeVar

import trio

from actors.imports.export_archive import ArchiveError, ExportArchive
from actors.stores.store import ImportStore
from ingest.past.csv_line import CsvRecords
from ingest.past.export_progress import ExportCounts, ExportProgress, ExportRequest
from ingest.past.import_progress import Phase
from ingest.past.lines import Lines
from ingest.past.past_event import BrokenLineError
from ingest.past.plausible_export import ExportFile, ExportReader
from ingest.rows.imported import IMPORTED_TABLES
from ingest.rows.layout import Row
from ingest.sites.site import SiteRegistry

T = TypeVar("T")

INSERT_ROWS: Final = 10_000
"""Rows of an insert. A store has all of them or none, and each insert follows the one before, so
the number of stored rows says where to go on."""

STEP_LINES: Final = 1_000
"""Lines that are checked between two reports."""

_TURN_LINES: Final = 100
_TURN_SECONDS: Final = 1e-4

MADE_BY_PLAUSIBLE: Final = (
    "this database was made by Plausible, whose dashboard imports such a file: in the settings of "
    "the site, under Imports & Exports"
)


class ExportMistakeError(Exception):
    """The export cannot be imported as requested; the message is for the operator."""


async def import_export(
    request: ExportRequest, registry: SiteRegistry, store: ImportStore | None
) -> AsyncGenerator[ExportProgress, None]:
    """Import an export: check all lines, then store the rows that the store does not have.

    The import's id is made of the site, the wanted days and the file's content. So the store itself
    tells what earlier runs have stored.

    Args:
        request: What to import.
        registry: Has the site.
        store: Where the rows belong, open; None for a dry run.

    Yields:
        The progress several times a second, and how it ended.

    Raises:
        ExportMistakeError: It cannot be imported.
        StoreError: The store has failed; the same import goes on where this one has ended.
    """
    began = trio.current_time()
    site = registry.find(request.site)
    if site is None:
        raise ExportMistakeError(f"{request.site} is none of the sites in the sites file")
    if store is not None and await store.made_by_plausible():
        raise ExportMistakeError(MADE_BY_PLAUSIBLE)
    counts = ExportCounts()
    import_id = stored = 0

    def progress(phase: Phase) -> ExportProgress:
        return ExportProgress(phase, import_id, counts, stored, trio.current_time() - began)

    try:
        with closing(await trio.to_thread.run_sync(ExportArchive, request.path)) as archive:
            digest = hashlib.sha256(repr((site.id, request.period)).encode())
            reading = _Reading(archive, request, site.id)
            lines = reading.check(counts, digest)
            while await trio.to_thread.run_sync(_next, lines, STEP_LINES):
                yield progress(Phase.CHECKING)
            if counts.too_broken and not request.force:
                yield progress(Phase.REFUSED)
                return
            if store is None or request.dry_run:
                yield progress(Phase.FINISHED)
                return
            import_id = int.from_bytes(digest.digest()[:6], "big")
            await store.create_imported([IMPORTED_TABLES[name] for name in counts.rows])
            await _refuse_other_imports(store, counts, site.id, import_id)
            for name, expected in counts.rows.items():
                found = await _stored_rows(store, name, site.id, import_id)
                rows = reading.rows(name, import_id, found)
                for start in range(found, expected, INSERT_ROWS):
                    batch = await trio.to_thread.run_sync(_next, rows, INSERT_ROWS)
                    token = f"imported-{name}-{site.id}-{import_id}-{start}"
                    await store.insert(IMPORTED_TABLES[name], batch, token)
                    stored += len(batch)
                    yield progress(Phase.READING)
            yield progress(Phase.FINISHED if stored else Phase.KNOWN)
    except ArchiveError as error:
        raise ExportMistakeError(str(error)) from None


class _Reading:
    """Reads the lines of an archive. The iterators block; use them in a thread."""

    def __init__(self, archive: ExportArchive, request: ExportRequest, site_id: int) -> None:
        self._archive = archive
        self._period = request.period
        self._site_id = site_id

    def check(self, counts: ExportCounts, digest: "hashlib._Hash") -> Iterator[Row | None]:
        """Read all lines; None for lines without a row."""
        counts.leave_out(self._archive.left_out)
        for file in self._archive.files:
            digest.update(file.name.encode())
            yield from self._lines(file, 0, counts, digest)

    def rows(self, table: str, import_id: int, found: int) -> Iterator[Row]:
        """Yield the rows of a table, without the first ones."""
        counts, digest = ExportCounts(), hashlib.sha256()
        rows = (
            row
            for file in self._archive.files
            if file.table.name == table
            for row in self._lines(file, import_id, counts, digest)
            if row is not None
        )
        return islice(rows, found, None)

    def _lines(
        self, file: ExportFile, import_id: int, counts: ExportCounts, digest: "hashlib._Hash"
    ) -> Iterator[Row | None]:
        reader: ExportReader | None = None
        number = 1
        for record, lines in self._records(file, digest):
            if reader is None:
                try:
                    reader = ExportReader(file, record, self._site_id, import_id)
                except BrokenLineError as error:
                    raise ArchiveError(f"{file.name}: {error}") from None
                counts.leave_out(f"{name} of {file.name}" for name in reader.left_out)
            elif record.strip():
                yield self._row(reader, file, record, number, counts)
                if counts.lines % _TURN_LINES == 0:
                    time.sleep(_TURN_SECONDS)  # lets waiting threads run
            else:
                yield None
            number += lines
        if reader is None:
            raise ArchiveError(f"{file.name}: is empty")

    def _records(self, file: ExportFile, digest: "hashlib._Hash") -> Iterator[tuple[bytes, int]]:
        lines = Lines(CsvRecords())
        for piece in self._archive.read(file):
            digest.update(piece)
            yield from lines.feed(piece)
        if lines.rest.strip():
            yield lines.rest, 1

    def _row(
        self,
        reader: ExportReader,
        file: ExportFile,
        record: bytes,
        number: int,
        counts: ExportCounts,
    ) -> Row | None:
        counts.lines += 1
        try:
            row = reader.read(record)
        except BrokenLineError as error:
            counts.break_at(number, f"{file.name}: {error}")
            return None
        skip = self._period.skips(row[reader.day_position])
        if skip is not None:
            counts.skip(skip)
            return None
        counts.add(file.table.name, row[reader.day_position])
        return row


def _next(rows: Iterator[T], number: int) -> list[T]:
    return list(islice(rows, number))


async def _stored_rows(store: ImportStore, table: str, site_id: int, import_id: int) -> int:
    (answer,) = await store.query(
        f"SELECT count() AS n FROM {table} "  # noqa: S608 - the table's name is ours
        f"WHERE site_id = {site_id} AND import_id = {import_id}"
    )
    return int(json.loads(answer)["n"])


async def _refuse_other_imports(
    store: ImportStore, counts: ExportCounts, site_id: int, import_id: int
) -> None:
    """Refuse days that another import has: they would be counted twice."""
    for table, (first, last) in counts.days.items():
        (answer,) = await store.query(
            f"SELECT any(import_id) AS id, toString(min(date)) AS first, "  # noqa: S608 - as above
            f"toString(max(date)) AS last, count() AS n FROM {table} WHERE site_id = {site_id} "
            f"AND import_id != {import_id} AND date BETWEEN toDate({first}) AND toDate({last})"
        )
        other = json.loads(answer)
        if int(other["n"]):
            raise ExportMistakeError(
                f"{table} has the days from {other['first']} to {other['last']} already, of import "
                f"{other['id']}: choose other days with --since and --until"
            )
