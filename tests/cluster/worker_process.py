"""Runs a worker alone, with a store in one SQLite file, until SIGTERM.

`python -m tests.cluster.worker_process BROKERS PREFIX CLUSTER PARTITIONS DATABASE`

Makes a file PID.started beside the database when it takes SIGTERM.
"""

import os
import pickle
import signal
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import trio

from actors.cluster.worker import Connection, Worker
from actors.pipeline.writer import Retry
from ingest.engine.cluster_record import ClusterRecord
from ingest.engine.topics import topic_names
from ingest.rows.schema import Table
from ingest.rows.servers import SeenServer, Server
from ingest.telemetry.metrics import Metrics

SESSION_SECONDS = 6.0
"""The least that brokers allow."""


class SqliteStore:
    """Keeps rows by table, each token once; several processes share it."""

    name = "sqlite"
    findings: tuple[str, ...] = ()
    older_names = False

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, timeout=60, isolation_level=None)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("CREATE TABLE IF NOT EXISTS inserts (token PRIMARY KEY, rows)")

    async def open(self) -> None:
        await trio.lowlevel.checkpoint()

    async def insert(self, table: Table, rows: Sequence[tuple[Any, ...]], token: str) -> None:
        # A kill may fall on either side of the insert.
        await trio.sleep(0.02)
        self._database.execute(
            "INSERT OR IGNORE INTO inserts VALUES (?, ?)", (token, pickle.dumps((table.name, rows)))
        )
        await trio.sleep(0.02)

    async def missing(
        self, table: Table, rows: Sequence[tuple[Any, ...]]
    ) -> Sequence[tuple[Any, ...]] | None:
        await trio.lowlevel.checkpoint()
        return None

    async def query(self, sql: str) -> list[str]:
        await trio.lowlevel.checkpoint()
        return []

    async def ping(self) -> None:
        await trio.lowlevel.checkpoint()

    async def beat(self, server: Server) -> None:
        await trio.lowlevel.checkpoint()

    async def servers(self) -> Sequence[SeenServer] | None:
        await trio.lowlevel.checkpoint()
        return None

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()
        self._database.close()

    def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        found: dict[str, list[tuple[Any, ...]]] = {}
        for (data,) in self._database.execute("SELECT rows FROM inserts"):
            table, rows = pickle.loads(data)  # noqa: S301 - our own
            found.setdefault(table, []).extend(rows)
        return found


async def main(brokers: str, prefix: str, cluster: str, partitions: int, database: Path) -> int:
    options: dict[str, str | int | float | bool] = {"bootstrap.servers": brokers, "log_level": 0}
    names = topic_names(prefix)
    worker = Worker(
        Connection(
            {**options, "group.id": names.workers},
            options,
            {**options, "group.id": f"{prefix}readers"},
            options,
        ),
        names,
        ClusterRecord(cluster, partitions, 1800),
        SqliteStore(database),
        Metrics(lambda domain: True),
        session_seconds=SESSION_SECONDS,
        flush_rows=50,
        flush_seconds=0.5,
        retry=Retry(0.1, 1),
        checkpoint_seconds=3,
    )
    with trio.open_signal_receiver(signal.SIGTERM) as signals:
        database.with_name(f"{os.getpid()}.started").touch()
        async with trio.open_nursery() as nursery:

            async def end_when_fatal() -> None:
                await worker.fatal.wait()
                nursery.cancel_scope.cancel()

            async def run() -> None:
                await worker.run()
                nursery.cancel_scope.cancel()

            nursery.start_soon(end_when_fatal)
            nursery.start_soon(run)
            async for _ in signals:
                await worker.drain(10)
    return 70 if worker.fatal.is_set() else 0


if __name__ == "__main__":
    _, brokers, prefix, cluster, partitions, database = sys.argv
    sys.exit(trio.run(main, brokers, prefix, cluster, int(partitions), Path(database)))
