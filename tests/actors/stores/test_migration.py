from collections.abc import Sequence

import pytest

from actors.stores.migration import migrate
from actors.stores.store import StoreMisconfigured, StoreUnavailable
from ingest.rows.lookups import lookup_statements
from ingest.rows.schema import TABLES, create_statements, settings_of_version

Rows = Sequence[Sequence[str]]


class Database:
    """Answers what is asked of the system tables, and notes what it is told to do."""

    def __init__(
        self,
        *,
        tables: Rows = (),
        columns: Rows = (),
        settings: Rows = (),
        timezone: str = "UTC",
        refused: str = "nothing",
    ) -> None:
        self._answers = {
            "FROM system.tables": tables,
            "FROM system.columns": columns,
            "FROM system.merge_tree_settings": settings,
            "SELECT timezone()": [[timezone]],
        }
        self._refused = refused
        self.done: list[str] = []
        self.asked: list[str] = []

    async def execute(self, sql: str) -> Rows:
        for beginning, rows in self._answers.items():
            if beginning in sql:
                self.asked.append(beginning)
                return rows
        if self._refused in sql:
            raise StoreUnavailable(f"{self._refused}: not enough privileges")
        self.done.append(sql)
        return ()


async def test_an_empty_database() -> None:
    database = Database()
    migrated = await migrate(database.execute, "db", durable=True)
    assert tuple(database.done) == (
        *create_statements("db", known_settings=(), durable=True),
        *lookup_statements("db"),
    )
    assert migrated.findings == ("events_v2, sessions_v2, ingest_counters: created",)


async def test_settings_that_the_server_knows() -> None:
    database = Database(settings=[["deduplicate_merge_projection_mode"]], timezone="Etc/UTC")
    await migrate(database.execute, "db")
    assert tuple(database.done[:3]) == create_statements("db")


async def test_a_refused_dictionary_costs_the_place_names_only() -> None:
    database = Database(refused="CREATE DICTIONARY")
    migrated = await migrate(database.execute, "db")
    assert migrated.findings[1:] == (
        "country_name, region_name and city_name are left out: "
        "CREATE DICTIONARY: not enough privileges",
    )


async def test_a_refused_table_is_an_error() -> None:
    with pytest.raises(StoreUnavailable, match="not enough privileges"):
        await migrate(Database(refused="CREATE TABLE").execute, "db")


async def test_another_time_zone_is_told() -> None:
    migrated = await migrate(Database(timezone="Europe/Tallinn").execute, "db")
    assert migrated.findings[1:] == (
        "the time zone is Europe/Tallinn, not UTC: days and months begin by it",
    )


@pytest.mark.parametrize(
    ("engine", "engine_full", "noted"),
    [
        ("SummingMergeTree", "SummingMergeTree(value) ORDER BY domain", True),
        (
            "SummingMergeTree",
            "SummingMergeTree SETTINGS non_replicated_deduplication_window = 5",
            False,
        ),
        ("ReplicatedSummingMergeTree", "ReplicatedSummingMergeTree('/x', 'y')", False),
        ("SharedSummingMergeTree", "SharedSummingMergeTree", False),
    ],
)
async def test_tables_that_forget_inserts(engine: str, engine_full: str, noted: bool) -> None:
    columns = {
        "event_timebucket": "DateTime",
        "domain": "LowCardinality(String)",
        "site_id": "Nullable(UInt64)",
        "metric": "LowCardinality(String)",
        "value": "UInt64",
        "tracker_script_version": "UInt16",
    }
    database = Database(
        tables=[["ingest_counters", engine, engine_full]],
        columns=[["ingest_counters", name, kind, ""] for name, kind in columns.items()],
    )
    migrated = await migrate(database.execute, "db")
    assert any("are not recognised" in finding for finding in migrated.findings) is noted


async def test_a_database_made_by_plausible_is_only_looked_at() -> None:
    """A user with rights on its own tables only may not read all of the system's."""
    tables = [[table.name, table.engine.partition("(")[0], ""] for table in TABLES.values()]
    columns = [
        [table.name, column.name, column.type, "ALIAS" if column.alias else ""]
        for table in TABLES.values()
        for column in table.columns
    ]
    database = Database(
        tables=tables, columns=[*columns, ["schema_migrations", "inserted_at", "DateTime", ""]]
    )
    migrated = await migrate(database.execute, "db")
    assert database.done == []
    assert database.asked == ["FROM system.tables", "FROM system.columns", "SELECT timezone()"]
    assert migrated.findings[0] == "made by Plausible: nothing is created or altered here"
    assert migrated.forgetful == TABLES.keys()


async def test_problems_stop_it_before_anything_is_done() -> None:
    database = Database(tables=[["events_v2", "Log", "Log"]])
    with pytest.raises(StoreMisconfigured, match=r"^the tables in the database db cannot be used"):
        await migrate(database.execute, "db")
    assert database.done == []


@pytest.mark.parametrize(("version", "known"), [("24.7.9.1", False), ("24.8.4.13", True)])
async def test_settings_that_may_not_be_looked_at(version: str, known: bool) -> None:
    database = Database()

    async def execute(sql: str) -> Rows:
        if "system.merge_tree_settings" in sql:
            raise StoreUnavailable("not enough privileges")
        return [[version]] if sql == "SELECT version()" else await database.execute(sql)

    await migrate(execute, "db")
    settings = settings_of_version(version)
    assert bool(settings) == known
    assert tuple(database.done[:3]) == create_statements("db", known_settings=settings)


def test_a_version_that_is_no_number_is_new() -> None:
    assert settings_of_version("unreleased") == settings_of_version("99.1")
