"""The routes over a whole pipeline; what imports do is tested with the service and the job."""

import json
from pathlib import Path

import pytest

from actors.imports.service import ImportService
from ingest.http.import_routes import NO_IMPORTS, ROUTE, add_import_routes
from ingest.http.operator import Operator
from ingest.past.import_progress import ImportProgress, Phase
from ingest.past.import_request import ImportRequest
from ingest.server.imports import open_import_service
from ingest.server.state_files import StateFiles
from ingest.settings import Settings
from tests.actors.imports.running_service import an_import_request
from tests.actors.pipeline.running_pipeline import Pipeline, running
from tests.ingest.http.application import COMMAND_TOKEN, Application, HTTPAnswer
from tests.ingest.past.lines import COMBINED


class Front:
    """An application that imports, and a log to import."""

    def __init__(self, directory: Path) -> None:
        self.pipeline = Pipeline(directory)
        self.application = Application(self.pipeline)
        service = open_import_service(
            Settings(), StateFiles(directory), self.pipeline.collector, self.pipeline.store
        )
        assert isinstance(service, ImportService)
        add_import_routes(self.application.app, service, Operator(None, COMMAND_TOKEN))
        log = directory / "access.log"
        log.write_text(f"{COMBINED}\n{COMBINED.replace('Chrome/', 'Googlebot/')}\nnonsense\n")
        self.request = an_import_request(str(log))

    async def ask(
        self, method: str, path: str, body: object = None, token: str = COMMAND_TOKEN
    ) -> HTTPAnswer:
        content = b"" if body is None else json.dumps(body).encode()
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return await self.application.ask(method, path, content, headers, peer="127.0.0.1")

    async def begin(self, request: ImportRequest | None = None) -> HTTPAnswer:
        return await self.ask("POST", ROUTE, (request or self.request).to_json())


@pytest.fixture
async def front(tmp_path: Path) -> Front:
    return Front(tmp_path)


async def test_an_import(front: Front) -> None:
    async with running(front.pipeline):
        answer = await front.begin()
        assert answer.status == 201
        ticket = answer.json["ticket"]
        progress = ImportProgress.from_json(answer.json["progress"])
        while not progress.over:
            answer = await front.ask("POST", f"{ROUTE}/{ticket}")
            assert answer.status == 200
            progress = ImportProgress.from_json(answer.json["progress"])
        assert progress.phase is Phase.FINISHED
        counts = progress.counts
        assert (counts.lines, counts.accepted, counts.broken_lines) == (3, 1, 1)
        assert counts.dropped == {"bot": 1}
        assert [event["pathname"] for event in front.pipeline.events()] == ["/a"]
        assert (await front.ask("POST", f"{ROUTE}/{ticket}")).status == 410
    # The counters tell of what was sent to the server, now.
    assert front.pipeline.counted() == {}


async def test_one_at_a_time(front: Front) -> None:
    async with running(front.pipeline):
        ticket = (await front.begin()).json["ticket"]
        busy = await front.begin()
        assert (busy.status, busy.json["errors"]) == (
            409,
            {"import": ["another import is under way"]},
        )
        assert (await front.ask("DELETE", f"{ROUTE}/{ticket}")).status == 200
        assert (await front.ask("POST", f"{ROUTE}/{ticket}")).status == 410
        assert (await front.begin()).status == 201


@pytest.mark.parametrize(
    "body", [None, [], {"paths": []}, an_import_request("/none/such").to_json()]
)
async def test_mistakes(front: Front, body: object) -> None:
    async with running(front.pipeline):
        answer = await front.ask("POST", ROUTE, body)
        assert answer.status == 400
        assert list(answer.json["errors"]) == ["import"]


@pytest.mark.parametrize("token", ["", "another"])
async def test_strangers(front: Front, token: str) -> None:
    """Not even this machine's users, without the token that stands in the state directory."""
    async with running(front.pipeline):
        assert (await front.ask("POST", ROUTE, front.request.to_json(), token)).status == 403
        assert (await front.ask("POST", f"{ROUTE}/x", None, token)).status == 403
        assert (await front.ask("DELETE", f"{ROUTE}/x", None, token)).status == 403


@pytest.mark.parametrize(
    ("token", "status", "errors"),
    [(COMMAND_TOKEN, 501, {"import": [NO_IMPORTS]}), ("another", 403, None)],
)
async def test_a_process_that_cannot_import_says_so(
    tmp_path: Path, token: str, status: int, errors: object
) -> None:
    application = Application(Pipeline(tmp_path))
    add_import_routes(application.app, None, Operator(None, COMMAND_TOKEN))
    headers = {"authorization": f"Bearer {token}"}
    answer = await application.ask("POST", ROUTE, b"{}", headers, peer="127.0.0.1")
    assert answer.status == status
    assert errors is None or answer.json["errors"] == errors
