"""Plausible's export: a ZIP file with a CSV file for each of the tables of imported sums.

A file is named after its table, with the first and the last day behind
(`imported_visitors_20230101_20231231.csv`), and has the table's columns but for those of the site
and the import (spec/schema.md §6).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any, Final

from ingest.past.csv_line import cells_of, names_of
from ingest.past.past_event import LINE_BYTES, BrokenLineError, SkipReason
from ingest.rows.imported import IMPORTED_TABLES
from ingest.rows.layout import Row
from ingest.rows.schema import Column, Table

_FILE_NAME: Final = re.compile(r"(imported_[a-z_]{1,40})_(\d{8})_(\d{8})\.csv")
_OF_THE_IMPORT: Final = frozenset({"site_id", "import_id"})
_LATER_COLUMNS: Final = frozenset({"hostname"})
"""Columns of keys that older exports do not have."""

_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_EPOCH: Final = date(1970, 1, 1)
_DAY: Final = 86_400
_LAST_DAY: Final = (date(2148, 12, 31) - _EPOCH).days
"""ClickHouse's type Date ends some months later."""

_NUMBERS: Final = {"UInt32": 2**32, "UInt64": 2**64}
_LONGEST_NUMBER: Final = 20


@dataclass(frozen=True, slots=True)
class ExportFile:
    """A file of an export.

    Attributes:
        name: Its name, without folders.
        table: The table that it belongs to.
        first: The first day, in days since 1970.
        last: The last day.
    """

    name: str
    table: Table
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class ExportPeriod:
    """The days to import.

    Attributes:
        since: Unix seconds; days that begin before are left out. None for no limit.
        until: Unix seconds; days that end later are left out. None for no limit.
    """

    since: int | None = None
    until: int | None = None

    def skips(self, day: int) -> SkipReason | None:
        """Return why a day is left out; None if it is not. Days are counted since 1970."""
        if self.since is not None and day * _DAY < self.since:
            return SkipReason.EARLIER
        if self.until is not None and (day + 1) * _DAY > self.until:
            return SkipReason.LATER
        return None


def export_file(path: str) -> ExportFile | None:
    """Return what a path in the ZIP file names; None if it is no file of an export.

    Folders are ignored, since people pack exports anew.
    """
    name = path.replace("\\", "/").rpartition("/")[2]
    match = _FILE_NAME.fullmatch(name)
    if match is None or match[1] not in IMPORTED_TABLES:
        return None
    try:
        first, last = (_days(f"{text[:4]}-{text[4:6]}-{text[6:]}") for text in match.groups()[1:])
    except BrokenLineError:
        return None
    return ExportFile(name, IMPORTED_TABLES[match[1]], first, last)


class ExportReader:
    """Reads the lines of one file as rows of its table.

    Attributes:
        left_out: Names of columns that the table does not have.
    """

    def __init__(self, file: ExportFile, header: bytes, site_id: int, import_id: int) -> None:
        """Create the reader.

        Args:
            file: The file.
            header: Its first line.
            site_id: Id of the site.
            import_id: Id of the import.

        Raises:
            BrokenLineError: The header lacks required columns, or names one twice.
        """
        if len(header) > LINE_BYTES:
            raise BrokenLineError(f"has a first line of more than {LINE_BYTES} bytes")
        names = [name.lower() for name in names_of(header.rstrip(b"\r\n"))]
        columns = {column.name: column for column in file.table.inserted}
        for name in ("visitors", *file.table.order_by):
            if name not in names and name not in _OF_THE_IMPORT | _LATER_COLUMNS:
                raise BrokenLineError(f"names no column {name}")
        if len(set(names)) < len(names):
            raise BrokenLineError("names a column twice")
        taken = columns.keys() - _OF_THE_IMPORT
        self.left_out = tuple(name for name in names if name not in taken)
        self._width = len(names)
        given = {"site_id": site_id, "import_id": import_id}
        self._blank = [
            given.get(name, "" if "String" in column.type else 0)
            for name, column in columns.items()
        ]
        layout = list(columns)
        self._cells: list[tuple[int, int, Callable[[str], Any]]] = [
            (position, layout.index(name), _parser(columns[name], file))
            for position, name in enumerate(names)
            if name in taken
        ]
        self.day_position = layout.index("date")

    def read(self, line: bytes) -> Row:
        """Read a line.

        Raises:
            BrokenLineError: The line is not CSV, or a value does not fit its column.
        """
        if len(line) > LINE_BYTES:
            raise BrokenLineError(f"has more than {LINE_BYTES} bytes")
        cells = cells_of(line.rstrip(b"\r\n"))
        if len(cells) != self._width:
            raise BrokenLineError(f"has {len(cells)} columns, expected {self._width}")
        row = self._blank.copy()
        for position, place, parse in self._cells:
            row[place] = parse(cells[position])
        return tuple(row)


def _parser(column: Column, file: ExportFile) -> Callable[[str], Any]:
    if column.type == "Date":

        def parse_day(text: str) -> int:
            day = _days(text)
            if not file.first <= day <= file.last:
                raise BrokenLineError("date: is not within the days in the file's name")
            if not 0 <= day <= _LAST_DAY:
                raise BrokenLineError("date: is not from 1970 to 2148")
            return day

        return parse_day
    if column.type not in _NUMBERS:
        return str
    limit = _NUMBERS[column.type]

    def parse_number(text: str) -> int:
        if not (text.isascii() and text.isdecimal()) or len(text) > _LONGEST_NUMBER:
            raise BrokenLineError(f"{column.name}: is no whole number")
        number = int(text)
        if number >= limit:
            raise BrokenLineError(f"{column.name}: is too large")
        return number

    return parse_number


@lru_cache(maxsize=4096)
def _days(text: str) -> int:
    """Return the days since 1970 of a date such as `2026-01-31`."""
    try:
        if _DATE.fullmatch(text) is None:
            raise ValueError
        return (date.fromisoformat(text) - _EPOCH).days
    except ValueError:
        raise BrokenLineError("date: is not like 2026-01-31") from None
