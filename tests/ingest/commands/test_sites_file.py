import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from actors.keepers.file_watcher import stamp
from ingest.commands.sites_file import sites_path, wait_for_reload
from ingest.plausible.saved_data import serialise
from ingest.plausible.tables import PlausibleData, PlausibleSite
from ingest.settings import Settings, read_settings
from tests.ingest.commands.command_line import run

NOBODY = (
    "No server was found running with the state directory var; one that uses this file takes it "
    "over in two seconds."
)


class ReadyServer:
    """Answers `/ready` as it is told to."""

    def __init__(self) -> None:
        self.status = 200
        self.answers: list[Any] = []
        self.tokens: list[str | None] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.tokens.append(self.headers.get("authorization"))
                body = outer.answers.pop(0) if len(outer.answers) > 1 else outer.answers[0]
                self.send_response(outer.status)
                self.end_headers()
                self.wfile.write(json.dumps({"registry": body}).encode())

            def log_message(self, *_: object) -> None:
                pass

        self.http = HTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.http.server_address[1]
        self._thread = threading.Thread(target=self.http.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        self._thread.join()


@pytest.fixture
def server() -> Iterator[ReadyServer]:
    server = ReadyServer()
    yield server
    server.close()


@pytest.fixture
def settings(server: ReadyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SLUICE_SITES", "sites.toml")
    (tmp_path / "var").mkdir()
    (tmp_path / "sites.toml").write_text("")
    (tmp_path / "var" / "server.json").write_text(
        json.dumps({"port": server.port, "token": "secret"})
    )
    return read_settings()


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def outcome(settings: Settings) -> str:
    time = Time()
    return wait_for_reload(settings, time.clock, time.sleep)


def written(settings: Settings) -> int:
    found = stamp(sites_path(settings))
    assert found is not None
    return found[0]


def test_the_file_is_seen(server: ReadyServer, settings: Settings) -> None:
    server.answers = [{"file_written_ns": 1}, {"file_written_ns": written(settings)}]
    assert outcome(settings) == "The running server has taken it over."
    assert server.tokens == ["Bearer secret"] * 2


def test_the_file_is_refused(server: ReadyServer, settings: Settings) -> None:
    server.status = 503
    server.answers = [{"file_written_ns": written(settings), "reason": "sites.toml:1: x"}]
    assert outcome(settings) == "The running server has refused the file: sites.toml:1: x"


def test_the_file_is_not_seen(server: ReadyServer, settings: Settings) -> None:
    server.answers = [{"file_written_ns": 1}]
    assert outcome(settings) == (
        "The running server has not taken it over within 10 seconds; does it use this file?"
    )


@pytest.mark.parametrize("server_file", [None, "{", "{}", '{"port": 1}', "[]"])
def test_no_server(server_file: str | None, settings: Settings) -> None:
    path = settings.state_dir / "server.json"
    path.unlink()
    if server_file is not None:
        path.write_text(server_file)
    assert outcome(settings) == NOBODY


def test_something_else_listens(server: ReadyServer, settings: Settings) -> None:
    server.answers = ["no report"]
    assert outcome(settings) == NOBODY


NOWHERE = "postgres://plausible:qzx@127.0.0.1:1/plausible_db"


@pytest.fixture
def followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state directory of a server that followed a database, which is away now."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SLUICE_SITES", NOWHERE)
    (tmp_path / "var").mkdir()
    data = PlausibleData((PlausibleSite(7, "one.example"),))
    (tmp_path / "var" / "plausible.json").write_bytes(serialise(data))
    return tmp_path


@pytest.mark.parametrize(
    "command",
    [
        ("sites", "add", "two.example"),
        ("sites", "change", "one.example", "--no-until"),
        ("sites", "remove", "one.example", "--yes"),
        ("sites", "rates", "EUR=0.9"),
        ("shield", "add", "one.example", "ip", "192.0.2.1"),
        ("shield", "remove", "one.example", "ip", "192.0.2.1"),
    ],
    ids=" ".join,
)
def test_sites_that_are_elsewhere_are_not_edited(followed: Path, command: tuple[str, ...]) -> None:
    result = run(*command)
    assert result.exit_code == 1
    assert "change them in Plausible's dashboard" in result.output
    assert "qzx" not in result.output


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (("sites", "list"), "7   one.example"),
        (("sites", "show", "one.example"), "one.example"),
        (("sites", "rates"), "USD  1"),
        (("shield", "list", "one.example"), ""),
    ],
)
def test_sites_that_are_elsewhere_are_shown(
    followed: Path, command: tuple[str, ...], shown: str
) -> None:
    result = run(*command)
    assert result.exit_code == 0, result.output
    assert shown in result.stdout
    assert "These are the sites that were last read there." in result.stderr
    assert "qzx" not in result.output


def test_what_to_edit_instead(followed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "that SLUICE_LOCAL_SITES names" in run("sites", "add", "two.example").output
    monkeypatch.setenv("SLUICE_LOCAL_SITES", "/etc/local.toml")
    assert "edit /etc/local.toml" in run("sites", "add", "two.example").output


def test_sites_that_were_never_read(followed: Path) -> None:
    (followed / "var" / "plausible.json").unlink()
    result = run("sites", "list")
    assert result.exit_code == 1
    assert "onnection refused" in result.output
    assert "start PostgreSQL" in result.output
