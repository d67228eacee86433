"""ClickHouse inside this process: chDB, with its files in one directory."""

import json
import os
import secrets
import tempfile
from collections.abc import Iterable, Iterator, Sequence, Set
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import trio

from actors.stores.chdb_session import check_open_files, open_session, prepare_directory
from actors.stores.encoding import INSERT_SETTINGS, encode, insert_into
from actors.stores.migration import Migrated, create_imported, migrate
from actors.stores.query_limits import (
    QUERY_SECONDS,
    embedded_query_bytes,
    query_settings,
    refuse_long_text,
)
from actors.stores.refusal import error_code, rows_at_fault, shorten
from actors.stores.statement import TABLE_FUNCTIONS_QUERY, reading_statement
from actors.stores.store import (
    QueryRefused,
    RowsRefused,
    StoreMisconfigured,
    StoreUnavailable,
)
from actors.stores.url import EmbeddedAddress
from actors.threads.native_threads import lower_native_threads
from actors.threads.serial_thread import GRACE_SECONDS, SerialThread
from ingest.rows.layout import Row
from ingest.rows.schema import SESSIONS, TABLES, Table, quote_identifier, quote_string
from ingest.rows.servers import Server

NICE = 10
"""Inserts and queries run at lower priority than requests; otherwise, on one core, a flush would
block requests while it lasts."""

NATIVE_NICE = 15
"""chDB's own threads, which also merge, have a lower priority still: they never hold the
interpreter's lock."""

PARTS_REMOVED_BY_ONE_THREAD = 1_000_000
"""By default chDB removes more than 100 outdated parts with 128 threads, which it then keeps, with
three open files each."""

MERGED_TOGETHER = 10
"""By default chDB merges about five parts of similar size. With ten, a row is merged less often: a
third fewer times in the long run. Queries read about twice as many small parts."""


class EmbeddedStore:
    """Owns two chDB sessions on one directory: one writes, the other is read-only.

    Each has its own thread, so a long query does not block inserts, and calls in one session never
    overlap. A cancelled query is killed through the session that writes; it ends at the next block
    of data or by its time limit. A cancelled insert cannot be interrupted and is awaited (see
    `SerialThread`). Only one process can use the directory at a time, and chDB allows one directory
    per process.
    """

    name = "chdb"
    older_names = False

    def __init__(self, address: EmbeddedAddress, *, query_seconds: float = QUERY_SECONDS) -> None:
        """Create the store without opening it.

        Args:
            address: Where the files are.
            query_seconds: Time limit of a query.
        """
        self._path = address.path.absolute()
        self._database = address.database
        self._query_seconds = query_seconds
        self._writing = SerialThread("chdb-writer", nice=NICE)
        self._reading = SerialThread("chdb-reader", nice=NICE)
        self._writer: Any = None
        self._reader: Any = None
        self._lowered: Set[int] = frozenset()
        self._table_functions: tuple[str, ...] = ()
        self._migrated: Migrated | None = None
        self.findings: tuple[str, ...] = ()

    def check_exists(self) -> None:
        """Check that there is a store which `open` would not create.

        Raises:
            StoreMisconfigured: There is none.
        """
        if not (self._path / "metadata").is_dir():
            raise StoreMisconfigured(
                f"there is no store in {self._path}: CLICKHOUSE_URL names it, and the server "
                "creates it"
            )

    async def open(self) -> None:
        """Open or create the directory, and create or migrate the tables.

        Call this after any fork.

        Raises:
            StoreBusy: Another process has it open.
            StoreMisconfigured: The directory cannot be used, or chDB is not installed.
        """
        if self._migrated is not None:
            return
        await self._writing.call(self._open_sessions)
        migrated = await migrate(self._execute, self._database, durable=True)
        for table in TABLES:
            await self._adjust(table)
        version = (await self._execute("SELECT version()"))[0][0]
        self.findings = (f"chDB {version} in {self._path}", *migrated.findings)
        self._migrated = migrated

    async def made_by_plausible(self) -> bool:
        """See `ImportStore.made_by_plausible`."""
        await trio.lowlevel.checkpoint()
        if self._migrated is None:
            raise StoreUnavailable("the store is not open yet")
        return self._migrated.by_plausible

    async def create_imported(self, tables: Sequence[Table]) -> None:
        """See `ImportStore.create_imported`."""
        await create_imported(self._execute, self._database, tables, durable=True)
        for table in tables:
            await self._adjust(table.name)

    async def insert(self, table: Table, rows: Sequence[tuple[Any, ...]], token: str) -> None:
        """See `Store.insert`."""
        if self._migrated is None:
            raise StoreUnavailable("the store is not open yet")
        if rows:
            left_out = self._migrated.left_out.get(table.name, frozenset())
            await self._writing.call(partial(self._insert, table, rows, token, left_out))

    async def missing(self, table: Table, rows: Sequence[Row]) -> None:
        """See `Store.missing`; our own tables all recognise tokens."""
        await trio.lowlevel.checkpoint()

    async def query(self, sql: str) -> list[str]:
        """See `Store.query`."""
        mark = f"/* {secrets.token_hex(8)} */"
        return await self._reading.call(
            partial(self._read, sql, mark), interrupt=partial(self._kill_query, mark)
        )

    async def ping(self) -> None:
        """See `Store.ping`; waits for a running insert."""
        await self._execute("SELECT 1")

    async def beat(self, server: Server) -> None:
        """See `Store.beat`; no other process can open the directory."""
        await trio.lowlevel.checkpoint()

    async def servers(self) -> None:
        """See `Store.servers`."""
        await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        """Close the sessions after their current calls, and release the directory."""
        with trio.move_on_after(GRACE_SECONDS, shield=True):
            await self._reading.call(self._close_reader)
            await self._writing.call(self._close_writer)
        self._reading.close()
        self._writing.close()

    async def _adjust(self, table: str) -> None:
        await self._execute(
            f"ALTER TABLE {quote_identifier(self._database)}.{quote_identifier(table)} MODIFY "
            f"SETTING concurrent_part_removal_threshold = {PARTS_REMOVED_BY_ONE_THREAD}, "
            f"merge_selector_base = {MERGED_TOGETHER}"
        )

    async def _kill_query(self, mark: str) -> None:
        with suppress(StoreUnavailable):
            await self._execute(f"KILL QUERY WHERE startsWith(query, {quote_string(mark)}) ASYNC")

    async def _execute(self, sql: str) -> list[list[str]]:
        return await self._writing.call(partial(self._rows, sql))

    # The following functions run in the threads.

    def _open_sessions(self) -> None:
        if self._writer is not None:
            return
        check_open_files()
        prepare_directory(self._path)
        writer = open_session(self._path)
        try:
            writer.query(f"CREATE DATABASE IF NOT EXISTS {quote_identifier(self._database)}")
            self._reader = self._new_reader()
        except RuntimeError as error:
            writer.close()
            raise StoreMisconfigured(
                f"chDB cannot use {self._path}: {shorten(str(error))}"
            ) from None
        self._writer = writer
        self._table_functions = tuple(name for (name,) in self._rows(TABLE_FUNCTIONS_QUERY))

    def _new_reader(self) -> Any:
        reader = open_session(self._path)
        reader.query(f"USE {quote_identifier(self._database)}")
        reader.query("SET output_format_json_escape_forward_slashes = 0")
        limits = query_settings(self._query_seconds, embedded_query_bytes())
        reader.query(f"SET {', '.join(f'{name} = {limit}' for name, limit in limits.items())}")
        return reader

    def _rows(self, sql: str) -> list[list[str]]:
        if self._writer is None:
            raise StoreUnavailable("the store is not open")
        try:
            result = self._writer.query(sql, "JSONCompactStringsEachRow")
        except RuntimeError as error:
            self._renew_writer()
            raise StoreUnavailable(shorten(str(error))) from None
        return [json.loads(line) for line in _lines(result)]

    def _insert(
        self, table: Table, rows: Sequence[tuple[Any, ...]], token: str, left_out: frozenset[str]
    ) -> None:
        blocks = encode(table, rows, left_out)
        settings = {**INSERT_SETTINGS, "insert_deduplication_token": quote_string(token)}
        if table is SESSIONS:
            # No rows of a batch cancel each other. To look for them takes a quarter of the insert.
            settings["optimize_on_insert"] = "0"
        clause = ", ".join(f"{name} = {value}" for name, value in settings.items())
        if self._writer is None:
            raise StoreUnavailable("the store is closed")
        try:
            # Not chDB's send_insert: it reports success when storing the rows has failed.
            with _as_file(blocks) as path:
                self._writer.query(
                    f"{insert_into(self._database, table, left_out)} "
                    f"FROM INFILE {quote_string(path)} SETTINGS {clause} FORMAT Native"
                )
        except OSError as error:
            raise StoreUnavailable(f"{table.name}: {error.strerror}") from None
        except RuntimeError as error:
            self._renew_writer()
            message = f"{table.name}: {shorten(str(error))}"
            refused = rows_at_fault(error_code(str(error)))
            raise (RowsRefused if refused else StoreUnavailable)(message) from None
        # An insert may start threads.
        self._lowered = lower_native_threads(NATIVE_NICE, self._lowered)

    def _read(self, sql: str, mark: str) -> list[str]:
        if self._reader is None:
            raise StoreUnavailable("the store is not open")
        statement = reading_statement(sql, self._table_functions)
        try:
            result = self._reader.query(f"{mark} {statement}", "JSONEachRow")
            refuse_long_text(result.size())
            return list(_lines(result))
        except RuntimeError as error:
            # chDB returns partial results of a failed query with the next query's result.
            self._reader.close()
            self._reader = self._new_reader()
            raise QueryRefused(shorten(str(error))) from None

    def _renew_writer(self) -> None:
        """Replace the session, because a failed statement may have left data in it."""
        self._writer.close()
        self._writer = open_session(self._path)

    def _close_reader(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _close_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._migrated = None


@contextmanager
def _as_file(blocks: Iterable[bytes]) -> Iterator[str]:
    """The path of a file with the blocks; in memory if the system supports it."""
    if hasattr(os, "memfd_create"):
        with open(os.memfd_create("sluice-insert"), "wb", buffering=0) as memory:
            for block in blocks:
                memory.write(block)
            yield f"/proc/self/fd/{memory.fileno()}"
    else:
        with tempfile.NamedTemporaryFile(suffix=".native") as file:
            file.writelines(blocks)
            file.flush()
            yield file.name


def _lines(result: Any) -> Iterator[str]:
    # Not splitlines: it would also split at U+2028 and the like, inside values.
    return (line for line in bytes(result.bytes()).decode("utf-8", "replace").split("\n") if line)
