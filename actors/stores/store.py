"""The interface of a store."""

from collections.abc import Sequence
from typing import Any, Protocol

from ingest.rows.layout import Row
from ingest.rows.schema import Table
from ingest.rows.servers import SeenServer, Server


class StoreError(Exception):
    """A store operation failed; the message is for the operator."""


class StoreUnavailable(StoreError):  # noqa: N818
    """The store is unavailable, or the outcome is unknown; retry with the same token."""


class RowsRefused(StoreError):  # noqa: N818
    """These rows do not fit the table and will never be accepted. Other rows may fit."""


class QueryRefused(StoreError):  # noqa: N818
    """The query is not read-only, not valid, or asks for too much."""


class StoreMisconfigured(StoreError):  # noqa: N818
    """The operator must change something first; the message says what."""


class StoreBusy(StoreMisconfigured):
    """Another process holds the embedded store."""


class Store(Protocol):
    """A database with the tables of `ingest.rows.schema`.

    Inserts run one at a time; those of several tasks wait for each other. Any task may query and
    ping at any time.

    Attributes:
        name: Its kind, for logs: `chdb` or `clickhouse`.
        findings: What `open` found and did, one per line.
        older_names: Whether sources are stored under the names from before June 2026, because the
            database has them.
    """

    name: str
    findings: tuple[str, ...]

    @property
    def older_names(self) -> bool: ...

    async def open(self) -> None:
        """Connect, and create or migrate the tables.

        May be called again after a failure, and by several processes at once.

        Raises:
            StoreUnavailable: Try again later.
            StoreMisconfigured: Do not try again before the operator has fixed the problem.
        """

    async def insert(self, table: Table, rows: Sequence[tuple[Any, ...]], token: str) -> None:
        """Store rows durably.

        If cancelled, it waits for the end of the insert, within limits. If the insert succeeds by
        then, the call returns; otherwise its outcome is unknown, as after a lost connection. The
        next insert never overlaps it.

        Args:
            table: One of `ingest.rows.schema.TABLES`, or one that `create_imported` has created.
            rows: In the layout of `table.inserted`.
            token: Identifies the insert: a second one with the same token and rows has no effect.

        Raises:
            StoreUnavailable: The rows may or may not be stored; insert them again, unchanged.
            RowsRefused: No row is stored, and a retry would be refused as well.
        """

    async def missing(self, table: Table, rows: Sequence[Row]) -> Sequence[Row] | None:
        """The rows of an insert of unknown outcome that must be inserted again.

        Args:
            table: As for `insert`.
            rows: As for `insert`, all of one insert.

        Returns:
            None if the table recognises tokens, so that a repeated insert does no harm. An empty
            sequence if the rows cannot be told apart, like counters.

        Raises:
            StoreUnavailable: Try again later.
        """

    async def query(self, sql: str) -> list[str]:
        """Run a read-only query.

        Args:
            sql: One read-only statement; a FORMAT clause is ignored.

        Returns:
            A JSON object for each row of the result.

        Raises:
            QueryRefused: With ClickHouse's message.
            StoreUnavailable: Try again later.
        """

    async def ping(self) -> None:
        """Probe the store. A store that has come back empty is prepared as by `open`.

        Raises:
            StoreUnavailable: It did not answer or cannot be prepared.
        """

    async def beat(self, server: Server) -> None:
        """Record that a server writes to this store now.

        Does not disturb inserts. Does nothing if servers cannot share the store, or if its tables
        are not Sluice's own.

        Args:
            server: This one.

        Raises:
            StoreUnavailable: Try again later.
            StoreMisconfigured: A privilege is missing.
        """

    async def servers(self) -> Sequence[SeenServer] | None:
        """The servers that have recorded a beat in the last minutes.

        Returns:
            None where `beat` does nothing.

        Raises:
            StoreUnavailable: Try again later.
            StoreMisconfigured: A privilege is missing.
        """

    async def aclose(self) -> None:
        """Close threads, connections and files. Do not use the store afterwards."""


class ImportStore(Store, Protocol):
    """A store that can have the tables of `ingest.rows.imported`, too."""

    async def made_by_plausible(self) -> bool:
        """Whether Plausible's migrations made the tables, which are not altered then.

        Raises:
            StoreUnavailable: The store is not open yet.
        """

    async def create_imported(self, tables: Sequence[Table]) -> None:
        """Create tables for imports, where they do not exist.

        Args:
            tables: Some of `ingest.rows.imported.IMPORTED_TABLES`.

        Raises:
            StoreUnavailable: Try again later.
            StoreMisconfigured: A privilege is missing.
        """
