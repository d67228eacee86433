"""Runs a worker alone that fails at some events while a file exists.

`python -m tests.cluster.faulty_worker FAULTS BROKERS PREFIX CLUSTER PARTITIONS DATABASE`

The fold fails at events of `/poisoned`, and the store refuses rows of `/refused`.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import trio

from actors.stores.store import RowsRefused
from ingest.fold.fold import Fold
from ingest.model.event import EnrichedEvent
from ingest.model.verdict import Verdict
from ingest.records.record import Record
from ingest.rows.layout import EventRows
from ingest.rows.schema import TABLES, Table
from tests.cluster import worker_process
from tests.cluster.worker_process import SqliteStore, main

PATHNAME = [column.name for column in TABLES["events_v2"].inserted].index("pathname")


def install(faults: Path) -> None:
    """Fail while the file exists."""
    take = Fold.take

    def fail_or_take(self: Fold, record: Record) -> EventRows | Verdict | None:
        if isinstance(record, EnrichedEvent) and record.pathname == "/poisoned" and faults.exists():
            raise ZeroDivisionError("injected")
        return take(self, record)

    class Store(SqliteStore):
        async def insert(self, table: Table, rows: Sequence[tuple[Any, ...]], token: str) -> None:
            refused = table.name == "events_v2" and any(row[PATHNAME] == "/refused" for row in rows)
            if refused and faults.exists():
                raise RowsRefused("injected")
            await super().insert(table, rows, token)

    Fold.take = fail_or_take  # type: ignore[method-assign]
    worker_process.SqliteStore = Store  # type: ignore[misc]


if __name__ == "__main__":
    _, faults, brokers, prefix, cluster, partitions, database = sys.argv
    install(Path(faults))
    sys.exit(trio.run(main, brokers, prefix, cluster, int(partitions), Path(database)))
