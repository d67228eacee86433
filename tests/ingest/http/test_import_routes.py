"""The route over a whole pipeline; what imports do is tested with the importer."""

import json
from pathlib import Path
from typing import Any

import pytest
import trio

from actors.imports.importer import BUSY
from ingest.http.import_routes import ROUTE, ImportStream, add_import_routes
from ingest.http.interruption import ENDS
from ingest.http.operator import Operator
from ingest.past.import_progress import ImportProgress, Phase
from tests.actors.imports.running_imports import (
    ImportEnvironment,
    an_import_request,
    an_importer,
    gate,
)
from tests.ingest.http.application import COMMAND_TOKEN, Application, HTTPAnswer
from tests.ingest.past.lines import COMBINED

LINES = f"{COMBINED}\n{COMBINED.replace('Chrome/', 'Googlebot/')}\nnonsense\n"


@pytest.fixture
async def environment(tmp_path: Path) -> ImportEnvironment:
    return ImportEnvironment(tmp_path)


async def ask(
    application: Application, body: object, token: str = COMMAND_TOKEN, **scope: Any
) -> HTTPAnswer:
    content = b"" if body is None else json.dumps(body).encode()
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return await application.ask("POST", ROUTE, content, headers, peer="127.0.0.1", scope=scope)


def lines(answer: HTTPAnswer) -> list[Any]:
    return list(map(json.loads, answer.body.splitlines()))


async def test_an_import(environment: ImportEnvironment) -> None:
    pipeline = environment.pipeline()
    application = Application(pipeline)
    request = an_import_request(environment.write(LINES.encode()))
    async with an_importer(environment, pipeline) as importer:
        add_import_routes(application.app, importer, Operator(None, COMMAND_TOKEN))
        answer = await ask(application, request.to_json())
        assert (answer.status, answer.headers["content-type"]) == (200, "application/x-ndjson")
        first, *_, last = [ImportProgress.from_json(line["progress"]) for line in lines(answer)]
        assert first.phase is Phase.CHECKING
        assert last.phase is Phase.FINISHED
        counts = last.counts
        assert (counts.lines, counts.accepted, counts.visits) == (3, 1, 1)
        assert (counts.broken_lines, counts.dropped) == (1, {"bot": 1})
        missing = await ask(application, an_import_request("/none/such").to_json())
        assert lines(missing)[-1] == {"error": "/none/such: No such file or directory"}
    assert [event["pathname"] for event in pipeline.events()] == ["/a"]
    # The counters tell of what was sent to the server, now.
    assert pipeline.counted() == {}


async def test_one_at_a_time_until_the_first_hangs_up_or_the_server_stops(
    environment: ImportEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = an_import_request(environment.write(LINES.encode()))
    pipeline = environment.pipeline()
    opened = gate(pipeline, monkeypatch)
    stopping = trio.Event()
    async with an_importer(environment, pipeline) as importer:
        scope = {"state": {ENDS: (stopping,)}}
        async with ImportStream(importer, request, scope) as stream:
            await anext(stream)
            async with ImportStream(importer, request, scope) as other:
                assert [json.loads(line) async for line in other] == [{"error": BUSY}]
            stopping.set()
            ended = [json.loads(line) async for line in stream]
            assert not any(line["progress"]["phase"] == "finished" for line in ended)
        opened.set()
        async with ImportStream(importer, request, {}) as stream:
            *_, last = [json.loads(line) async for line in stream]
        assert last["progress"]["phase"] == "finished"


@pytest.mark.parametrize("body", [None, [], {"paths": []}])
async def test_mistakes(tmp_path: Path, body: object) -> None:
    environment = ImportEnvironment(tmp_path)
    pipeline = environment.pipeline()
    application = Application(pipeline)
    async with an_importer(environment, pipeline) as importer:
        add_import_routes(application.app, importer, Operator(None, COMMAND_TOKEN))
        answer = await ask(application, body)
    assert answer.status == 400
    assert list(answer.json["errors"]) == ["import"]


@pytest.mark.parametrize("token", ["another", ""])
async def test_only_the_command_line_may_ask(environment: ImportEnvironment, token: str) -> None:
    """Not even this machine's users, without the token that stands in the state directory."""
    pipeline = environment.pipeline()
    application = Application(pipeline)
    async with an_importer(environment, pipeline) as importer:
        add_import_routes(application.app, importer, Operator(None, COMMAND_TOKEN))
        answer = await ask(application, {}, token)
    assert answer.status == 403
