"""The tables as data, and the statements that create them (spec/schema.md)."""

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

DEDUPLICATION_WINDOW = 1000
"""How many inserts a table remembers to recognise repeated tokens."""

_TEXT, _ENUM, _TIME = "ZSTD(3)", "LowCardinality(String)", "Delta(4), LZ4"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        name: As in the table; array pairs have a dot in it (`meta.key`).
        type: The ClickHouse type.
        codec: Arguments of CODEC; empty for the table's default.
        alias: The expression of a read-only column; empty for a stored one.
        inserted: Whether rows hold a value for it.
    """

    name: str
    type: str
    codec: str = ""
    alias: str = ""
    inserted: bool = True

    def declaration(self) -> str:
        """The column as in CREATE TABLE and ADD COLUMN."""
        words = [quote_identifier(self.name), self.type]
        if self.alias:
            words.append(f"ALIAS {self.alias}")
        if self.codec:
            words.append(f"CODEC({self.codec})")
        return " ".join(words)


@dataclass(frozen=True, slots=True)
class Table:
    """A table that the pipeline fills.

    Attributes:
        name: Without the database.
        columns: In the order of the declaration; those with `inserted` are a row's layout.
        engine: Engine with its arguments.
        primary_key: Expressions.
        order_by: Expressions; begins with the primary key.
        partition_by: Expression; empty for none.
        sample_by: Expression; empty for none.
        extras: Indexes and projections, as declared.
        settings: Settings of the engine.
    """

    name: str
    columns: tuple[Column, ...]
    engine: str
    primary_key: tuple[str, ...]
    order_by: tuple[str, ...]
    partition_by: str = ""
    sample_by: str = ""
    extras: tuple[str, ...] = ()
    settings: tuple[tuple[str, str], ...] = ()

    @property
    def inserted(self) -> tuple[Column, ...]:
        """The columns that rows hold values for: the layout of a row."""
        return tuple(column for column in self.columns if column.inserted and not column.alias)

    def create_statement(self, database: str, settings: Mapping[str, str]) -> str:
        """CREATE TABLE IF NOT EXISTS.

        Args:
            database: Where the table belongs.
            settings: The engine's, instead of the table's own.
        """
        parts = [column.declaration() for column in self.columns]
        target = f"{quote_identifier(database)}.{quote_identifier(self.name)}"
        clauses = [
            f"CREATE TABLE IF NOT EXISTS {target}",
            "(\n    " + ",\n    ".join((*parts, *self.extras)) + "\n)",
            f"ENGINE = {self.engine}",
        ]
        if self.partition_by:
            clauses.append(f"PARTITION BY {self.partition_by}")
        clauses.append(f"PRIMARY KEY ({', '.join(self.primary_key)})")
        clauses.append(f"ORDER BY ({', '.join(self.order_by)})")
        if self.sample_by:
            clauses.append(f"SAMPLE BY {self.sample_by}")
        clauses.append(
            "SETTINGS " + ", ".join(f"{key} = {value}" for key, value in settings.items())
        )
        return "\n".join(clauses)


def quote_identifier(name: str) -> str:
    """The name of a database, table or column as it stands in SQL."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def quote_string(text: str) -> str:
    """A string literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _texts(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, "String", _TEXT) for name in names)


def _enums(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, _ENUM) for name in names)


def _aliases(**expressions: str) -> tuple[Column, ...]:
    columns = {"city": "UInt32", "country": "FixedString(2)", "entry_page_hostname": "String"}
    columns |= {"source": "String"}
    return tuple(
        Column(name, columns.get(name, _ENUM), alias=expression)
        for name, expression in expressions.items()
    )


_SHARED_ALIASES = _aliases(
    city="city_geoname_id",
    country="country_code",
    device="screen_size",
    screen="screen_size",
    os="operating_system",
    os_version="operating_system_version",
    region="subdivision1_code",
    source="referrer_source",
)
MERGE_TREE_SETTINGS = (
    ("index_granularity", "8192"),
    ("non_replicated_deduplication_window", str(DEDUPLICATION_WINDOW)),
)
_MINMAX_BATCH = "INDEX minmax_batch batch TYPE minmax GRANULARITY 1"

EVENTS = Table(
    name="events_v2",  # spec/schema.md §1
    columns=(
        Column("timestamp", "DateTime", _TIME),
        Column("name", _ENUM),
        Column("site_id", "UInt64"),
        Column("user_id", "UInt64"),
        Column("session_id", "UInt64"),
        *_texts("hostname", "pathname", "referrer", "referrer_source"),
        Column("country_code", "FixedString(2)"),
        *_enums("screen_size", "operating_system", "browser"),
        *_texts("utm_medium", "utm_source", "utm_campaign"),
        Column("meta.key", "Array(String)", _TEXT),
        Column("meta.value", "Array(String)", _TEXT),
        *_enums("browser_version", "operating_system_version"),
        *_enums("subdivision1_code", "subdivision2_code"),
        Column("city_geoname_id", "UInt32"),
        *_texts("utm_content", "utm_term"),
        Column("revenue_reporting_amount", "Nullable(Decimal(18, 3))"),
        Column("revenue_reporting_currency", "FixedString(3)"),
        Column("revenue_source_amount", "Nullable(Decimal(18, 3))"),
        Column("revenue_source_currency", "FixedString(3)"),
        Column("channel", _ENUM, inserted=False),
        Column("click_id_param", _ENUM),
        Column("scroll_depth", "UInt8"),
        Column("acquisition_channel", _ENUM),
        Column("engagement_time", "UInt32"),
        Column("batch", "UInt64", inserted=False),
        *_SHARED_ALIASES,
    ),
    engine="MergeTree",
    partition_by="toYYYYMM(timestamp)",
    primary_key=("site_id", "toDate(timestamp)", "name", "user_id"),
    order_by=("site_id", "toDate(timestamp)", "name", "user_id", "timestamp"),
    sample_by="user_id",
    extras=(_MINMAX_BATCH,),
    settings=MERGE_TREE_SETTINGS,
)

SESSIONS = Table(
    name="sessions_v2",  # spec/schema.md §2
    columns=(
        Column("session_id", "UInt64"),
        Column("sign", "Int8"),
        Column("site_id", "UInt64"),
        Column("user_id", "UInt64"),
        *_texts("hostname"),
        Column("timestamp", "DateTime", _TIME),
        Column("start", "DateTime", _TIME),
        Column("is_bounce", "UInt8"),
        *_texts("entry_page", "exit_page"),
        Column("pageviews", "Int32"),
        Column("events", "Int32"),
        Column("duration", "UInt32"),
        *_texts("referrer", "referrer_source"),
        Column("country_code", "LowCardinality(FixedString(2))"),
        *_enums("screen_size", "operating_system", "browser"),
        *_texts("utm_medium", "utm_source", "utm_campaign", "utm_content", "utm_term"),
        *_enums("browser_version", "operating_system_version"),
        *_enums("subdivision1_code", "subdivision2_code"),
        Column("city_geoname_id", "UInt32"),
        Column("transferred_from", "String", inserted=False),
        Column("entry_meta.key", "Array(String)", _TEXT),
        Column("entry_meta.value", "Array(String)", _TEXT),
        *_texts("exit_page_hostname"),
        Column("channel", _ENUM, inserted=False),
        Column("click_id_param", _ENUM),
        Column("acquisition_channel", _ENUM),
        Column("batch", "UInt64", inserted=False),
        *_SHARED_ALIASES,
        *_aliases(entry_page_hostname="hostname"),
    ),
    engine="VersionedCollapsingMergeTree(sign, events)",
    partition_by="toYYYYMM(start)",
    primary_key=("site_id", "toDate(start)", "user_id", "session_id"),
    order_by=("site_id", "toDate(start)", "user_id", "session_id"),
    sample_by="user_id",
    extras=("INDEX minmax_timestamp timestamp TYPE minmax GRANULARITY 1", _MINMAX_BATCH),
    settings=MERGE_TREE_SETTINGS,
)

COUNTERS = Table(
    name="ingest_counters",  # spec/schema.md §3
    columns=(
        Column("event_timebucket", "DateTime"),
        Column("domain", _ENUM),
        Column("site_id", "Nullable(UInt64)"),
        Column("metric", _ENUM),
        Column("value", "UInt64"),
        Column("tracker_script_version", "UInt16"),
    ),
    engine="SummingMergeTree(value)",
    primary_key=(
        "domain",
        "toDate(event_timebucket)",
        "metric",
        "toStartOfMinute(event_timebucket)",
    ),
    order_by=(
        "domain",
        "toDate(event_timebucket)",
        "metric",
        "toStartOfMinute(event_timebucket)",
        "tracker_script_version",
    ),
    extras=(
        "PROJECTION ingest_counters_site_traffic_projection (SELECT site_id, "
        "toDate(event_timebucket), sumIf(value, metric = 'buffered') "
        "GROUP BY site_id, toDate(event_timebucket))",
    ),
    settings=(*MERGE_TREE_SETTINGS, ("deduplicate_merge_projection_mode", "'rebuild'")),
)

TABLES: Mapping[str, Table] = MappingProxyType(
    {table.name: table for table in (EVENTS, SESSIONS, COUNTERS)}
)
"""The tables that the pipeline fills, by name."""

OPTIONAL_SETTINGS = ("deduplicate_merge_projection_mode",)
"""Engine settings that older servers do not know, and do not need."""

_OPTIONAL_SETTINGS_SINCE = (24, 8)

DURABLE = {"fsync_after_insert": "1", "fsync_part_directory": "1"}
"""Settings with which an insert is synced before it is acknowledged."""


def create_statements(
    database: str,
    *,
    tables: Container[str] = TABLES,
    known_settings: Container[str] = OPTIONAL_SETTINGS,
    durable: bool = False,
) -> tuple[str, ...]:
    """The statements that create the tables; each does nothing where its table exists.

    Args:
        database: Where the tables belong; it exists.
        tables: Names of those wanted.
        known_settings: Which of `OPTIONAL_SETTINGS` the server knows.
        durable: Whether an insert is synced before it is acknowledged, so that it also survives a
            power failure.
    """
    return tuple(
        table.create_statement(database, dict(_settings(table, known_settings, durable=durable)))
        for table in TABLES.values()
        if table.name in tables
    )


def settings_of_version(version: str) -> frozenset[str]:
    """Which of `OPTIONAL_SETTINGS` a server of that version knows, if it cannot be asked.

    Args:
        version: As `version()` returns it, such as 24.8.4.13; anything else counts as new.
    """
    try:
        year, month = map(int, version.split(".")[:2])
    except ValueError:
        return frozenset(OPTIONAL_SETTINGS)
    return frozenset(OPTIONAL_SETTINGS if (year, month) >= _OPTIONAL_SETTINGS_SINCE else ())


def _settings(table: Table, known: Container[str], *, durable: bool) -> Iterator[tuple[str, str]]:
    for key, value in table.settings:
        if key not in OPTIONAL_SETTINGS or key in known:
            yield key, value
    if durable:
        yield from DURABLE.items()
