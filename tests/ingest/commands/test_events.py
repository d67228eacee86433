"""The commands over a server that answers as told; a real one is in `test_diagnosis.py`."""

import json
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import IO

import pytest

from actors.observation.broadcast import Missed
from ingest.client.running_server import RunningServer, RunningServerError
from ingest.commands.events import read_stream
from ingest.http.live.event_stream import encode
from ingest.model.verdict import DropReason
from ingest.observation.event_summary import as_json, summarize
from tests.examples import an_enriched_event, an_event
from tests.ingest.commands.command_line import run

DROPS = [
    summarize(number, an_event(pathname=f"/{number}"), 1, DropReason.BOT, "user agent of a crawler")
    for number in (1, 2)
]
ACCEPTED = summarize(3, an_enriched_event(pathname="/3"))


class FakeServer:
    """Answers as told, and keeps what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, bytes | BaseException] = {}
        self.asked: list[str] = []
        self.sent: list[tuple[bytes | None, Mapping[str, str] | None]] = []

    def answer(self, path: str, body: bytes | None, headers: Mapping[str, str] | None) -> IO[bytes]:
        self.asked.append(path)
        self.sent.append((body, headers))
        answer = self.answers[path.partition("?")[0]]
        if isinstance(answer, BaseException):
            raise answer
        return BytesIO(answer)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeServer:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SLUICE_STATE_DIR", str(tmp_path))
    (tmp_path / "server.json").write_text('{"port": 1, "token": "t"}')
    server = FakeServer()

    def open_(
        _: RunningServer,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        seconds: float,
        method: str | None = None,
    ) -> IO[bytes]:
        return server.answer(path, body, headers)

    monkeypatch.setattr(RunningServer, "open", open_)
    return server


def test_the_newest_drop_comes_last(server: FakeServer) -> None:
    report = {"drops": [as_json(one) for one in reversed(DROPS)], "since": 1, "dropped_since": {}}
    server.answers["/api/drops"] = json.dumps(report).encode()
    result = run("drops", "--site", "example.com", "-n", "5")
    assert result.exit_code == 0
    assert [line.rpartition("/")[2] for line in result.stdout.splitlines()] == ["1", "2"]
    assert "user agent of a crawler" in result.stdout
    assert server.asked == ["/api/drops?site=example.com&limit=5"]
    lines = run("drops", "--json").stdout.splitlines()
    assert [json.loads(line)["number"] for line in lines] == [1, 2]


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        (("drops", "-f", "-n", "3"), "/api/live?kind=dropped&replay=3"),
        (("drops", "-f", "-n", "999"), "/api/live?kind=dropped&replay=256"),
        (("tail",), "/api/live?kind=accepted&replay=10"),
        (("tail", "--site", "a b"), "/api/live?kind=accepted&site=a+b&replay=10"),
    ],
)
def test_following_ends_with_the_server(
    server: FakeServer, arguments: tuple[str, ...], asked: str
) -> None:
    shown = ACCEPTED if arguments[0] == "tail" else DROPS[0]
    server.answers["/api/live"] = b"retry: 2000\n\n: still here\n\n" + encode([shown, Missed(7)])
    result = run(*arguments)
    assert result.exit_code == 0
    (line,) = result.stdout.splitlines()
    assert f"example.com{shown.pathname}" in line
    assert result.stderr == "7 events missed, there were too many\nthe server has stopped\n"
    assert server.asked == [asked]
    (line,) = run(*arguments, "--json").stdout.splitlines()
    assert json.loads(line) == as_json(shown)


@pytest.mark.parametrize("command", ["drops", "tail"])
def test_control_c_is_no_mistake(server: FakeServer, command: str) -> None:
    server.answers = {"/api/live": KeyboardInterrupt(), "/api/drops": KeyboardInterrupt()}
    result = run(command)
    assert (result.exit_code, result.output) == (0, "")


@pytest.mark.parametrize("command", ["drops", "tail"])
def test_a_server_that_refuses(server: FakeServer, command: str) -> None:
    refusal = RunningServerError("Too many follow already, try again later", 503)
    server.answers = {"/api/live": refusal, "/api/drops": refusal}
    result = run(command)
    assert (result.exit_code, result.stderr) == (1, f"Error: {refusal}\n")


@pytest.mark.parametrize("command", [("drops",), ("drops", "-f"), ("tail",), ("validate",)])
def test_no_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(*command)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: no server runs")


def test_validating_sends_what_a_tracker_would(server: FakeServer, tmp_path: Path) -> None:
    (tmp_path / "event").write_bytes(b"{}")
    invalid = {"errors": {"url": ["is required"]}}
    server.answers["/api/event/validate"] = RunningServerError(
        "x", 400, json.dumps(invalid).encode()
    )
    headers = ("-H", "X-Forwarded-For: 198.51.100.7", "-H", "user-agent:curl/8")
    result = run("validate", "--body", "event", *headers)
    assert (result.exit_code, result.stdout) == (1, "url: is required\n")
    ((body, sent),) = server.sent
    assert body == b"{}"
    assert sent == {
        "content-type": "text/plain",
        "user-agent": "curl/8",
        "x-forwarded-for": "198.51.100.7",
    }
    assert json.loads(run("validate", "--body", "event", "--json").stdout) == invalid


def test_a_header_that_is_none(server: FakeServer) -> None:
    result = run("validate", "-H", "nothing")
    assert result.exit_code == 2
    assert "expected 'NAME: VALUE'" in result.stderr


def test_streams_are_read_as_they_are_sent() -> None:
    text = b"retry: 2000\n\n: still here\n\n" + encode([DROPS[0], Missed(2), ACCEPTED])
    assert list(read_stream(BytesIO(text))) == [
        ("dropped", as_json(DROPS[0])),
        ("missed", {"missed": 2}),
        ("accepted", as_json(ACCEPTED)),
    ]
