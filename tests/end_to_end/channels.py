"""Compares stored channels with those that ClickHouse computes, as in a database of Plausible."""

import re
from pathlib import Path
from typing import Any, Final

from ingest.enrichment.channel import acquisition_channel
from ingest.enrichment.source_tables import SourceTables, source_tables
from ingest.rows.schema import quote_string
from tests.end_to_end.schema_file import statements
from tests.end_to_end.sluice import Sluice

PLAUSIBLE_SCHEMA: Final = Path(__file__).with_name("plausible_schema.sql")

COLUMNS: Final = ("referrer_source", "utm_medium", "utm_campaign", "utm_source", "click_id_param")
"""What a channel is computed from."""

TABLES: Final = ("events_v2", "sessions_v2")


def stored_channels(table: str) -> str:
    """A query for all combinations of the columns and the channel."""
    return f"SELECT DISTINCT {', '.join(COLUMNS)}, acquisition_channel AS channel FROM {table}"


def differing(rows: list[dict[str, Any]], *, older: bool) -> list[dict[str, Any]]:
    """The rows of `stored_channels` with another channel than ours."""
    return [
        row
        for row in rows
        if acquisition_channel(*[row[name] for name in COLUMNS], older=older) != row["channel"]
    ]


def check_channels(server: Sluice) -> None:
    """See that ClickHouse computes the channels that a server has stored in its own tables."""
    for table in TABLES:
        assert server.query(computed_channels(table)) == []


def computed_channels(table: str) -> str:
    """A query for the rows of our own tables that have another channel than ClickHouse computes."""
    tables = source_tables()
    (function,) = [
        statement
        for statement in statements(PLAUSIBLE_SCHEMA)
        if statement.startswith("CREATE OR REPLACE FUNCTION acquisition_channel")
    ]
    parameters, body = re.split(r"\s*->\s*", function.partition(" AS ")[2], maxsplit=1)
    values = (
        "lower(referrer_source), lower(utm_medium), lower(utm_campaign), lower(utm_source), "
        f"click_id_param, {_category(tables)}, lower(utm_source) IN ({_list(sorted(tables.paid))})"
    )
    return (
        f"WITH {parameters} -> {body} AS channel_of, channel_of({values}) AS computed "
        f"SELECT DISTINCT {', '.join(COLUMNS)}, acquisition_channel AS channel, computed "
        f"FROM {table} WHERE computed != acquisition_channel"
    )


def _category(tables: SourceTables) -> str:
    sources = _list(list(tables.categories))
    categories = _list([f"SOURCE_CATEGORY_{name}" for name in tables.categories.values()])
    return f"transform(lower(referrer_source), [{sources}], [{categories}], '')"


def _list(texts: list[str]) -> str:
    return ", ".join(map(quote_string, texts))
