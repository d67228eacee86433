"""Plans the changes that a database needs before rows can be inserted."""

import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field

from ingest.rows.lookups import PLACE_NAMES, lookup_statements
from ingest.rows.schema import (
    DEDUPLICATION_WINDOW,
    EVENTS,
    OPTIONAL_SETTINGS,
    SESSIONS,
    TABLES,
    Table,
    create_statements,
    quote_identifier,
)

_COMPUTED = frozenset({"MATERIALIZED", "ALIAS"})

PLAUSIBLE_MARK = ("schema_migrations", "inserted_at")
"""The table, and a column of it, in which Plausible's migrations record their progress."""

_OF_LATER_PLAUSIBLES = frozenset({"tracker_script_version"})
"""Key columns that older versions do not have (spec/schema.md §5)."""


@dataclass(frozen=True, slots=True)
class ExistingColumn:
    """A column found in a database.

    Attributes:
        type: The ClickHouse type.
        default_kind: Empty, `DEFAULT`, `MATERIALIZED`, `ALIAS` or `EPHEMERAL`.
    """

    type: str
    default_kind: str = ""


@dataclass(frozen=True, slots=True)
class ExistingTable:
    """A table found in a database.

    Attributes:
        engine: Name of the engine, without arguments.
        columns: By name.
        deduplicates: Whether a repeated insert is recognised by its token.
    """

    engine: str
    columns: Mapping[str, ExistingColumn]
    deduplicates: bool = True


@dataclass(frozen=True, slots=True)
class Migration:
    """The outcome of `plan_migration`.

    Attributes:
        problems: Why no rows can be inserted; if there are any, do nothing else.
        statements: To be run in order; they are idempotent.
        lookups: Likewise, but a failure affects only the names of places.
        left_out: By table: the columns that rows hold and inserts must leave out.
        notes: Information for the operator.
        by_plausible: Whether Plausible's migrations made the tables.
    """

    problems: tuple[str, ...] = ()
    statements: tuple[str, ...] = ()
    lookups: tuple[str, ...] = ()
    left_out: Mapping[str, frozenset[str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    by_plausible: bool = False


def plan_migration(
    existing: Mapping[str, ExistingTable],
    database: str,
    *,
    known_settings: Container[str] = OPTIONAL_SETTINGS,
    durable: bool = False,
    marked: bool = False,
) -> Migration:
    """Plan the migration of a database.

    Missing tables are created, and columns of later versions are added. A database made by
    Plausible is not altered: inserts leave out columns that they cannot write. It is recognised by
    the table of its migrations (`PLAUSIBLE_MARK`), or by columns that ClickHouse computes there and
    Sluice would fill.

    Args:
        existing: Those of `TABLES` that are there, by name.
        database: Its name.
        known_settings: As for `create_statements`.
        durable: As for `create_statements`.
        marked: Whether the table of Plausible's migrations is there, too.
    """
    by_plausible = bool(existing) and (marked or any(_computes(*item) for item in existing.items()))
    problems = tuple(
        problem
        for name, table in existing.items()
        for problem in _problems(TABLES[name], table, by_plausible=by_plausible)
    )
    missing = tuple(name for name in TABLES if name not in existing)
    if by_plausible and missing:
        problems += (f"{', '.join(missing)}: missing in a database made by Plausible",)
    if problems:
        return Migration(problems=problems, by_plausible=by_plausible)
    notes = tuple(_deduplication_notes(existing))
    if by_plausible:
        left_out = {name: _not_writable(TABLES[name], table) for name, table in existing.items()}
        notes = (
            "made by Plausible: nothing is created or altered here",
            *(
                f"{name}: inserted without {', '.join(sorted(columns))}"
                for name, columns in left_out.items()
                if columns
            ),
            *notes,
        )
        return Migration(left_out=left_out, notes=notes, by_plausible=True)
    if missing:
        notes = (f"{', '.join(missing)}: created", *notes)
    notes += tuple(
        f"{name}: {', '.join(columns)}: added"
        for name, table in existing.items()
        if (columns := [c.name for c in TABLES[name].columns if c.name not in table.columns])
    )
    statements = (
        *create_statements(
            database, tables=missing, known_settings=known_settings, durable=durable
        ),
        *_additions(existing, database),
    )
    return Migration(
        statements=statements, lookups=_missing_lookups(existing, database), notes=notes
    )


def _computes(name: str, existing: ExistingTable) -> bool:
    """Whether ClickHouse fills a column of this table that we would fill."""
    return any(
        found.default_kind in _COMPUTED
        for column in TABLES[name].inserted
        if (found := existing.columns.get(column.name))
    )


def _problems(table: Table, existing: ExistingTable, *, by_plausible: bool) -> Iterator[str]:
    """Why rows of this table cannot be stored in the existing table."""
    family = table.engine.partition("(")[0]
    # Replicated and Shared variants keep the family's name at the end.
    if existing.engine.removeprefix("Replicated").removeprefix("Shared") != family:
        hint = "; upgrade Plausible, whose migrations change it" if by_plausible else ""
        yield f"{table.name}: its engine is {existing.engine}, {family} is needed{hint}"
    # Columns of sorting, partition or sum keys cannot be added to a table with data.
    key = " ".join((*table.order_by, table.partition_by, table.engine))
    for column in table.inserted:
        found = existing.columns.get(column.name)
        if found is None:
            dispensable = by_plausible and column.name in _OF_LATER_PLAUSIBLES
            if re.search(rf"\b{re.escape(column.name)}\b", key) and not dispensable:
                yield f"{table.name}: the column {column.name} is missing"
        elif found.default_kind not in _COMPUTED and _plain(found.type) != _plain(column.type):
            yield f"{table.name}: {column.name} is {found.type}, {column.type} is needed"


def _plain(column_type: str) -> str:
    """The part of the type that determines the encoding of values."""
    bare = re.sub(r"LowCardinality\((.+)\)$", r"\1", column_type.replace(" ", ""))
    return re.sub(r"^DateTime\(.+\)$", "DateTime", bare)


def _not_writable(table: Table, existing: ExistingTable) -> frozenset[str]:
    return frozenset(
        column.name
        for column in table.inserted
        if (found := existing.columns.get(column.name)) is None or found.default_kind in _COMPUTED
    )


def _additions(existing: Mapping[str, ExistingTable], database: str) -> Iterator[str]:
    for name, table in existing.items():
        additions = [
            f"ADD COLUMN IF NOT EXISTS {column.declaration()}"
            for column in TABLES[name].columns
            if column.name not in table.columns
        ]
        if additions:
            target = f"{quote_identifier(database)}.{quote_identifier(name)}"
            yield f"ALTER TABLE {target} {', '.join(additions)}"


def _missing_lookups(existing: Mapping[str, ExistingTable], database: str) -> tuple[str, ...]:
    complete = all(
        name in existing and all(column in existing[name].columns for column in PLACE_NAMES)
        for name in (EVENTS.name, SESSIONS.name)
    )
    return () if complete else lookup_statements(database)


def _deduplication_notes(existing: Mapping[str, ExistingTable]) -> Iterator[str]:
    for name, table in existing.items():
        if not table.deduplicates:
            yield (
                f"{name}: inserts are not recognised by their tokens; before one is repeated its "
                f"rows are looked for, which ALTER TABLE {name} MODIFY SETTING "
                f"non_replicated_deduplication_window = {DEDUPLICATION_WINDOW} makes needless"
            )
