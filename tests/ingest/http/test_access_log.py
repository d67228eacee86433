"""The access log, on both paths and by itself."""

import json
from pathlib import Path
from typing import Any

import pytest
import trio

from ingest.http.access_log import AccessLog
from ingest.http.request_observers import CompletedRequest
from ingest.telemetry.logs import configure
from ingest.telemetry.request_id import CURRENT, RequestId
from tests.actors.pipeline.running_pipeline import Pipeline, running
from tests.ingest.http.application import Application
from tests.ingest.http.fast_path.test_server import LAST, Servers, post


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    return [line for line in found if line["event"] == "request"]


@pytest.mark.parametrize(
    ("which", "status", "level"),
    [
        ("errors", 202, None),
        ("errors", 400, "info"),
        ("errors", 503, "warning"),
        ("all", 202, "info"),
        ("all", 204, "info"),
        ("all", 500, "warning"),
    ],
)
def test_which_requests(
    capsys: pytest.CaptureFixture[str], which: Any, status: int, level: str | None
) -> None:
    configure("info", "json")
    AccessLog(which)(CompletedRequest("POST", "/api/event", status, 0.001234))
    found = lines(capsys)
    assert [line["level"] for line in found] == ([] if level is None else [level])


def test_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "json")
    name = RequestId(lambda: True)
    name.begin({"x-request-id": "abc-1"})
    token = CURRENT.set(name)
    AccessLog("all")(
        CompletedRequest("POST", "/api/event", 202, 0.001234, ("bot", "not_found"), "00-a")
    )
    CURRENT.reset(token)
    (line,) = lines(capsys)
    assert {key: line[key] for key in line.keys() - {"timestamp"}} == {
        "event": "request",
        "level": "info",
        "logger": "ingest.http.access_log",
        "request_id": "abc-1",
        "method": "POST",
        "route": "/api/event",
        "status": 202,
        "milliseconds": 1.23,
        "dropped": ["bot", "not_found"],
    }


async def test_both_paths_log_alike(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configure("info", "json")
    sent = (
        post(headers=b"x-request-id: one\r\n")
        + post(b"{}", headers=b"x-request-id: two\r\n")
        + post(headers=b"x-request-id: three\r\n", d="nowhere.example,example.com")
        + LAST
    )
    async with running(Pipeline(tmp_path)) as pipeline, trio.open_nursery() as nursery:
        servers = Servers(pipeline, Application(pipeline, observers=[AccessLog("all")]))
        await servers.open(nursery, observers=[AccessLog("all")])
        logged = []
        for server in (0, 1):
            answer = await servers.answer(server, sent, 1_000_000)
            logged.append(lines(capsys))
            assert answer.count(b"x-request-id:") == 1
            assert b"x-request-id: two\r\n" in answer
        nursery.cancel_scope.cancel()
    fast, slow = (
        [{key: line[key] for key in line.keys() - {"timestamp", "milliseconds"}} for line in each]
        for each in logged
    )
    assert [line.pop("request_id") for line in fast][:3] == ["one", "two", "three"]
    assert [line.pop("request_id") for line in slow][:3] == ["one", "two", "three"]
    assert fast == slow
    assert [(line["status"], line.get("dropped")) for line in fast] == [
        (202, None),
        (400, None),
        (202, ["not_found"]),
        (202, None),
    ]


async def test_nothing_tells_of_the_visitor(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str], autojump_clock: object
) -> None:
    configure("info", "json")
    application = Application(pipeline, observers=[AccessLog("all")])
    await application.post({"x-forwarded-for": "203.0.113.77", "user-agent": "Mozilla/5.0 Secret"})
    await application.ask("GET", "/nothing-here?secret=Secret")
    text = capsys.readouterr().err
    assert text.count('"event": "request"') == 2
    assert '"route": "(none)"' in text
    assert "203.0.113" not in text
    assert "Secret" not in text


async def test_what_is_logged_while_a_request_is_handled_bears_its_id(
    application: Application,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    autojump_clock: object,
) -> None:
    configure("info", "json")

    def fail(*arguments: object, **keywords: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(application.pipeline.collector.intake, "send", fail)
    answer = await application.post({"x-request-id": "quoted-by-a-user"})
    assert (answer.status, answer.headers["x-request-id"]) == (500, "quoted-by-a-user")
    (line,) = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert (line["event"], line["request_id"]) == ("request failed", "quoted-by-a-user")


@pytest.mark.parametrize(
    ("trusted", "peer", "answered"),
    [
        ("all", "203.0.113.9", "abc"),
        ("private", "127.0.0.1", "abc"),
        ("private", "203.0.113.9", None),
        ("203.0.113.0/24", "203.0.113.9", "abc"),
    ],
)
async def test_whose_ids_are_taken(
    pipeline: Pipeline, trusted: str, peer: str, answered: str | None, autojump_clock: object
) -> None:
    application = Application(pipeline, trusted=trusted)
    answer = await application.ask("GET", "/nothing", headers={"x-request-id": "abc"}, peer=peer)
    assert answer.status == 404
    if answered is None:
        assert answer.headers["x-request-id"] != "abc"
    else:
        assert answer.headers["x-request-id"] == answered


async def test_answers_that_are_no_errors_bear_none(
    application: Application, autojump_clock: object
) -> None:
    for answer in (await application.post(), await application.ask("GET", "/health")):
        assert "x-request-id" not in answer.headers
