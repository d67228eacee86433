"""The tables of Plausible's PostgreSQL that are read, in the shapes that its versions gave them.

Which columns there are is asked first: what a version does not have yet, or no longer, is left out
and said, and the sites file keeps what it has there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from ingest.sites.site_file_schema import SHIELD_LISTS

COLUMNS: Final = (
    "SELECT table_name::text, column_name::text FROM information_schema.columns "
    "WHERE table_schema = ANY (current_schemas(false)) AND table_name = ANY (%s)"
)
"""Asks for the columns of `TABLES` that this user may read."""

SALTS: Final = 2
"""How many salts are in force: the current one, and the one before."""

_RULES: Final[Mapping[str, tuple[str, str]]] = {
    # abbrev writes an address without the /32 that the type has.
    "ip": ("shield_rules_ip", "abbrev(inet)"),
    "country": ("shield_rules_country", "country_code"),
    "page": ("shield_rules_page", "page_path"),
    "hostname": ("shield_rules_hostname", "hostname"),
}
"""By kind of rule: its table, and the rule as text."""

TABLES: Final = (
    *("sites", "teams", "users", "site_memberships", "goals", "salts"),
    *(table for table, _ in _RULES.values()),
)

Columns = Mapping[str, frozenset[str]]
"""By table: its columns."""

Rows = Sequence[Sequence[Any]]


class NotPlausibleError(ValueError):
    """The database has no sites of Plausible's."""


@dataclass(frozen=True, slots=True)
class PlausibleSite:
    """A row of `sites`, and the end of its owner's subscription.

    Attributes:
        id: The `site_id` of its rows in ClickHouse.
        domain: The current one.
        previous_domain: Accepted for some days after a change of domain.
        limit_events: Events that pass in one window; None for no limit.
        limit_seconds: The window's length.
        accept_traffic_until: Of the team that it belongs to, or of the owner in older versions.
        consolidated: Whether it only shows other sites together, and has no events of its own.
    """

    id: int
    domain: str
    previous_domain: str | None = None
    limit_events: int | None = None
    limit_seconds: int | None = None
    accept_traffic_until: date | None = None
    consolidated: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """A row of a shield's table.

    Attributes:
        site_id: Whose.
        text: Address, country, or pattern.
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
        key: The secret. Never shown.
        created_at: Unix seconds.
    """

    key: bytes = field(repr=False)
    created_at: int


@dataclass(frozen=True, slots=True)
class Statements:
    """What to ask this version of the database.

    Attributes:
        sql: By what it asks for: `sites`, a kind of rule, `goals`, `salts`; absent if it cannot.
        known: What of a site the answers tell: keys of the sites file, and kinds of rules.
        missing: What they do not tell, a line for each.
    """

    sql: Mapping[str, str]
    known: frozenset[str]
    missing: tuple[str, ...]


def statements(columns: Columns) -> Statements:
    """Choose what to ask, by the columns that there are.

    Raises:
        NotPlausibleError: Nothing of use is there.
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
    until = _until(has)
    note(
        "accept_traffic_until",
        "ends of subscriptions (accept_traffic_until of teams or users)",
        there=until is not None,
    )
    scaled = has("sites", "ingest_rate_limit_scale_seconds")
    fields = (
        "s.id",
        "s.domain",
        "s.domain_changed_from" if changed else "NULL",
        "s.ingest_rate_limit_threshold" if limited else "NULL",
        "s.ingest_rate_limit_scale_seconds" if scaled else "NULL",
        until or "NULL",
        "s.consolidated" if has("sites", "consolidated") else "false",
    )
    sql["sites"] = f"SELECT {', '.join(fields)} FROM sites s ORDER BY s.id"  # noqa: S608
    for kind, (table, text) in _RULES.items():
        column = text.removeprefix("abbrev(").removesuffix(")")
        if note(kind, f"{kind} rules ({table})", there=has(table, "site_id", column)):
            denied = "'allow'" if kind == "hostname" else "'deny'"
            action = "action::text" if has(table, "action") else denied
            sql[kind] = f"SELECT site_id, {text}, {action} FROM {table} ORDER BY site_id, 2"  # noqa: S608
    if note(
        "revenue_goals",
        "revenue goals (goals.currency)",
        there=has("goals", "site_id", "event_name", "currency"),
    ):
        sql["goals"] = (
            "SELECT site_id, event_name, currency::text FROM goals "
            "WHERE event_name IS NOT NULL AND currency IS NOT NULL ORDER BY site_id, event_name"
        )
    if note("salts", "salts (salts)", there=has("salts", "salt", "inserted_at")):
        # The column has no time zone; its times are UTC.
        sql["salts"] = (
            "SELECT salt, extract(epoch FROM inserted_at)::bigint FROM salts "  # noqa: S608
            f"ORDER BY inserted_at DESC LIMIT {SALTS}"
        )
    return Statements(sql, frozenset(known), tuple(missing))


class _Has:
    """Whether a table has all of some columns."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns

    def __call__(self, table: str, *names: str) -> bool:
        return set(names) <= self._columns.get(table, frozenset())


def _until(has: _Has) -> str | None:
    if has("sites", "team_id") and has("teams", "id", "accept_traffic_until"):
        return "(SELECT t.accept_traffic_until FROM teams t WHERE t.id = s.team_id)"
    if has("sites", "accept_traffic_until"):
        return "s.accept_traffic_until"
    if has("users", "id", "accept_traffic_until") and has(
        "site_memberships", "site_id", "user_id", "role"
    ):
        return (
            "(SELECT max(u.accept_traffic_until) FROM site_memberships m JOIN users u "
            "ON u.id = m.user_id WHERE m.site_id = s.id AND m.role::text = 'owner')"
        )
    return None


@dataclass(frozen=True, slots=True)
class PlausibleData:
    """What a Plausible's database has for us.

    Attributes:
        sites: All of them.
        rules: By kind.
        goals: Those with a currency.
        salts: The newest first, at most `SALTS`.
        known: As for `Statements`.
        missing: As for `Statements`.
    """

    sites: tuple[PlausibleSite, ...]
    rules: Mapping[str, tuple[Rule, ...]] = field(default_factory=dict)
    goals: tuple[Goal, ...] = ()
    salts: tuple[StoredSalt, ...] = ()
    known: frozenset[str] = frozenset()
    missing: tuple[str, ...] = ()


def combine_answers(asked: Statements, answers: Mapping[str, Rows]) -> PlausibleData:
    """Put the answers together.

    Args:
        asked: The statements.
        answers: The rows of each.
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
    )
