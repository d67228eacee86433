"""Reads Plausible's PostgreSQL database in one read-only transaction."""

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
    """Plausible's database cannot be read. The message says why, and contains no password."""


def read_plausible(url: str) -> PlausibleData:
    """Read all data to import.

    Args:
        url: A URL like Plausible's own `DATABASE_URL`. Missing parts are taken from libpq's
            environment variables (`PGPASSWORD`, `PGSSLMODE`, …) and files.

    Raises:
        PlausibleError: The database cannot be read.
    """
    try:
        import psycopg
    except ImportError:
        raise PlausibleError(
            "reading PostgreSQL needs psycopg: pip install 'sluice-collector[plausible]'"
        ) from None
    parameters = connection_parameters(url)
    try:
        with psycopg.connect(**{"connect_timeout": CONNECT_SECONDS, **parameters}) as connection:
            # Read all tables from one snapshot.
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            return _read(connection)
    except NotPlausibleError as error:
        raise PlausibleError(str(error)) from None
    except psycopg.Error as error:
        raise PlausibleError(_error_text(error, parameters.get("password"))) from None


def connection_parameters(url: str) -> dict[str, Any]:
    """Return the parameters of a URL, by libpq's names.

    Raises:
        PlausibleError: The URL is invalid. The message does not contain the URL's text, since any
            part of it might be a part of the password.
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
    # After an unescaped character in the password, libpq would read the rest as host or database.
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
    """Return the message of libpq or the server, on one line."""
    text = " ".join(str(error).split()) or type(error).__name__
    if password:
        text = text.replace(str(password), "…")
    return f"Plausible's PostgreSQL: {text}"
