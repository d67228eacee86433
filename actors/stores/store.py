"""What the pipeline expects of the place where rows are kept."""

from collections.abc import Sequence
from typing import Any, Protocol

from ingest.rows.layout import Row
from ingest.rows.schema import Table


class StoreError(Exception):
    """A store could not do what was asked; the message is fit for an operator."""


class StoreUnavailable(StoreError):  # noqa: N818
    """Not now, or nobody knows: the same insert, with the same token, is to be tried again."""


class RowsRefused(StoreError):  # noqa: N818
    """Never: these rows do not fit the table. Other rows may."""


class QueryRefused(StoreError):  # noqa: N818
    """The query is not read-only, not valid, or asks for too much."""


class StoreMisconfigured(StoreError):  # noqa: N818
    """The operator has to change something first; the message says what."""


class StoreBusy(StoreMisconfigured):
    """Another process holds the embedded store."""


class Store(Protocol):
    """A database with the tables of `ingest.rows.schema`.

    Inserts come from one task, one at a time; queries and pings from any, at any time.

    Attributes:
        name: What it is, for logs: `chdb` or `clickhouse`.
        findings: What `open` found and did, a line each.
    """

    name: str
    findings: tuple[str, ...]

    async def open(self) -> None:
        """Connect, and create or migrate the tables.

        May be called again after a failure, and by several processes at once.

        Raises:
            StoreUnavailable: Try again later.
            StoreMisconfigured: Do not.
        """

    async def insert(self, table: Table, rows: Sequence[tuple[Any, ...]], token: str) -> None:
        """Store rows; once this returns they are kept.

        Cancelling it waits until the insert has truly ended, within limits. If it has ended well by
        then, the call returns; otherwise its outcome is unknown, as after a lost connection. The
        next insert never overlaps it.

        Args:
            table: One of `ingest.rows.schema.TABLES`.
            rows: In the layout of `table.inserted`.
            token: Names the insert: a second one with the same token and rows does nothing.

        Raises:
            StoreUnavailable: The rows may be stored or not; insert them again, unchanged.
            RowsRefused: Nothing is stored, nor will it ever be.
        """

    async def missing(self, table: Table, rows: Sequence[Row]) -> Sequence[Row] | None:
        """Which rows of an insert of unknown outcome are to be inserted again.

        Args:
            table: As for `insert`.
            rows: As for `insert`, all of one insert.

        Returns:
            None when the table recognises tokens: a repeated insert does no harm. None of the rows
            when nothing tells them apart, as with counters.

        Raises:
            StoreUnavailable: Try again later.
        """

    async def query(self, sql: str) -> list[str]:
        """Run a read-only query.

        Args:
            sql: One statement that reads; a FORMAT clause is accepted and has no effect.

        Returns:
            A JSON object for each row of the result.

        Raises:
            QueryRefused: With ClickHouse's message.
            StoreUnavailable: Try again later.
        """

    async def ping(self) -> None:
        """Ask for a sign of life; a store that has come back empty is made ready, as by `open`.

        Raises:
            StoreUnavailable: There was none, or it cannot be made ready.
        """

    async def aclose(self) -> None:
        """Let go of threads, connections and files. The store is not used afterwards."""
