"""Finds the rows of a batch that the store does not have yet."""

import json
from collections.abc import Sequence

import structlog
import trio
from msgspec.structs import replace

from actors.stores.store import QueryRefused, Store, StoreUnavailable
from ingest.rows.batch import Insert
from ingest.rows.dedup_probe import plan_probes
from ingest.rows.layout import Row
from ingest.rows.schema import TABLES

log = structlog.get_logger()


class StoredRows:
    """Queries a store for the rows it has.

    Tables recognise a token only among their last thousand inserts, and an import may be resumed
    after weeks.
    """

    def __init__(self, store: Store, database: str) -> None:
        """Use a store.

        Args:
            store: Which one; it stays the caller's.
            database: Where the tables are.
        """
        self._store = store
        self._database = database

    async def missing(
        self, inserts: tuple[Insert, ...], deadline: float
    ) -> tuple[Insert, ...] | None:
        """The inserts to repeat, without the rows that are already stored.

        Args:
            inserts: Inserts that may be stored, wholly or in part.
            deadline: How long to try, by trio's clock.

        Returns:
            None if the store could not be queried.
        """
        missing: list[Insert] = []
        for insert in inserts:
            try:
                rows = await self._missing(insert)
            except StoreUnavailable as error:
                log.warning("store cannot be asked what it has", error=str(error))
                await trio.sleep_until(deadline)
                return None
            if rows:
                missing.append(replace(insert, rows=tuple(rows)))
        return tuple(missing)

    async def _missing(self, insert: Insert) -> Sequence[Row]:
        table = TABLES[insert.table]
        rows: list[Row] = []
        for probe in plan_probes(table, insert.rows, self._database):
            try:
                (answer,) = await self._store.query(probe.sql)
            except QueryRefused as error:
                log.error("store does not say what it has, trusting in tokens", error=str(error))
                return insert.rows
            found = int(next(iter(json.loads(answer).values())))
            if not probe.expected or found < probe.expected:
                rows.extend(probe.rows)
        return rows
