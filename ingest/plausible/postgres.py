"""Reads Plausible's PostgreSQL: one transaction that can only read."""

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from ingest.plausible.tables import (
    COLUMNS,
    TABLES,
    NotPlausibleError,
    PlausibleData,
    combine_answers,
    statements,
)

if TYPE_CHECKING:
    from psycopg import Connection

CONNECT_SECONDS: Final = 10
STATEMENT_TIMEOUT: Final = "60s"

_SCHEMES: Final = ("postgres://", "postgresql://", "ecto://")
_FORM: Final = "postgres://user:password@host:5432/database"


class PlausibleError(Exception):
    """Plausible's database cannot be read; the message says why, and shows no password."""


def read_plausible(url: str) -> PlausibleData:
    """Read everything that is taken over.

    Args:
        url: As Plausible's own `DATABASE_URL`. What it leaves out comes from libpq's variables
            (`PGPASSWORD`, `PGSSLMODE`, …) and files.

    Raises:
        PlausibleError: It cannot be read.
    """
    try:
        import psycopg
    except ImportError:
        raise PlausibleError(
            "reading PostgreSQL needs psycopg: pip install 'sluice[plausible]'"
        ) from None
    parameters = connection_parameters(url)
    try:
        with psycopg.connect(**{"connect_timeout": CONNECT_SECONDS, **parameters}) as connection:
            # One state of the database for all tables.
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            return _read(connection)
    except NotPlausibleError as error:
        raise PlausibleError(str(error)) from None
    except psycopg.Error as error:
        raise PlausibleError(_error_text(error, parameters.get("password"))) from None


def connection_parameters(url: str) -> dict[str, Any]:
    """What a URL says, by libpq's names.

    Raises:
        PlausibleError: It is no such URL. Its text is not repeated, since a part of a password
            might stand anywhere in it.
    """
    import psycopg

    scheme = next((scheme for scheme in _SCHEMES if url.startswith(scheme)), None)
    problem = PlausibleError(
        f"the database's URL cannot be read: expected {_FORM}, with signs such as @ : / ? # % in "
        "the password written as %40 %3A %2F %3F %23 %25"
    )
    if scheme is None:
        raise problem
    try:
        parameters = psycopg.conninfo.conninfo_to_dict(_SCHEMES[0] + url.removeprefix(scheme))
        port = urlsplit(url).port
    except (psycopg.Error, ValueError):
        raise problem from None
    # libpq would take what is behind a sign in the password for the host or the database.
    host = str(parameters.get("host", ""))
    if "@" in host or "@" in str(parameters.get("dbname", "")) or port == 0:
        raise problem
    return dict(parameters)


def _read(connection: "Connection[Any]") -> PlausibleData:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [STATEMENT_TIMEOUT])
        columns: dict[str, set[str]] = {}
        for table, column in cursor.execute(COLUMNS, [list(TABLES)]):
            columns.setdefault(table, set()).add(column)
        asked = statements({table: frozenset(names) for table, names in columns.items()})
        answers = {name: cursor.execute(sql.encode()).fetchall() for name, sql in asked.sql.items()}
    return combine_answers(asked, answers)


def _error_text(error: Exception, password: object) -> str:
    """What libpq or the server says, on one line."""
    text = " ".join(str(error).split()) or type(error).__name__
    if password:
        text = text.replace(str(password), "…")
    return f"Plausible's PostgreSQL: {text}"
