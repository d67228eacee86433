"""Reads Plausible's PostgreSQL database, in read-only transactions."""

import os
import socket
from collections.abc import Callable
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit

from ingest.plausible.connection_failure import advice_on
from ingest.plausible.tables import (
    COLUMNS,
    TABLES,
    NotPlausibleError,
    PlausibleData,
    Statements,
    combine_answers,
    statements,
)
from ingest.sites.database_url import DATABASE_SCHEMES

if TYPE_CHECKING:
    from psycopg import Connection, Cursor

STATEMENT_TIMEOUT: Final = "60s"

ROWS_AT_ONCE: Final = 1000
"""Number of rows that are converted in one call, in which no other thread can run."""

_TIMEOUT: Final = "SELECT set_config('statement_timeout', %s, true)"

_T = TypeVar("_T")

_OPTIONS: Final = {
    "application_name": "sluice",
    "connect_timeout": 10,
    # Find out within 15 s that the server has gone without a word.
    "keepalives_idle": 5,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 15_000,
}
"""Parameters of libpq that the URL may override."""

_FORM: Final = "postgres://user:password@host:5432/database"


class PlausibleError(Exception):
    """Plausible's database cannot be read. The message says why, and contains no password.

    Attributes:
        advice: What to do; empty if that is not known.
    """

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.advice = advice

    @property
    def explanation(self) -> str:
        """The message with the advice."""
        return f"{self}: {self.advice}" if self.advice else str(self)


def read_plausible(url: str) -> PlausibleData:
    """Read all data once; as `PlausibleReader.read`."""
    with closing(PlausibleReader(url)) as reader:
        return reader.read()


class PlausibleReader:
    """Reads the database again and again.

    Owns one connection, which is opened when it is needed, and again after a failure. Its methods
    block, and must not be called at the same time.
    """

    def __init__(self, url: str) -> None:
        """Connect to nothing yet.

        Args:
            url: A URL like Plausible's own `DATABASE_URL`. Missing parts are taken from libpq's
                environment variables (`PGPASSWORD`, `PGSSLMODE`, …) and files.

        Raises:
            PlausibleError: The URL cannot be used, or the client of PostgreSQL is not installed.
        """
        self._parameters = connection_parameters(url)
        self._connection: Connection[Any] | None = None
        self._known: tuple[Statements, list[Any]] | None = None

    def read(self) -> PlausibleData:
        """Read all data.

        Raises:
            PlausibleError: The database cannot be read.
        """
        return self._in_transaction(lambda cursor: _read(cursor, _statements(cursor)))

    def read_changes(self, *, everything: bool = False) -> PlausibleData | None:
        """Read all data if anything has changed since the last call.

        Args:
            everything: Whether to read the data in any case, columns of a newer version included.

        Returns:
            None if nothing has changed.

        Raises:
            PlausibleError: The database cannot be read.
        """
        if everything:
            self._known = None

        def read(cursor: "Cursor[Any]") -> PlausibleData | None:
            asked, marks = self._known or (_statements(cursor), None)
            found = cursor.execute(asked.marks.encode()).fetchall()
            if found == marks:
                return None
            data = _read(cursor, asked)
            self._known = asked, found
            return data

        return self._in_transaction(read)

    def close(self) -> None:
        """Close the connection. The next call opens a new one, and reads all data."""
        if self._connection is not None:
            self._connection.close()
        self._connection = self._known = None

    def interrupt(self) -> None:
        """Break the connection, so that a call that waits for the server raises at once.

        Other than the rest, this may be called while another method runs in another thread.
        """
        connection = self._connection
        if connection is None:
            return
        # It fails if the call has just ended and closed the connection.
        with suppress(Exception), socket.socket(fileno=os.dup(connection.fileno())) as found:
            found.shutdown(socket.SHUT_RDWR)

    def _in_transaction(self, read: "Callable[[Cursor[Any]], _T]") -> _T:
        import psycopg

        try:
            if self._connection is None:
                # Prepared statements would not survive a pooler such as PgBouncer.
                self._connection = psycopg.connect(
                    **{**_OPTIONS, **self._parameters}, prepare_threshold=None
                )
                # Read all tables from one snapshot.
                self._connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
                self._connection.read_only = True
            with self._connection.transaction(), self._connection.cursor() as cursor:
                cursor.execute(_TIMEOUT, [STATEMENT_TIMEOUT])
                return read(cursor)
        except NotPlausibleError as error:
            self.close()
            raise PlausibleError(str(error), "check the name of the database in the URL") from None
        except psycopg.Error as error:
            self.close()
            text = _error_text(error, self._parameters.get("password"))
            raise PlausibleError(text, advice_on(text)) from None


def _statements(cursor: "Cursor[Any]") -> Statements:
    columns: dict[str, set[str]] = {}
    for table, column in cursor.execute(COLUMNS, [list(TABLES)]):
        columns.setdefault(table, set()).add(column)
    return statements({table: frozenset(names) for table, names in columns.items()})


def _read(cursor: "Cursor[Any]", asked: Statements) -> PlausibleData:
    return combine_answers(asked, {name: _rows(cursor, sql) for name, sql in asked.sql.items()})


def _rows(cursor: "Cursor[Any]", sql: str) -> list[Any]:
    cursor.execute(sql.encode())
    rows: list[Any] = []
    while part := cursor.fetchmany(ROWS_AT_ONCE):
        rows += part
    return rows


def connection_parameters(url: str) -> dict[str, Any]:
    """Return the parameters of a URL, by libpq's names.

    Raises:
        PlausibleError: The URL is invalid, or psycopg is not installed. The message does not
            contain the URL's text, since any part of it might be a part of the password.
    """
    try:
        import psycopg
    except ImportError:
        raise PlausibleError(
            "reading PostgreSQL needs psycopg", "pip install 'sluice-collector[plausible]'"
        ) from None

    scheme = next((scheme for scheme in DATABASE_SCHEMES if url.startswith(scheme)), None)
    problem = PlausibleError(
        f"the database's URL cannot be read: expected {_FORM}, with signs such as @ : / ? # % in "
        "the password written as %40 %3A %2F %3F %23 %25"
    )
    if scheme is None:
        raise problem
    try:
        parameters = psycopg.conninfo.conninfo_to_dict(
            DATABASE_SCHEMES[0] + url.removeprefix(scheme)
        )
        port = urlsplit(url).port
    except (psycopg.Error, ValueError):
        raise problem from None
    # After an unescaped character in the password, libpq would read the rest as host or database.
    host = str(parameters.get("host", ""))
    if "@" in host or "@" in str(parameters.get("dbname", "")) or port == 0:
        raise problem
    return dict(parameters)


def _error_text(error: Exception, password: object) -> str:
    """Return the message of libpq or the server, on one line."""
    text = " ".join(str(error).split()) or type(error).__name__
    if password:
        text = text.replace(str(password), "…")
    return f"Plausible's PostgreSQL: {text}"
