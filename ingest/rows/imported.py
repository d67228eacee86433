"""The tables with the sums of other analytics, as in Plausible's database (spec/schema.md §6).

One row has a day's sums for one value. They are created when something is imported into them.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ingest.rows.lookups import place_names
from ingest.rows.schema import MERGE_TREE_SETTINGS, Column, Table

_TYPES: Final = {"text": "String", "enum": "LowCardinality(String)", "u32": "UInt32"}


def _table(name: str, order_by: str, columns: str) -> Table:
    """Describe a table.

    Args:
        name: Without the common beginning.
        order_by: Names of columns.
        columns: Names of columns. One that is no UInt64 has its type behind a colon.
    """
    return Table(
        name=f"imported_{name}",
        columns=tuple(
            Column(column, _TYPES.get(kind, kind) or "UInt64")
            for column, _, kind in (each.partition(":") for each in columns.split())
        ),
        engine="MergeTree",
        primary_key=tuple(order_by.split()),
        order_by=tuple(order_by.split()),
        settings=MERGE_TREE_SETTINGS,
    )


_SITE_AND_DATE: Final = "site_id date:Date"

IMPORTED_TABLES: Final[Mapping[str, Table]] = MappingProxyType(
    {
        table.name: table
        for table in (
            _table(
                "visitors",
                "site_id date",
                f"{_SITE_AND_DATE} visitors pageviews bounces visits visit_duration import_id",
            ),
            _table(
                "sources",
                "site_id date source",
                f"{_SITE_AND_DATE} source:text utm_medium:text utm_campaign:text utm_content:text "
                "utm_term:text visitors visits visit_duration bounces:u32 import_id pageviews "
                "referrer:text utm_source:text channel:enum",
            ),
            _table(
                "pages",
                "site_id date hostname page",
                f"{_SITE_AND_DATE} hostname:text page:text visitors pageviews exits import_id "
                "visits total_scroll_depth total_scroll_depth_visits total_time_on_page "
                "total_time_on_page_visits",
            ),
            _table(
                "custom_events",
                "site_id import_id date name",
                "site_id import_id date:Date name:text link_url:text path:text visitors events",
            ),
            _table(
                "custom_props",
                "site_id import_id date property",
                "site_id import_id date:Date property:text value:text visitors events",
            ),
            _table(
                "operating_systems",
                "site_id date operating_system",
                f"{_SITE_AND_DATE} operating_system:text visitors visits visit_duration "
                "bounces:u32 import_id pageviews operating_system_version:text",
            ),
            _table(
                "browsers",
                "site_id date browser",
                f"{_SITE_AND_DATE} browser:text visitors visits visit_duration bounces:u32 "
                "import_id pageviews browser_version:text",
            ),
            _table(
                "devices",
                "site_id date device",
                f"{_SITE_AND_DATE} device:text visitors visits visit_duration bounces:u32 "
                "import_id pageviews",
            ),
            _table(
                "entry_pages",
                "site_id date entry_page",
                f"{_SITE_AND_DATE} entry_page:text visitors entrances visit_duration bounces:u32 "
                "import_id pageviews",
            ),
            _table(
                "exit_pages",
                "site_id date exit_page",
                f"{_SITE_AND_DATE} exit_page:text visitors exits import_id pageviews bounces:u32 "
                "visit_duration",
            ),
            _table(
                "locations",
                "site_id date country region city",
                f"{_SITE_AND_DATE} country:text region:text city visitors visits visit_duration "
                "bounces:u32 import_id pageviews",
            ),
        )
    }
)
"""The tables by name."""

LOCATIONS: Final = IMPORTED_TABLES["imported_locations"]
_PLACES: Final = {
    "country_name": ("country", "country"),
    "region_name": ("subdivision", "region"),
    "city_name": ("city", "city"),
}


def imported_statements(
    tables: tuple[Table, ...], database: str, settings: Mapping[str, str]
) -> tuple[str, ...]:
    """The statements that create tables; each does nothing where its table exists.

    Args:
        tables: Some of `IMPORTED_TABLES`.
        database: Where they belong; it exists.
        settings: Settings of the engine in addition to the tables' own.
    """
    return tuple(
        table.create_statement(database, {**dict(table.settings), **settings}) for table in tables
    )


def place_name_statement(database: str) -> str:
    """The statement that adds the names of places to the locations."""
    return place_names(database, LOCATIONS, _PLACES)
