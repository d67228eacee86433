"""The route over a whole pipeline; what an import does is tested beside it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.imports import export_import
from actors.stores.store import StoreUnavailable
from ingest.http.export_routes import NO_STORE, ROUTE, add_export_routes
from ingest.http.operator import Operator
from ingest.past.export_progress import ExportRequest, ExportStep
from ingest.past.import_progress import Phase
from tests.actors.imports.imported_rows import ImportedRows
from tests.actors.pipeline.running_pipeline import Pipeline
from tests.ingest.http.application import COMMAND_TOKEN, Application, HTTPAnswer
from tests.ingest.past.export_files import ROWS, pack


class Front:
    """An application that imports exports."""

    def __init__(self, directory: Path, store: ImportedRows | None) -> None:
        self.application = Application(Pipeline(directory))
        reference = self.application.pipeline.collector.reference
        operator = Operator(None, COMMAND_TOKEN)
        add_export_routes(self.application.app, reference, store, operator)
        self.request = ExportRequest(pack(directory / "a.zip"), "example.com")

    async def ask(self, body: bytes | None = None, token: str = COMMAND_TOKEN) -> HTTPAnswer:
        content = msgspec.json.encode(self.request) if body is None else body
        headers = {"authorization": f"Bearer {token}"}
        return await self.application.ask("POST", ROUTE, content, headers, peer="127.0.0.1")

    @asynccontextmanager
    async def connected(self, **changes: Any) -> AsyncIterator[Any]:
        """Send a request, and yield the connection for reading the answer."""
        client: Any = self.application.app.test_client()
        headers = {"authorization": f"Bearer {COMMAND_TOKEN}", "host": "localhost"}
        async with client.request(
            ROUTE, method="POST", headers=headers, scope_base={"client": ("127.0.0.1", 50_000)}
        ) as connection:
            await connection.send(msgspec.json.encode(asdict(self.request) | changes))
            await connection.send_complete()
            yield connection

    async def last(self, **changes: Any) -> ExportStep:
        async with self.connected(**changes) as connection:
            content = b""
            with suppress(trio.EndOfChannel):
                while True:
                    content += await connection.receive()
        assert connection.status_code == 200
        assert connection.headers["content-type"] == "application/x-ndjson"
        return msgspec.json.decode(content.splitlines()[-1], type=ExportStep)


@pytest.fixture
def store() -> ImportedRows:
    return ImportedRows()


@pytest.fixture
async def front(tmp_path: Path, store: ImportedRows) -> Front:
    return Front(tmp_path, store)


async def test_an_import(front: Front, store: ImportedRows) -> None:
    for phase, stored in ((Phase.FINISHED, ROWS), (Phase.KNOWN, 0)):
        step = await front.last()
        assert step.progress is not None
        assert (step.progress.phase, step.progress.stored) == (phase, stored)
        assert store.count == ROWS


async def test_a_dry_run_stores_nothing(front: Front, store: ImportedRows) -> None:
    step = await front.last(dry_run=True)
    assert step.progress is not None
    assert (step.progress.phase, store.count, store.created) == (Phase.FINISHED, 0, [])


async def test_whoever_hangs_up_ends_the_import(
    front: Front, store: ImportedRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_import, "INSERT_ROWS", 1)
    async with front.connected() as connection:
        while b"reading" not in await connection.receive():
            busy = await front.last()
            assert "another export is being imported" in busy.mistake
        await connection.disconnect()
        await wait_all_tasks_blocked()
        # Quart's connection for tests leaves it open.
        await connection._client_send.aclose()
    assert 0 < store.count < ROWS
    assert (await front.last()).progress is not None
    assert store.count == ROWS


async def test_mistakes_and_failures_are_told(front: Front, store: ImportedRows) -> None:
    assert "none of the sites" in (await front.last(site="new.example")).mistake
    assert "No such file" in (await front.last(path="/none/such.zip")).mistake
    store.outages = [StoreUnavailable("away")]
    assert (await front.last()).failure == "away"
    # Nothing of it stays behind.
    assert (await front.last()).progress is not None


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"path": 1, "site": "a"}', b"[" * 100_000])
async def test_another_request(front: Front, body: bytes) -> None:
    answer = await front.ask(body)
    assert (answer.status, list(answer.json["errors"])) == (400, ["import"])


async def test_strangers(front: Front, store: ImportedRows) -> None:
    """Not even this machine's users, without the token that stands in the state directory."""
    assert (await front.ask(token="another")).status == 403
    assert store.count == 0


async def test_a_process_without_a_store_says_so(tmp_path: Path) -> None:
    answer = await Front(tmp_path, None).ask()
    assert (answer.status, json.loads(answer.body)["errors"]) == (501, {"import": [NO_STORE]})
