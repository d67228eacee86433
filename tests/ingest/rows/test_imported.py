import pytest

from ingest.rows.imported import IMPORTED_TABLES, imported_statements, place_name_statement

COLUMNS = {  # spec/schema.md §6
    "imported_visitors": (
        "site_id UInt64, date Date, visitors UInt64, pageviews UInt64, bounces UInt64, "
        "visits UInt64, visit_duration UInt64, import_id UInt64"
    ),
    "imported_sources": (
        "site_id UInt64, date Date, source String, utm_medium String, utm_campaign String, "
        "utm_content String, utm_term String, visitors UInt64, visits UInt64, "
        "visit_duration UInt64, bounces UInt32, import_id UInt64, pageviews UInt64, "
        "referrer String, utm_source String, channel LowCardinality(String)"
    ),
    "imported_pages": (
        "site_id UInt64, date Date, hostname String, page String, visitors UInt64, "
        "pageviews UInt64, exits UInt64, import_id UInt64, visits UInt64, "
        "total_scroll_depth UInt64, total_scroll_depth_visits UInt64, "
        "total_time_on_page UInt64, total_time_on_page_visits UInt64"
    ),
    "imported_custom_events": (
        "site_id UInt64, import_id UInt64, date Date, name String, link_url String, path String, "
        "visitors UInt64, events UInt64"
    ),
    "imported_custom_props": (
        "site_id UInt64, import_id UInt64, date Date, property String, value String, "
        "visitors UInt64, events UInt64"
    ),
    "imported_operating_systems": (
        "site_id UInt64, date Date, operating_system String, visitors UInt64, visits UInt64, "
        "visit_duration UInt64, bounces UInt32, import_id UInt64, pageviews UInt64, "
        "operating_system_version String"
    ),
    "imported_browsers": (
        "site_id UInt64, date Date, browser String, visitors UInt64, visits UInt64, "
        "visit_duration UInt64, bounces UInt32, import_id UInt64, pageviews UInt64, "
        "browser_version String"
    ),
    "imported_devices": (
        "site_id UInt64, date Date, device String, visitors UInt64, visits UInt64, "
        "visit_duration UInt64, bounces UInt32, import_id UInt64, pageviews UInt64"
    ),
    "imported_entry_pages": (
        "site_id UInt64, date Date, entry_page String, visitors UInt64, entrances UInt64, "
        "visit_duration UInt64, bounces UInt32, import_id UInt64, pageviews UInt64"
    ),
    "imported_exit_pages": (
        "site_id UInt64, date Date, exit_page String, visitors UInt64, exits UInt64, "
        "import_id UInt64, pageviews UInt64, bounces UInt32, visit_duration UInt64"
    ),
    "imported_locations": (
        "site_id UInt64, date Date, country String, region String, city UInt64, visitors UInt64, "
        "visits UInt64, visit_duration UInt64, bounces UInt32, import_id UInt64, pageviews UInt64"
    ),
}


@pytest.mark.parametrize("name", IMPORTED_TABLES)
def test_columns(name: str) -> None:
    columns = IMPORTED_TABLES[name].inserted
    assert ", ".join(f"{column.name} {column.type}" for column in columns) == COLUMNS[name]


def test_statements() -> None:
    pages = IMPORTED_TABLES["imported_pages"]
    (statement,) = imported_statements((pages,), "my db", {"fsync_after_insert": "1"})
    assert statement.startswith("CREATE TABLE IF NOT EXISTS `my db`.`imported_pages`\n")
    assert statement.endswith(
        "ENGINE = MergeTree\n"
        "PRIMARY KEY (site_id, date, hostname, page)\n"
        "ORDER BY (site_id, date, hostname, page)\n"
        "SETTINGS index_granularity = 8192, non_replicated_deduplication_window = 1000, "
        "fsync_after_insert = 1"
    )
    assert place_name_statement("db").startswith(
        "ALTER TABLE `db`.imported_locations ADD COLUMN IF NOT EXISTS `country_name` String ALIAS "
        "dictGet('db.location_data_dict', 'name', ('country', toString(country))), "
    )
