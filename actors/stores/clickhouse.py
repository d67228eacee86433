"""A ClickHouse server, over its native protocol."""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import structlog
import trio
from asynch.errors import UnknownTypeError

from actors.stores.encoding import INSERT_SETTINGS, encode, insert_into
from actors.stores.json_lines import json_lines
from actors.stores.migration import Migrated, create_imported, migrate
from actors.stores.names_age import find_names_age
from actors.stores.native_connection import NativeConnection
from actors.stores.native_line import Line, ServerError, rows_of
from actors.stores.query_limits import QUERY_RESULT_BYTES, QUERY_SECONDS, query_settings
from actors.stores.refusal import operator_at_fault, rows_at_fault, shorten, tables_at_fault
from actors.stores.rights import check_query_rights, check_rights, check_server_rights
from actors.stores.statement import TABLE_FUNCTIONS_QUERY, reading_statement
from actors.stores.store import (
    QueryRefused,
    RowsRefused,
    StoreError,
    StoreMisconfigured,
    StoreUnavailable,
)
from actors.stores.unreachable import check_authorities
from actors.stores.url import ServerAddress
from actors.threads.asyncio_thread import AsyncioThread
from ingest.rows.dedup_probe import IDENTITIES, plan_probes
from ingest.rows.layout import Row
from ingest.rows.names_age import NamesAge
from ingest.rows.schema import TABLES, Table, quote_identifier, quote_string
from ingest.rows.servers import (
    SeenServer,
    Server,
    beat_statement,
    create_statement,
    seen_servers,
    select_statement,
)

log = structlog.get_logger()

CONNECTION_SECONDS = 10.0
INSERT_SECONDS = 50.0


class ClickHouseStore:
    """Owns four connections to a server: for inserts, for queries, for probes, for beats.

    They live in a thread with an asyncio loop, which asynch needs. Each carries one statement at a
    time, independently of the others. A statement that is cancelled or takes too long is cancelled
    in the loop and awaited until it has ended. Its connection is closed, and the next statement
    opens a new one.
    """

    name = "clickhouse"

    def __init__(
        self,
        address: ServerAddress,
        *,
        connection_seconds: float = CONNECTION_SECONDS,
        insert_seconds: float = INSERT_SECONDS,
        query_seconds: float = QUERY_SECONDS,
    ) -> None:
        """Create the store without connecting.

        Args:
            address: Where the server is.
            connection_seconds: Timeout for connecting, and for a probe.
            insert_seconds: Timeout for an insert, including connecting if needed.
            query_seconds: Time limit for a query, enforced by the server.
        """
        self._address = address
        self._connection_seconds = connection_seconds
        self._insert_seconds = insert_seconds
        self._query_seconds = query_seconds
        self._thread = AsyncioThread("clickhouse")
        self._inserts = self._line(address.database, insert_seconds)
        # The server's limit comes first, because it gives a reason and keeps the connection.
        self._queries = self._line(
            address.database, query_seconds + connection_seconds, address.for_queries
        )
        # The handshake names no database, because a missing one would fail it.
        self._pings = self._line("", connection_seconds)
        # Not with the probes: a beat that hangs would delay the writer's next probe.
        self._beats = self._line("", connection_seconds)
        self._migrated: Migrated | None = None
        self._tables_changed = False
        self._names = NamesAge.NEWEST
        self.findings: tuple[str, ...] = ()

    @property
    def older_names(self) -> bool:
        """See `Store.older_names`; asked again before each insert."""
        return self._names is not NamesAge.NEWEST

    async def open(self) -> None:
        """Connect, create the database if needed, and create or migrate the tables.

        Raises:
            StoreUnavailable: The server does not answer.
            StoreMisconfigured: It refuses this user, is too old, or has tables that do not fit.
        """
        if self._migrated is not None and not self._tables_changed:
            return
        address = self._address
        check_authorities(address)
        try:
            await self._create_database()
            migrated = await migrate(self._execute, address.database)
            names = NamesAge.NEWEST
            if migrated.by_plausible:
                names = await find_names_age(self._execute, address.database)
        except ServerError as error:
            kind = StoreMisconfigured if operator_at_fault(error.code) else StoreUnavailable
            raise kind(f"ClickHouse at {address.host}:{address.port}: {error}") from None
        rights = await check_rights(self._execute, address.user, address.database)
        version = (await self._execute("SELECT version()"))[0][0]
        self.findings = (
            f"ClickHouse {version} at {address.host}:{address.port}, database {address.database}",
            *migrated.findings,
            *((f"source names: {names}",) if migrated.by_plausible else ()),
            *rights,
        )
        self._take_names(names)
        self._migrated, self._tables_changed = migrated, False

    async def made_by_plausible(self) -> bool:
        """See `ImportStore.made_by_plausible`."""
        return (await self._tables()).by_plausible

    async def create_imported(self, tables: Sequence[Table]) -> None:
        """See `ImportStore.create_imported`."""
        try:
            await create_imported(self._execute, self._address.database, tables)
        except ServerError as error:
            kind = StoreMisconfigured if operator_at_fault(error.code) else StoreUnavailable
            raise kind(str(error)) from None

    async def insert(self, table: Table, rows: Sequence[tuple[Any, ...]], token: str) -> None:
        """See `Store.insert`."""
        if not rows:
            return
        try:
            tables = await self._tables()
            if tables.by_plausible:
                await self._follow_names()
            left_out = tables.left_out.get(table.name, frozenset())
            await self._inserts.run(
                partial(_insert, self._address.database, table, rows, token, left_out, self._names)
            )
        except ServerError as error:
            if tables_at_fault(error.code):
                self._tables_changed = True
            refused = rows_at_fault(error.code)
            raise (RowsRefused if refused else StoreUnavailable)(f"{table.name}: {error}") from None
        except StoreMisconfigured as error:
            # The server was replaced meanwhile; the rows are not at fault.
            raise StoreUnavailable(str(error)) from None

    async def missing(self, table: Table, rows: Sequence[Row]) -> Sequence[Row] | None:
        """See `Store.missing`."""
        try:
            tables = await self._tables()
            if table.name not in tables.forgetful:
                return None
            missing: list[Row] = []
            if table.name not in IDENTITIES:
                return missing
            left_out = tables.left_out.get(table.name, frozenset())
            for probe in plan_probes(table, rows, self._address.database, left_out):
                found = int((await self._execute(probe.sql))[0][0])
                if not probe.expected or found < probe.expected:
                    missing.extend(probe.rows)
        except StoreError as error:
            raise StoreUnavailable(str(error)) from None
        return missing

    async def query(self, sql: str) -> list[str]:
        """See `Store.query`."""
        try:
            return await self._queries.run(partial(_query, sql, self._query_seconds))
        except (ServerError, UnknownTypeError) as error:
            raise QueryRefused(shorten(str(error))) from None
        except StoreMisconfigured as error:
            raise StoreUnavailable(str(error)) from None

    async def query_findings(self) -> tuple[str, ...]:
        """What an operator ought to know of the user that queries run as; a line each."""

        async def execute(sql: str) -> list[list[str]]:
            return await self._queries.run(partial(rows_of, sql))

        address = self._address
        return await check_query_rights(
            execute, address.for_queries.user, address.database, own=bool(address.query_user)
        )

    async def ping(self) -> None:
        """See `Store.ping`; makes the tables anew when they are gone."""
        tables = ", ".join(map(quote_string, TABLES))
        select = (
            "SELECT count() FROM system.tables "  # noqa: S608
            f"WHERE database = {quote_string(self._address.database)} AND name IN ({tables})"
        )
        try:
            ((found,),) = await self._pings.run(partial(rows_of, select))
            if self._migrated is not None and int(found) < len(TABLES):
                self._tables_changed = True
                await self.open()
        except StoreError as error:
            raise StoreUnavailable(str(error)) from None

    async def beat(self, server: Server) -> None:
        """See `Store.beat`."""
        await self._ask_servers(beat_statement(self._address.database, server))

    async def servers(self) -> tuple[SeenServer, ...] | None:
        """See `Store.servers`."""
        rows = await self._ask_servers(select_statement(self._address.database))
        return None if rows is None else seen_servers(rows)

    async def server_findings(self) -> tuple[str, ...]:
        """Why other servers of the database cannot be found; a line each."""
        try:
            if await self.servers() is None:
                return ()
        except StoreMisconfigured as error:
            return (f"other servers of this database cannot be found: {error}",)
        return await check_server_rights(self._execute, self._address.user, self._address.database)

    async def _ask_servers(self, sql: str) -> list[list[str]] | None:
        """Run a statement on the table of servers, which is created if it does not exist.

        Returns:
            None if the table does not belong here.
        """
        if self._migrated is None:
            raise StoreUnavailable("the store is not open yet")
        if self._migrated.by_plausible:
            return None
        try:
            try:
                return await self._beats.run(partial(rows_of, sql))
            except ServerError as error:
                if not tables_at_fault(error.code):
                    raise
            create = create_statement(self._address.database)
            await self._beats.run(partial(rows_of, create))
            return await self._beats.run(partial(rows_of, sql))
        except ServerError as error:
            kind = StoreMisconfigured if operator_at_fault(error.code) else StoreUnavailable
            raise kind(str(error)) from None

    async def aclose(self) -> None:
        """Drop the connections and end the thread."""
        with trio.move_on_after(self._connection_seconds, shield=True):
            for line in (self._inserts, self._queries, self._pings, self._beats):
                await line.aclose()
        self._migrated = None
        self._thread.close()

    async def _tables(self) -> Migrated:
        """The state of the tables; inspected again after a change."""
        if self._migrated is None:
            raise StoreUnavailable("the store is not open yet")
        if self._tables_changed:
            await self.open()
        return self._migrated

    async def _follow_names(self) -> None:
        """Notice a migration of the database that renames sources."""
        try:
            self._take_names(await find_names_age(self._execute, self._address.database))
        except ServerError as error:
            # Not the rows' fault, whatever it is.
            raise StoreUnavailable(str(error)) from None

    def _take_names(self, names: NamesAge) -> None:
        if self._migrated is not None and names is not self._names:
            log.info("the source names of the database have changed", names=str(names))
        self._names = names

    def _line(self, database: str, seconds: float, address: ServerAddress | None = None) -> Line:
        address = address or self._address
        connect = partial(
            NativeConnection,
            address,
            database,
            connect_timeout=self._connection_seconds,
        )
        return Line(self._thread, address, connect, seconds)

    async def _create_database(self) -> None:
        """Create the database if it does not exist; needs no privilege if it does."""
        name = self._address.database
        condition = f"name = {quote_string(name)}"
        select = f"SELECT 1 FROM system.databases WHERE {condition}"  # noqa: S608
        if not await self._pings.run(partial(rows_of, select)):
            statement = f"CREATE DATABASE IF NOT EXISTS {quote_identifier(name)}"
            await self._pings.run(partial(rows_of, statement))

    async def _execute(self, sql: str) -> list[list[str]]:
        return await self._inserts.run(partial(rows_of, sql))


async def _insert(
    database: str,
    table: Table,
    rows: Sequence[tuple[Any, ...]],
    token: str,
    left_out: frozenset[str],
    names: NamesAge,
    connection: NativeConnection,
) -> None:
    await connection.execute(
        f"{insert_into(database, table, left_out)} VALUES",
        encode(table, rows, left_out, names),
        settings={**INSERT_SETTINGS, "insert_deduplication_token": token},
    )


async def _query(sql: str, seconds: float, connection: NativeConnection) -> list[str]:
    table_functions = [name for (name,) in await rows_of(TABLE_FUNCTIONS_QUERY, connection)]
    statement = reading_statement(sql, table_functions)
    connection.readable = QUERY_RESULT_BYTES
    try:
        rows, columns = await connection.execute(
            statement, with_column_types=True, settings=query_settings(seconds)
        )
    except QueryRefused:
        # The rest of the result is on its way.
        await connection.disconnect()
        raise
    finally:
        connection.readable = math.inf
    return json_lines([name for name, _ in columns], rows)
