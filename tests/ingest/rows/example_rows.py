"""Rows for tests, in the layout of a table, with only the interesting values spelled out."""

from typing import Any

from ingest.rows.schema import Table

MOMENT = 1_763_900_000


def blank(column_type: str) -> Any:
    """A value that fits any column of this type."""
    if column_type.startswith("Nullable"):
        return None
    if column_type == "DateTime":
        return MOMENT
    if column_type == "Array(String)":
        return ()
    return "" if "String" in column_type else 0


def row(table: Table, **values: Any) -> tuple[Any, ...]:
    """A row with these values and blanks; `__` in a name stands for a dot."""
    given = {name.replace("__", "."): value for name, value in values.items()}
    cells = tuple(given.pop(column.name, blank(column.type)) for column in table.inserted)
    assert not given, f"no such columns: {given}"
    return cells
