import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from ingest.client.running_server import NoServerError, RunningServer, RunningServerError

SECONDS = 10.0


class Answering(BaseHTTPRequestHandler):
    """Answers with what it was asked, or as its path says."""

    def _answer(self) -> None:
        length = int(self.headers.get("content-length", 0))
        body = self.rfile.read(length)
        status, content = 200, json.dumps([self.path, self.command, body.decode()]).encode()
        if self.path == "/refused":
            status, content = 400, b'{"errors": {"query": ["no such table", "x"]}}'
        elif self.path == "/broken":
            status, content = 500, b"<html>"
        elif self.headers["authorization"] != "Bearer secret":
            status, content = 401, b"{}"
        self.send_response(status)
        # More than there is: the connection ends in the middle.
        self.send_header("content-length", str(len(content) + 9 * (self.path == "/short")))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - the library's names

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningServer]:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with HTTPServer(("127.0.0.1", 0), Answering) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield RunningServer(http.server_port, "secret")
        http.shutdown()
        thread.join()


def test_asking(server: RunningServer) -> None:
    assert json.loads(server.ask("/a?b=c", seconds=SECONDS)) == ["/a?b=c", "GET", ""]
    assert json.loads(server.ask("/a", b"text", seconds=SECONDS)) == ["/a", "POST", "text"]
    assert json.loads(server.ask("/a", method="DELETE", seconds=SECONDS)) == ["/a", "DELETE", ""]


def test_a_header_does_not_replace_the_token(server: RunningServer) -> None:
    headers = {"authorization": "Bearer else"}
    assert server.ask("/a", None, headers, seconds=SECONDS)


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/refused", 400, "no such table"),
        ("/broken", 500, "the server answered 500"),
        ("/short", None, "does not answer"),
    ],
)
def test_refusals(server: RunningServer, path: str, status: int | None, message: str) -> None:
    with pytest.raises(RunningServerError, match=message) as refused:
        server.ask(path, seconds=SECONDS)
    assert refused.value.status == status


def test_nobody_listens() -> None:
    with pytest.raises(RunningServerError, match="port 9 does not answer"):
        RunningServer(9, "secret").ask("/", seconds=SECONDS)


def test_the_server_file(tmp_path: Path) -> None:
    server_file = tmp_path / "server.json"
    server_file.write_text('{"pid": 1, "port": 8000, "token": "secret"}')
    found = RunningServer.find(server_file)
    assert found == RunningServer(8000, "secret")
    assert "secret" not in repr(found)


@pytest.mark.parametrize("text", [None, "", "[]", "{", '{"port": 1}', '{"port": "x", "token": 1}'])
def test_no_server_file(tmp_path: Path, text: str | None) -> None:
    server_file = tmp_path / "server.json"
    if text is not None:
        server_file.write_text(text)
    with pytest.raises(NoServerError, match=r"server\.json"):
        RunningServer.find(server_file)
