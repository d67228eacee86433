"""A read-only query from the command line, straight to the store or through the running server."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterable
from pathlib import Path

import trio

from actors.stores.open import open_store
from actors.stores.store import Store, StoreBusy, StoreError
from ingest.settings import Settings
from ingest.state_files import StateFiles

SERVER_SECONDS = 120.0
"""Longer than any query may run."""


class QueryError(Exception):
    """The query could not be answered; the message says why."""


def query(settings: Settings, sql: str) -> Iterable[str]:
    """Ask the store of the settings.

    An embedded store belongs to one process: while the server has it, the server is asked.

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
        await store.open()
        return await store.query(sql)
    finally:
        await store.aclose()


def ask_server(announcement: Path, sql: str, busy: StoreBusy) -> list[str]:
    """Ask the server that has the embedded store.

    Args:
        announcement: The file by which it says how it is reached.
        sql: One statement that reads.
        busy: Why the store cannot be asked.

    Raises:
        QueryError: The query is refused, or the server cannot be reached.
    """
    try:
        server = json.loads(announcement.read_text())
    except (OSError, json.JSONDecodeError):
        raise QueryError(f"{busy}, and {announcement} does not say how to reach it") from None
    request = urllib.request.Request(
        f"http://127.0.0.1:{server['port']}/api/query",
        data=sql.encode(),
        headers={"authorization": f"Bearer {server['token']}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=SERVER_SECONDS) as response:  # noqa: S310
            body: bytes = response.read()
        return body.decode().splitlines()
    except urllib.error.HTTPError as refusal:
        raise QueryError(_message(refusal)) from None
    except OSError as error:
        raise QueryError(f"the server on port {server['port']} does not answer: {error}") from None


def _message(refusal: urllib.error.HTTPError) -> str:
    try:
        return str(json.loads(refusal.read())["errors"]["query"][0])
    except (ValueError, KeyError, IndexError, TypeError):
        return f"the server answered {refusal.code}"
