"""A read-only query from the command line, directly to the store or through the running server."""

from collections.abc import Iterable
from pathlib import Path

import trio

from actors.stores.embedded import EmbeddedStore
from actors.stores.open import open_store
from actors.stores.store import Store, StoreBusy, StoreError
from ingest.client.running_server import NoServerError, RunningServer, RunningServerError
from ingest.server.state_files import StateFiles
from ingest.settings import Settings

SERVER_SECONDS = 120.0
"""Longer than any query may run."""


class QueryError(Exception):
    """The query could not be answered; the message says why."""


def query(settings: Settings, sql: str) -> Iterable[str]:
    """Ask the store of the settings.

    Only one process can open an embedded store. If a server has it open, the server runs the query.

    Returns:
        A JSON object for each row.

    Raises:
        QueryError: The query is refused, or the store cannot be reached.
    """
    try:
        return trio.run(_ask_store, open_store(settings.clickhouse_url), sql)
    except StoreBusy as busy:
        return ask_server(StateFiles(settings.state_dir).server, sql, busy)
    except StoreError as error:
        raise QueryError(str(error)) from None


async def _ask_store(store: Store, sql: str) -> list[str]:
    try:
        # Opening a server's store would make a database that is only misspelt.
        if isinstance(store, EmbeddedStore):
            store.check_exists()
            await store.open()
        return await store.query(sql)
    finally:
        await store.aclose()


def ask_server(server_file: Path, sql: str, busy: StoreBusy) -> list[str]:
    """Ask the server that has the embedded store.

    Args:
        server_file: Says how the server is reached.
        sql: One read-only statement.
        busy: Why the store cannot be opened.

    Raises:
        QueryError: The query is refused, or the server cannot be reached.
    """
    try:
        server = RunningServer.find(server_file)
        return rows_of(server.ask("/api/query", sql.encode(), seconds=SERVER_SECONDS))
    except NoServerError:
        raise QueryError(f"{busy}, and {server_file} does not say how to reach it") from None
    except RunningServerError as error:
        raise QueryError(str(error)) from None


def rows_of(body: bytes) -> list[str]:
    """Return the rows in a server's answer. A text in them can have other ends of lines."""
    return [line for line in body.decode().split("\n") if line]
