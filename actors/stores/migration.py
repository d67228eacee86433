"""Inspects a store's tables and runs the migration planned by `ingest.rows.migration`."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from actors.stores.store import StoreError, StoreMisconfigured
from ingest.rows.imported import LOCATIONS, imported_statements, place_name_statement
from ingest.rows.migration import (
    PLAUSIBLE_MARK,
    ExistingColumn,
    ExistingTable,
    plan_migration,
)
from ingest.rows.schema import (
    DURABLE,
    OPTIONAL_SETTINGS,
    TABLES,
    Table,
    quote_string,
    settings_of_version,
)

Execute = Callable[[str], Awaitable[Sequence[Sequence[str]]]]
"""Runs a statement and returns its rows, all cells as text."""


@dataclass(frozen=True, slots=True)
class Migrated:
    """The result of a migration.

    Attributes:
        left_out: By table: the columns that rows hold and inserts must leave out.
        forgetful: Names of tables that do not recognise an insert by its token.
        findings: Information for the operator, one per line.
        by_plausible: Whether Plausible's migrations made the tables.
    """

    left_out: Mapping[str, frozenset[str]] = field(default_factory=dict)
    forgetful: frozenset[str] = frozenset()
    findings: tuple[str, ...] = ()
    by_plausible: bool = False


async def migrate(execute: Execute, database: str, *, durable: bool = False) -> Migrated:
    """Create or migrate the tables; several processes may do so at once.

    Args:
        execute: Raises a `StoreError` when the statement fails.
        database: Its name; it exists.
        durable: As for `ingest.rows.schema.create_statements`.

    Raises:
        StoreMisconfigured: The existing tables cannot be used.
        StoreError: As `execute` does.
    """
    existing, marked = await _existing_tables(execute, database)
    plan = plan_migration(
        existing,
        database,
        known_settings=await _known_settings(execute) if len(existing) < len(TABLES) else (),
        durable=durable,
        marked=marked,
    )
    if plan.problems:
        raise StoreMisconfigured(
            f"the tables in the database {database} cannot be used: {'; '.join(plan.problems)}"
        )
    for statement in plan.statements:
        await execute(statement)
    findings = list(plan.notes)
    try:
        for statement in plan.lookups:
            await execute(statement)
    except StoreError as error:
        findings.append(f"country_name, region_name and city_name are left out: {error}")
    timezone = (await execute("SELECT timezone()"))[0][0]
    if timezone not in ("UTC", "Etc/UTC"):
        findings.append(f"the time zone is {timezone}, not UTC: days and months begin by it")
    forgetful = frozenset(name for name, table in existing.items() if not table.deduplicates)
    return Migrated(plan.left_out, forgetful, tuple(findings), plan.by_plausible)


async def create_imported(
    execute: Execute, database: str, tables: Sequence[Table], *, durable: bool = False
) -> None:
    """Create the tables of an import, where they do not exist.

    Args:
        execute: Raises a `StoreError` when the statement fails.
        database: Its name; it exists.
        tables: Some of `ingest.rows.imported.IMPORTED_TABLES`.
        durable: As for `ingest.rows.schema.create_statements`.

    Raises:
        StoreError: As `execute` does.
    """
    settings = DURABLE if durable else {}
    for statement in imported_statements(tuple(tables), database, settings):
        await execute(statement)
    if LOCATIONS in tables:
        # Without the dictionary, or a privilege for it, only the names of places are missing.
        with suppress(StoreError):
            await execute(place_name_statement(database))


async def _existing_tables(
    execute: Execute, database: str
) -> tuple[dict[str, ExistingTable], bool]:
    """The existing tables, and whether Plausible's migrations have run."""
    tables = await execute(
        "SELECT name, engine, engine_full FROM system.tables "  # noqa: S608
        f"WHERE database = {quote_string(database)} AND name IN {_list(TABLES)}"
    )
    mark, column_of_mark = PLAUSIBLE_MARK
    columns: dict[str, dict[str, ExistingColumn]] = {name: {} for name, _, _ in tables}
    for table, name, column_type, kind in await execute(
        "SELECT table, name, type, default_kind FROM system.columns "  # noqa: S608
        f"WHERE database = {quote_string(database)} AND table IN {_list((*TABLES, mark))}"
    ):
        columns.setdefault(table, {})[name] = ExistingColumn(column_type, kind)
    existing = {
        name: ExistingTable(
            engine,
            columns[name],
            deduplicates=engine.startswith(("Replicated", "Shared"))
            or "non_replicated_deduplication_window" in engine_full,
        )
        for name, engine, engine_full in tables
    }
    return existing, column_of_mark in columns.get(mark, {})


async def _known_settings(execute: Execute) -> frozenset[str]:
    try:
        rows = await execute(
            f"SELECT name FROM system.merge_tree_settings WHERE name IN {_list(OPTIONAL_SETTINGS)}"  # noqa: S608
        )
    except StoreError:
        # By default, servers allow this only with a grant.
        version = (await execute("SELECT version()"))[0][0]
        return settings_of_version(version)
    return frozenset(row[0] for row in rows)


def _list(values: Iterable[str]) -> str:
    return f"({', '.join(map(quote_string, values))})"
