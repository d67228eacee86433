"""Figures from the command line, directly from the store or through the running server."""

from collections.abc import Sequence

import trio

from actors.stores.embedded import EmbeddedStore
from actors.stores.open import open_store
from actors.stores.store import QueryRefused, Store, StoreBusy, StoreError
from ingest.client.query import SERVER_SECONDS, QueryError, rows_of
from ingest.client.running_server import NoServerError, RunningServer, RunningServerError
from ingest.server.state_files import StateFiles
from ingest.settings import Settings

Answer = list[str] | QueryError
"""The rows of a query, a JSON object each; or why it was refused."""

_REFUSED = 400


def ask_all(settings: Settings, statements: Sequence[str]) -> list[Answer]:
    """Ask the store of the settings, one statement after another.

    Only one process can open an embedded store. If a server has it open, the server runs the
    queries.

    Returns:
        An answer for each statement.

    Raises:
        QueryError: The store cannot be reached.
    """
    try:
        return trio.run(_ask_store, open_store(settings.clickhouse_url), statements)
    except StoreBusy as busy:
        return _ask_server(StateFiles(settings.state_dir), statements, busy)
    except StoreError as error:
        raise QueryError(str(error)) from None


async def _ask_store(store: Store, statements: Sequence[str]) -> list[Answer]:
    answers: list[Answer] = []
    try:
        # Opening a server's store would make a database that is only misspelt.
        if isinstance(store, EmbeddedStore):
            store.check_exists()
            await store.open()
        for sql in statements:
            try:
                answers.append(await store.query(sql))
            except QueryRefused as refused:
                answers.append(QueryError(str(refused)))
    finally:
        await store.aclose()
    return answers


def _ask_server(files: StateFiles, statements: Sequence[str], busy: StoreBusy) -> list[Answer]:
    answers: list[Answer] = []
    try:
        server = RunningServer.find(files.server)
        for sql in statements:
            try:
                body = server.ask("/api/query", sql.encode(), seconds=SERVER_SECONDS)
                answers.append(rows_of(body))
            except RunningServerError as error:
                if error.status != _REFUSED:
                    raise
                answers.append(QueryError(str(error)))
    except NoServerError:
        raise QueryError(f"{busy}, and {files.server} does not say how to reach it") from None
    except RunningServerError as error:
        raise QueryError(str(error)) from None
    return answers
