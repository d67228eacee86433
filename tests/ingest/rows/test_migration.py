from dataclasses import replace

import pytest

from ingest.rows.lookups import PLACE_NAMES, lookup_statements
from ingest.rows.migration import ExistingColumn, ExistingTable, plan_migration
from ingest.rows.schema import COUNTERS, EVENTS, SESSIONS, TABLES, Table, create_statements

Existing = dict[str, ExistingTable]


def as_made_by_sluice(table: Table) -> ExistingTable:
    columns = {
        column.name: ExistingColumn(column.type, "ALIAS" if column.alias else "")
        for column in table.columns
    }
    if table is not COUNTERS:
        columns |= {name: ExistingColumn("String", "ALIAS") for name in PLACE_NAMES}
    return ExistingTable(table.engine.partition("(")[0], columns)


def complete() -> Existing:
    return {name: as_made_by_sluice(table) for name, table in TABLES.items()}


def with_column(
    existing: Existing, table: Table, name: str, column: ExistingColumn | None
) -> Existing:
    columns = {k: v for k, v in existing[table.name].columns.items() if k != name}
    if column is not None:
        columns[name] = column
    return existing | {table.name: replace(existing[table.name], columns=columns)}


def made_by_plausible() -> Existing:
    computed = ExistingColumn("LowCardinality(String)", "MATERIALIZED")
    existing = with_column(complete(), EVENTS, "acquisition_channel", computed)
    return with_column(existing, SESSIONS, "acquisition_channel", computed)


def test_an_empty_database_gets_everything() -> None:
    plan = plan_migration({}, "db", durable=True)
    assert plan.problems == ()
    assert plan.statements == create_statements("db", durable=True)
    assert plan.lookups == lookup_statements("db")
    assert plan.left_out == {}
    assert plan.notes == ("events_v2, sessions_v2, ingest_counters: created",)


def test_a_complete_database_is_left_alone() -> None:
    plan = plan_migration(complete(), "db")
    assert (plan.problems, plan.statements, plan.lookups) == ((), (), ())
    assert (plan.left_out, plan.notes) == ({}, ())


def test_a_missing_table_is_created() -> None:
    existing = complete()
    del existing["ingest_counters"]
    plan = plan_migration(existing, "db", known_settings=())
    assert plan.statements == create_statements("db", tables={"ingest_counters"}, known_settings=())
    assert plan.notes == ("ingest_counters: created",)


def test_columns_of_a_later_version_are_added() -> None:
    existing = with_column(complete(), EVENTS, "engagement_time", None)
    existing = with_column(existing, EVENTS, "os", None)
    existing = with_column(existing, SESSIONS, "batch", None)
    plan = plan_migration(existing, "db")
    assert plan.statements == (
        "ALTER TABLE `db`.`events_v2` ADD COLUMN IF NOT EXISTS `engagement_time` UInt32, "
        "ADD COLUMN IF NOT EXISTS `os` LowCardinality(String) ALIAS operating_system",
        "ALTER TABLE `db`.`sessions_v2` ADD COLUMN IF NOT EXISTS `batch` UInt64",
    )
    assert plan.left_out == {}


def test_missing_place_names_are_added_again() -> None:
    existing = with_column(complete(), SESSIONS, "city_name", None)
    assert plan_migration(existing, "db").lookups == lookup_statements("db")


def test_a_database_made_by_plausible_is_not_altered() -> None:
    existing = with_column(made_by_plausible(), EVENTS, "engagement_time", None)
    existing = with_column(existing, EVENTS, "device", None)
    plan = plan_migration(existing, "db")
    assert (plan.problems, plan.statements, plan.lookups) == ((), (), ())
    assert plan.left_out == {
        "events_v2": {"acquisition_channel", "engagement_time"},
        "sessions_v2": {"acquisition_channel"},
        "ingest_counters": frozenset(),
    }
    assert plan.by_plausible
    assert plan.notes == (
        "made by Plausible: nothing is created or altered here",
        "events_v2: inserted without acquisition_channel, engagement_time",
        "sessions_v2: inserted without acquisition_channel",
    )


def older_plausible() -> Existing:
    """Before channels were computed, and before counters knew of trackers' versions."""
    existing = with_column(complete(), EVENTS, "acquisition_channel", None)
    existing = with_column(existing, SESSIONS, "acquisition_channel", None)
    return with_column(existing, COUNTERS, "tracker_script_version", None)


def test_an_older_plausible_is_told_by_its_migrations() -> None:
    plan = plan_migration(older_plausible(), "db", marked=True)
    assert plan.by_plausible
    assert (plan.problems, plan.statements, plan.lookups) == ((), (), ())
    assert plan.left_out == {
        "events_v2": {"acquisition_channel"},
        "sessions_v2": {"acquisition_channel"},
        "ingest_counters": {"tracker_script_version"},
    }
    assert plan_migration(older_plausible(), "db").problems == (
        "ingest_counters: the column tracker_script_version is missing",
    )


def test_tables_of_other_programs_migrations_do_not_matter() -> None:
    plan = plan_migration({}, "db", marked=True)
    assert not plan.by_plausible
    assert plan.statements == create_statements("db")


def test_a_plausible_that_is_too_old() -> None:
    existing = older_plausible()
    existing["sessions_v2"] = replace(existing["sessions_v2"], engine="CollapsingMergeTree")
    existing = with_column(existing, SESSIONS, "sign", None)
    assert plan_migration(existing, "db", marked=True).problems == (
        "sessions_v2: its engine is CollapsingMergeTree, VersionedCollapsingMergeTree is needed; "
        "upgrade Plausible, whose migrations change it",
        "sessions_v2: the column sign is missing",
    )


def test_a_database_made_by_plausible_must_be_whole() -> None:
    existing = made_by_plausible()
    del existing["ingest_counters"]
    plan = plan_migration(existing, "db")
    assert plan.problems == ("ingest_counters: missing in a database made by Plausible",)
    assert plan.statements == ()


@pytest.mark.parametrize(
    ("table", "column", "found", "problem"),
    [
        (EVENTS, "site_id", None, "events_v2: the column site_id is missing"),
        (EVENTS, "timestamp", None, "events_v2: the column timestamp is missing"),
        (SESSIONS, "sign", None, "sessions_v2: the column sign is missing"),
        (SESSIONS, "events", None, "sessions_v2: the column events is missing"),
        (COUNTERS, "value", None, "ingest_counters: the column value is missing"),
        (EVENTS, "user_id", "UInt32", "events_v2: user_id is UInt32, UInt64 is needed"),
        (
            EVENTS,
            "timestamp",
            "DateTime64(3)",
            "events_v2: timestamp is DateTime64(3), DateTime is needed",
        ),
        (EVENTS, "meta.key", "String", "events_v2: meta.key is String, Array(String) is needed"),
    ],
)
def test_problems(table: Table, column: str, found: str | None, problem: str) -> None:
    existing = with_column(complete(), table, column, ExistingColumn(found) if found else None)
    plan = plan_migration(existing, "db")
    assert plan.problems == (problem,)
    assert (plan.statements, plan.lookups) == ((), ())


@pytest.mark.parametrize(
    ("table", "column", "found"),
    [
        (EVENTS, "name", "String"),
        (EVENTS, "hostname", "LowCardinality(String)"),
        (EVENTS, "timestamp", "DateTime('UTC')"),
        (EVENTS, "revenue_source_amount", "Nullable(Decimal(18,3))"),
        (SESSIONS, "country_code", "FixedString(2)"),
        (EVENTS, "channel", "Int8"),
    ],
    ids=["plain", "low cardinality", "time zone", "spaces", "fixed", "not inserted"],
)
def test_differences_that_do_not_matter(table: Table, column: str, found: str) -> None:
    existing = with_column(complete(), table, column, ExistingColumn(found))
    assert plan_migration(existing, "db").problems == ()


@pytest.mark.parametrize(
    ("engine", "fits"),
    [
        ("VersionedCollapsingMergeTree", True),
        ("ReplicatedVersionedCollapsingMergeTree", True),
        ("SharedVersionedCollapsingMergeTree", True),
        ("MergeTree", False),
        ("CollapsingMergeTree", False),
        ("View", False),
    ],
)
def test_engine(engine: str, fits: bool) -> None:
    existing = complete()
    existing["sessions_v2"] = replace(existing["sessions_v2"], engine=engine)
    problem = f"sessions_v2: its engine is {engine}, VersionedCollapsingMergeTree is needed"
    assert plan_migration(existing, "db").problems == (() if fits else (problem,))


def test_tables_that_forget_inserts_are_noted() -> None:
    existing = made_by_plausible()
    existing["ingest_counters"] = replace(existing["ingest_counters"], deduplicates=False)
    notes = plan_migration(existing, "db").notes
    assert notes[-1].startswith("ingest_counters: inserts are not recognised")
    assert "MODIFY SETTING non_replicated_deduplication_window = 1000" in notes[-1]
