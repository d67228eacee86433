import pytest

from ingest.rows.schema import (
    COUNTERS,
    EVENTS,
    SESSIONS,
    TABLES,
    Table,
    create_statements,
    quote_identifier,
    quote_string,
)

LAYOUTS = {
    "events_v2": (
        "timestamp name site_id user_id session_id hostname pathname referrer referrer_source "
        "country_code screen_size operating_system browser utm_medium utm_source utm_campaign "
        "meta.key meta.value browser_version operating_system_version subdivision1_code "
        "subdivision2_code city_geoname_id utm_content utm_term revenue_reporting_amount "
        "revenue_reporting_currency revenue_source_amount revenue_source_currency click_id_param "
        "scroll_depth acquisition_channel engagement_time"
    ),
    "sessions_v2": (
        "session_id sign site_id user_id hostname timestamp start is_bounce entry_page exit_page "
        "pageviews events duration referrer referrer_source country_code screen_size "
        "operating_system browser utm_medium utm_source utm_campaign utm_content utm_term "
        "browser_version operating_system_version subdivision1_code subdivision2_code "
        "city_geoname_id entry_meta.key entry_meta.value exit_page_hostname click_id_param "
        "acquisition_channel"
    ),
    "ingest_counters": "event_timebucket domain site_id metric value tracker_script_version",
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_layout_of_a_row(name: str) -> None:
    assert [column.name for column in TABLES[name].inserted] == LAYOUTS[name].split()


@pytest.mark.parametrize(
    ("table", "column", "declaration"),
    [
        (EVENTS, "timestamp", "`timestamp` DateTime CODEC(Delta(4), LZ4)"),
        (EVENTS, "name", "`name` LowCardinality(String)"),
        (EVENTS, "hostname", "`hostname` String CODEC(ZSTD(3))"),
        (EVENTS, "country_code", "`country_code` FixedString(2)"),
        (EVENTS, "meta.key", "`meta.key` Array(String) CODEC(ZSTD(3))"),
        (EVENTS, "batch", "`batch` UInt64"),
        (EVENTS, "source", "`source` String ALIAS referrer_source"),
        (EVENTS, "device", "`device` LowCardinality(String) ALIAS screen_size"),
        (EVENTS, "city", "`city` UInt32 ALIAS city_geoname_id"),
        (SESSIONS, "country_code", "`country_code` LowCardinality(FixedString(2))"),
        (SESSIONS, "sign", "`sign` Int8"),
        (SESSIONS, "entry_page_hostname", "`entry_page_hostname` String ALIAS hostname"),
        (COUNTERS, "site_id", "`site_id` Nullable(UInt64)"),
    ],
)
def test_declaration(table: Table, column: str, declaration: str) -> None:
    declarations = {each.name: each.declaration() for each in table.columns}
    assert declarations[column] == declaration


def test_statements_create_all_tables_in_the_database() -> None:
    statements = create_statements("my `db`")
    assert [statement.split("\n")[0] for statement in statements] == [
        r"CREATE TABLE IF NOT EXISTS `my \`db\``.`events_v2`",
        r"CREATE TABLE IF NOT EXISTS `my \`db\``.`sessions_v2`",
        r"CREATE TABLE IF NOT EXISTS `my \`db\``.`ingest_counters`",
    ]
    assert statements == create_statements("my `db`")


def test_statement_of_sessions_ends_with_its_engine() -> None:
    (statement,) = create_statements("db", tables={"sessions_v2"})
    assert statement.endswith(
        "INDEX minmax_timestamp timestamp TYPE minmax GRANULARITY 1,\n"
        "    INDEX minmax_batch batch TYPE minmax GRANULARITY 1\n)\n"
        "ENGINE = VersionedCollapsingMergeTree(sign, events)\n"
        "PARTITION BY toYYYYMM(start)\n"
        "PRIMARY KEY (site_id, toDate(start), user_id, session_id)\n"
        "ORDER BY (site_id, toDate(start), user_id, session_id)\n"
        "SAMPLE BY user_id\n"
        "SETTINGS index_granularity = 8192, non_replicated_deduplication_window = 1000"
    )


def test_settings_unknown_to_the_server_are_left_out() -> None:
    (known,) = create_statements("db", tables={"ingest_counters"})
    (unknown,) = create_statements("db", tables={"ingest_counters"}, known_settings=())
    assert known == unknown + ", deduplicate_merge_projection_mode = 'rebuild'"
    assert "PARTITION BY" not in known
    assert "SAMPLE BY" not in known


def test_durable_tables_reach_the_disk_before_an_insert_returns() -> None:
    for statement in create_statements("db", durable=True):
        assert statement.endswith("fsync_after_insert = 1, fsync_part_directory = 1")


def test_quotes() -> None:
    assert quote_identifier("a`b\\c") == r"`a\`b\\c`"
    assert quote_string("it's \\") == r"'it\'s \\'"
