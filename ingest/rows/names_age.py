"""The age of the source names in a database made by Plausible (spec/enrichment.md §5).

Migrations of June 2026 rename sources in stored rows, and change the categories from which
ClickHouse computes channels. Events, sessions and the log hold the newest names. Rows get the names
of their database when they are inserted, so that an event that waited for the end of a migration
has the new name, and the cancellation of a row has the name that the row has by then.
"""

import enum
from collections.abc import Iterable, Sequence
from typing import Final

from ingest.enrichment.source import older_source
from ingest.rows.layout import Row
from ingest.rows.schema import EVENTS, SESSIONS, Table, quote_identifier

RENAMING_MIGRATION: Final = 20260601000001
"""The version of Plausible's migration that renames sources."""

NAMED_TABLES: Final = frozenset({EVENTS.name, SESSIONS.name})
"""Names of the tables with sources."""


class NamesAge(enum.StrEnum):
    """Which names the sources of a database have; the value describes it to the operator."""

    NEWEST = f"those since June 2026 (Plausible's migration {RENAMING_MIGRATION} has run)"
    OLDER = f"those before June 2026 (Plausible's migration {RENAMING_MIGRATION} has not run)"
    UNKNOWN = "those before June 2026, as schema_migrations is missing or may not be read"
    """Counts as older, like the newest release that is known."""


def names_age_query(database: str) -> str:
    """Counts the migrations that rename sources."""
    return (
        f"SELECT count() FROM {quote_identifier(database)}.schema_migrations "  # noqa: S608
        f"WHERE toString(version) = '{RENAMING_MIGRATION}'"
    )


def rows_of_age(age: NamesAge, table: Table, rows: Sequence[Row]) -> Sequence[Row]:
    """Return rows with the source names of an age; other tables' rows are returned as they are."""
    if age is NamesAge.NEWEST or table.name not in NAMED_TABLES:
        return rows
    return list(_older(table, rows))


def _older(table: Table, rows: Iterable[Row]) -> Iterable[Row]:
    names = [column.name for column in table.inserted]
    source, tag, referrer = map(names.index, ("referrer_source", "utm_source", "referrer"))
    for row in rows:
        # A row that does not fit the table is refused when it is encoded.
        if len(row) == len(names) and all(
            isinstance(row[position], str) for position in (source, tag, referrer)
        ):
            name = older_source(row[source], row[tag], row[referrer])
            yield (*row[:source], name, *row[source + 1 :])
        else:
            yield row
