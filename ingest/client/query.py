"""Read-only queries from the command line, directly to the store or through the running server."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import trio

from actors.stores.embedded import EmbeddedStore
from actors.stores.open import open_store
from actors.stores.store import QueryRefused, Store, StoreBusy, StoreError
from ingest.client.running_server import NoServerError, RunningServer, RunningServerError
from ingest.server.state_files import StateFiles
from ingest.settings import Settings

SERVER_SECONDS = 120.0
"""Longer than any query may run."""

_REFUSED: Final = 400


class QueryError(Exception):
    """The query could not be answered; the message says why."""


Answer = list[str] | QueryError
"""The rows of a query, a JSON object each; or why it was refused."""


def query(settings: Settings, sql: str) -> list[str]:
    """Ask the store of the settings, as `ask_all` does.

    Returns:
        A JSON object for each row.

    Raises:
        QueryError: The query is refused, or the store cannot be reached.
    """
    return _only(ask_all(settings, [sql]))


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
        return _ask_server(StateFiles(settings.state_dir).server, statements, busy)
    except StoreError as error:
        raise QueryError(str(error)) from None


def ask_server(server_file: Path, sql: str, busy: StoreBusy) -> list[str]:
    """Ask the server that has the embedded store.

    Args:
        server_file: Says how the server is reached.
        sql: One read-only statement.
        busy: Why the store cannot be opened.

    Raises:
        QueryError: The query is refused, or the server cannot be reached.
    """
    return _only(_ask_server(server_file, [sql], busy))


def _only(answers: Sequence[Answer]) -> list[str]:
    (answer,) = answers
    if isinstance(answer, QueryError):
        raise answer
    return answer


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


def _ask_server(server_file: Path, statements: Sequence[str], busy: StoreBusy) -> list[Answer]:
    answers: list[Answer] = []
    try:
        server = RunningServer.find(server_file)
        for sql in statements:
            try:
                body = server.ask("/api/query", sql.encode(), seconds=SERVER_SECONDS)
                # A text in a row can have other ends of lines.
                answers.append([line for line in body.decode().split("\n") if line])
            except RunningServerError as error:
                if error.status != _REFUSED:
                    raise
                answers.append(QueryError(str(error)))
    except NoServerError:
        raise QueryError(f"{busy}, and {server_file} does not say how to reach it") from None
    except RunningServerError as error:
        raise QueryError(str(error)) from None
    return answers
