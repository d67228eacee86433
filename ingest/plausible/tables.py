"""The tables to read from Plausible's PostgreSQL database, for all supported versions.

The existing columns are queried first. If a version does not have a column, its setting is not
imported but reported, and stays as in the sites file.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from ingest.sites.site import SCRIPT_OPTIONS, SiteScript
from ingest.sites.site_file_schema import SHIELD_LISTS

COLUMNS: Final = (
    "SELECT table_name::text, column_name::text FROM information_schema.columns "
    "WHERE table_schema = ANY (current_schemas(false)) AND table_name = ANY (%s)"
)
"""Selects the columns of `TABLES` that this user may read."""

SALTS: Final = 2
"""Number of salts in use: the current and the previous one."""

_RULES: Final[Mapping[str, tuple[str, str]]] = {
    # abbrev removes the /32 of a single address.
    "ip": ("shield_rules_ip", "abbrev(inet)"),
    "country": ("shield_rules_country", "country_code"),
    "page": ("shield_rules_page", "page_path"),
    "hostname": ("shield_rules_hostname", "hostname"),
}
"""The table, and the SQL of the rule's text, by kind of rule."""

TABLES: Final = (
    *("sites", "teams", "users", "site_memberships", "goals", "salts"),
    *(table for table, _ in _RULES.values()),
    "tracker_script_configuration",
)

Columns = Mapping[str, frozenset[str]]
"""The columns of each table."""

Rows = Sequence[Sequence[Any]]


class NotPlausibleError(ValueError):
    """The database does not have Plausible's sites."""


@dataclass(frozen=True, slots=True)
class PlausibleSite:
    """A row of `sites`, and the end of its owner's subscription.

    Attributes:
        id: The `site_id` of its rows in ClickHouse.
        domain: The current one.
        previous_domain: The previous domain, accepted for some days after a change.
        limit_events: Maximum number of events in a window; None for no limit.
        limit_seconds: Length of the window.
        accept_traffic_until: Date set for the site's team, or for its owner in older versions.
        consolidated: Whether the site only combines other sites, and has no events.
        timezone: The time zone of its dashboard.
    """

    id: int
    domain: str
    previous_domain: str | None = None
    limit_events: int | None = None
    limit_seconds: int | None = None
    accept_traffic_until: date | None = None
    consolidated: bool = False
    timezone: str | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """A row of a shield's table.

    Attributes:
        site_id: Id of the site.
        text: The address, country or pattern.
        action: `deny`, or `allow` for hostnames.
    """

    site_id: int
    text: str
    action: str


@dataclass(frozen=True, slots=True)
class Goal:
    """A row of `goals` that has a currency."""

    site_id: int
    event: str
    currency: str


@dataclass(frozen=True, slots=True)
class StoredSalt:
    """A row of `salts`.

    Attributes:
        key: The secret, never shown.
        created_at: Unix seconds.
    """

    key: bytes = field(repr=False)
    created_at: int


@dataclass(frozen=True, slots=True)
class Statements:
    """The queries for this version of the database.

    Attributes:
        sql: The queries by name: `sites`, a kind of rule, `goals`, `scripts`, `salts`. A query is
            absent if the database lacks its columns.
        known: The settings of a site that the queries return: keys of the sites file, and kinds of
            rules.
        missing: The settings that they do not return, one line each.
        marks: A query whose rows change whenever a row of the tables does. It is much cheaper than
            the others.
    """

    sql: Mapping[str, str]
    known: frozenset[str]
    missing: tuple[str, ...]
    marks: str


def statements(columns: Columns) -> Statements:
    """Choose the queries for the existing columns.

    Raises:
        NotPlausibleError: The database does not have Plausible's sites.
    """
    has = _Has(columns)
    if not has("sites", "id", "domain"):
        raise NotPlausibleError(
            "there is no table sites with id and domain that this user may read: is it the "
            "database of a Plausible?"
        )
    sql: dict[str, str] = {}
    known: set[str] = set()
    missing: list[str] = []
    tables: set[str] = {"sites"}

    def note(key: str, what: str, *, there: bool) -> bool:
        if there:
            known.add(key)
        else:
            missing.append(f"{what}: not in this database, or not for this user to read")
        return there

    changed = note(
        "previous_domain",
        "domains before a change (sites.domain_changed_from)",
        there=has("sites", "domain_changed_from"),
    )
    limited = note(
        "rate_limit",
        "rate limits (sites.ingest_rate_limit_threshold)",
        there=has("sites", "ingest_rate_limit_threshold"),
    )
    until, until_tables = _until(has)
    tables |= until_tables
    note(
        "accept_traffic_until",
        "ends of subscriptions (accept_traffic_until of teams or users)",
        there=until is not None,
    )
    zoned = note("timezone", "time zones (sites.timezone)", there=has("sites", "timezone"))
    scaled = has("sites", "ingest_rate_limit_scale_seconds")
    fields = (
        "s.id",
        "s.domain",
        "s.domain_changed_from" if changed else "NULL",
        "s.ingest_rate_limit_threshold" if limited else "NULL",
        "s.ingest_rate_limit_scale_seconds" if scaled else "NULL",
        until or "NULL",
        "s.consolidated" if has("sites", "consolidated") else "false",
        "s.timezone" if zoned else "NULL",
    )
    sql["sites"] = f"SELECT {', '.join(fields)} FROM sites s ORDER BY s.id"  # noqa: S608
    for kind, (table, text) in _RULES.items():
        column = text.removeprefix("abbrev(").removesuffix(")")
        if note(kind, f"{kind} rules ({table})", there=has(table, "site_id", column)):
            denied = "'allow'" if kind == "hostname" else "'deny'"
            action = "action::text" if has(table, "action") else denied
            tables.add(table)
            sql[kind] = f"SELECT site_id, {text}, {action} FROM {table} ORDER BY site_id, 2"  # noqa: S608
    if note(
        "revenue_goals",
        "revenue goals (goals.currency)",
        there=has("goals", "id", "site_id", "event_name", "currency"),
    ):
        tables.add("goals")
        sql["goals"] = (
            "SELECT site_id, event_name, currency::text FROM goals "
            "WHERE event_name IS NOT NULL AND currency IS NOT NULL ORDER BY site_id, id"
        )
    scripts = "tracker_script_configuration"
    if note("script", f"scripts ({scripts})", there=has(scripts, "id", "site_id")):
        tables.add(scripts)
        options = (
            f"coalesce({option}, false)" if has(scripts, option) else "false"
            for option in SCRIPT_OPTIONS
        )
        sql["scripts"] = f"SELECT site_id, id::text, {', '.join(options)} FROM {scripts}"  # noqa: S608
    if note("salts", "salts (salts)", there=has("salts", "salt", "inserted_at")):
        tables.add("salts")
        # The column has no time zone; its times are UTC.
        sql["salts"] = (
            "SELECT salt, extract(epoch FROM inserted_at)::bigint FROM salts "  # noqa: S608
            f"ORDER BY inserted_at DESC LIMIT {SALTS}"
        )
    marks = " UNION ALL ".join(map(_mark, sorted(tables)))
    return Statements(sql, frozenset(known), tuple(missing), f"{marks} ORDER BY 1")


def _mark(table: str) -> str:
    """Select a row that changes whenever the table does.

    `xmin` is the number of the transaction that wrote a row. Numbers grow, so without a change of
    the count each insert, update and delete makes the sum grow. Unlike `updated_at`, this also
    finds deletions, and two changes in the same second.
    """
    return f"SELECT '{table}', count(*), coalesce(sum(xmin::text::bigint), 0) FROM {table}"  # noqa: S608


class _Has:
    """Whether a table has all of some columns."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns

    def __call__(self, table: str, *names: str) -> bool:
        return set(names) <= self._columns.get(table, frozenset())


def _until(has: _Has) -> tuple[str | None, set[str]]:
    """Return the SQL of `accept_traffic_until`, and the tables that it reads besides `sites`."""
    if has("sites", "team_id") and has("teams", "id", "accept_traffic_until"):
        return "(SELECT t.accept_traffic_until FROM teams t WHERE t.id = s.team_id)", {"teams"}
    if has("sites", "accept_traffic_until"):
        return "s.accept_traffic_until", set()
    if has("users", "id", "accept_traffic_until") and has(
        "site_memberships", "site_id", "user_id", "role"
    ):
        return (
            "(SELECT max(u.accept_traffic_until) FROM site_memberships m JOIN users u "
            "ON u.id = m.user_id WHERE m.site_id = s.id AND m.role::text = 'owner')",
            {"users", "site_memberships"},
        )
    return None, set()


@dataclass(frozen=True, slots=True)
class PlausibleData:
    """The data to import from Plausible's database.

    Attributes:
        sites: All sites.
        rules: The shields' rules, by kind.
        goals: The goals with a currency, by id. Of those for one event the first counts.
        salts: The newest salts, newest first, at most `SALTS`.
        known: As for `Statements`.
        missing: As for `Statements`.
        scripts: The scripts, by the id of their site.
    """

    sites: tuple[PlausibleSite, ...]
    rules: Mapping[str, tuple[Rule, ...]] = field(default_factory=dict)
    goals: tuple[Goal, ...] = ()
    salts: tuple[StoredSalt, ...] = ()
    known: frozenset[str] = frozenset()
    missing: tuple[str, ...] = ()
    scripts: Mapping[int, SiteScript] = field(default_factory=dict)


def combine_answers(asked: Statements, answers: Mapping[str, Rows]) -> PlausibleData:
    """Combine the results of the queries.

    Args:
        asked: The queries.
        answers: The rows of each query.
    """
    return PlausibleData(
        sites=tuple(PlausibleSite(*row) for row in answers["sites"]),
        rules={
            kind: tuple(Rule(*row) for row in answers[kind])
            for kind in SHIELD_LISTS
            if kind in answers
        },
        goals=tuple(Goal(*row) for row in answers.get("goals", ())),
        salts=tuple(StoredSalt(bytes(key), at) for key, at in answers.get("salts", ())),
        known=asked.known,
        missing=asked.missing,
        scripts={site_id: SiteScript(*row) for site_id, *row in answers.get("scripts", ())},
    )
