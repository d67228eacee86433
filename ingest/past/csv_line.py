"""Lines of CSV files, and the columns that their first lines name."""

import csv
import io
from collections.abc import Sequence
from typing import Final

from ingest.past.past_event import BrokenLineError, text_of

_MARK: Final = "\ufeff"
"""The byte order mark, with which some programs begin a file."""


def cells_of(line: bytes) -> list[str]:
    """Return the cells of a line.

    Raises:
        BrokenLineError: It is not a line of CSV.
    """
    try:
        rows = list(csv.reader(io.StringIO(text_of(line), newline=""), strict=True))
    except csv.Error:
        raise BrokenLineError("not a line of CSV") from None
    if len(rows) != 1 or not rows[0]:
        raise BrokenLineError("not a line of CSV")
    return rows[0]


def names_of(header: bytes) -> list[str]:
    """Return the names in a file's first line, without spaces around them.

    Raises:
        BrokenLineError: It is not a line of CSV.
    """
    names = cells_of(header)
    names[0] = names[0].removeprefix(_MARK)
    return [name.strip() for name in names]


def is_whole(line: bytes) -> bool:
    """Whether a record ends with this line: it has no open quote."""
    return line.count(b'"') % 2 == 0


def row_of(line: bytes, names: Sequence[str]) -> dict[str, str]:
    """Return the cells of a line by the names of their columns.

    Raises:
        BrokenLineError: The line is not CSV, or has more or fewer columns.
    """
    cells = cells_of(line)
    if len(cells) != len(names):
        raise BrokenLineError(f"has {len(cells)} columns, expected {len(names)}")
    return dict(zip(names, cells, strict=True))


class CsvRecords:
    """Tells where the records of a CSV file end."""

    def is_whole(self, line: bytes) -> bool:
        """See `is_whole`."""
        return is_whole(line)
