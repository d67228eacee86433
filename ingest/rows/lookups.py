"""The names of places in the tables: a dictionary and the columns that read it (spec/schema.md §4).

Only these columns depend on the dictionary, and a server may refuse it (it needs extra privileges),
so it is created separately from the tables.
"""

from collections.abc import Mapping

from ingest.rows.schema import EVENTS, SESSIONS, Column, Table, quote_identifier, quote_string

_KEYS = {
    "country_name": ("country", "country_code"),
    "region_name": ("subdivision", "subdivision1_code"),
    "city_name": ("city", "city_geoname_id"),
}

PLACE_NAMES = tuple(_KEYS)
"""The columns that look a name up."""


def lookup_statements(database: str) -> tuple[str, ...]:
    """The statements that add the place names, in order; they are idempotent."""
    quoted = quote_identifier(database)
    return (
        f"CREATE TABLE IF NOT EXISTS {quoted}.location_data "
        "(type LowCardinality(String), id String, name String) "
        "ENGINE = MergeTree ORDER BY (type, id) SETTINGS index_granularity = 128",
        f"CREATE DICTIONARY IF NOT EXISTS {quoted}.location_data_dict "
        "(type String, id String, name String) PRIMARY KEY type, id "
        f"SOURCE(CLICKHOUSE(DB {quote_string(database)} TABLE 'location_data')) "
        "LIFETIME(MIN 3600 MAX 7200) LAYOUT(COMPLEX_KEY_CACHE(SIZE_IN_CELLS 500000))",
        *(place_names(database, table, _KEYS) for table in (EVENTS, SESSIONS)),
    )


def place_names(database: str, table: Table, keys: Mapping[str, tuple[str, str]]) -> str:
    """The statement that adds columns with names of places to a table.

    Args:
        database: Where the table and the dictionary are.
        table: The table.
        keys: By name of the new column: the kind of place, and the column with its code.
    """
    dictionary = quote_string(f"{database}.location_data_dict")
    columns = (
        Column(
            name, "String", alias=f"dictGet({dictionary}, 'name', ('{kind}', toString({column})))"
        )
        for name, (kind, column) in keys.items()
    )
    return f"ALTER TABLE {quote_identifier(database)}.{table.name} " + ", ".join(
        f"ADD COLUMN IF NOT EXISTS {column.declaration()}" for column in columns
    )
