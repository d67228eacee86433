import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.files.atomic import locked_directory
from ingest.client.exports import import_plausible_export, is_zip
from ingest.client.imports import ImportFailedError, ImportIncompleteError
from ingest.past.export_progress import ExportCounts, ExportProgress, ExportRequest, ExportStep
from ingest.past.import_progress import Phase
from ingest.settings import Settings
from tests.end_to_end.clickhouse_server import free_port
from tests.ingest.past.export_files import ROWS, pack

SITES = '[[site]]\nid = 7\ndomain = "example.com"\n'


def progress(phase: Phase) -> ExportProgress:
    return ExportProgress(phase, 5, ExportCounts(lines=3), 2, 1.0)


STEPS = (ExportStep(progress(Phase.CHECKING)), ExportStep(progress(Phase.FINISHED)))


class Answering(BaseHTTPRequestHandler):
    """Answers with the steps of an import."""

    steps: tuple[ExportStep, ...] = STEPS
    status = 200
    asked: ExportRequest

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length", 0))
        type(self).asked = msgspec.json.decode(self.rfile.read(length), type=ExportRequest)
        content = b"".join(msgspec.json.encode(step) + b"\n" for step in self.steps)
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(content if self.status == 200 else b'{"errors": {"import": ["no"]}}')

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "sites.toml").write_text(SITES)
    return Settings.model_validate(
        {
            "SLUICE_SITES": str(tmp_path / "sites.toml"),
            "SLUICE_STATE_DIR": str(tmp_path / "state"),
            "CLICKHOUSE_URL": f"chdb://{tmp_path}/chdb",
        }
    )


@pytest.fixture
def request_of_zip(tmp_path: Path) -> ExportRequest:
    return ExportRequest(pack(tmp_path / "a.zip"), "example.com")


@pytest.fixture
def server(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Answering]]:
    """A server that holds the state directory."""
    monkeypatch.setattr(Answering, "steps", STEPS)
    monkeypatch.setattr(Answering, "status", 200)
    with (
        locked_directory(settings.state_dir),
        HTTPServer(("127.0.0.1", 0), Answering) as http,
    ):
        address = f'{{"port": {http.server_port}, "token": "secret"}}'
        (settings.state_dir / "server.json").write_text(address)
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield Answering
        http.shutdown()
        thread.join()


def run(settings: Settings, request: ExportRequest) -> list[ExportProgress]:
    shown: list[ExportProgress] = []
    assert import_plausible_export(settings, request, shown.append) == shown[-1]
    return shown


def test_zip_files(tmp_path: Path, request_of_zip: ExportRequest) -> None:
    assert is_zip(request_of_zip.path)
    (tmp_path / "b.zip").write_text("PK no")
    assert not is_zip(str(tmp_path / "b.zip"))
    assert not is_zip(str(tmp_path / "none"))
    assert not is_zip(str(tmp_path))


def test_the_server_does_it(
    settings: Settings, request_of_zip: ExportRequest, server: type[Answering]
) -> None:
    assert run(settings, request_of_zip) == [step.progress for step in STEPS]
    assert server.asked == request_of_zip


@pytest.mark.parametrize(
    ("steps", "error", "message"),
    [
        ((*STEPS[:1], ExportStep(mistake="no such site")), ImportFailedError, "no such site"),
        ((*STEPS[:1], ExportStep(failure="away")), ImportIncompleteError, "away"),
        (STEPS[:1], ImportIncompleteError, "the server has ended"),
        ((), ImportIncompleteError, "the server has ended"),
    ],
)
def test_what_the_server_says(
    settings: Settings,
    request_of_zip: ExportRequest,
    server: type[Answering],
    steps: tuple[ExportStep, ...],
    error: type[Exception],
    message: str,
) -> None:
    server.steps = steps
    with pytest.raises(error, match=message):
        run(settings, request_of_zip)


def test_a_server_that_refuses(
    settings: Settings, request_of_zip: ExportRequest, server: type[Answering]
) -> None:
    server.status = 501
    with pytest.raises(ImportFailedError, match="no"):
        run(settings, request_of_zip)


def test_a_server_that_cannot_be_found(settings: Settings, request_of_zip: ExportRequest) -> None:
    with (
        locked_directory(settings.state_dir),
        pytest.raises(ImportFailedError, match="does not say how to reach it"),
    ):
        run(settings, request_of_zip)


def test_without_a_server(settings: Settings, request_of_zip: ExportRequest) -> None:
    pytest.importorskip("chdb")
    first, again = run(settings, request_of_zip)[-1], run(settings, request_of_zip)[-1]
    assert (first.phase, first.stored) == (Phase.FINISHED, ROWS)
    assert (again.phase, again.stored) == (Phase.KNOWN, 0)


def test_a_dry_run_makes_nothing(
    settings: Settings, tmp_path: Path, request_of_zip: ExportRequest
) -> None:
    dry = ExportRequest(request_of_zip.path, "example.com", dry_run=True)
    assert sum(run(settings, dry)[-1].counts.rows.values()) == ROWS
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip", "sites.toml"]


def test_a_store_that_is_away(tmp_path: Path, request_of_zip: ExportRequest) -> None:
    (tmp_path / "sites.toml").write_text(SITES)
    away = Settings.model_validate(
        {
            "SLUICE_SITES": str(tmp_path / "sites.toml"),
            "CLICKHOUSE_URL": f"clickhouse://127.0.0.1:{free_port()}/x",
        }
    )
    with pytest.raises(ImportIncompleteError, match="the connection to ClickHouse failed"):
        run(away, request_of_zip)


def test_mistakes(settings: Settings, request_of_zip: ExportRequest) -> None:
    other = ExportRequest(request_of_zip.path, "new.example", dry_run=True)
    with pytest.raises(ImportFailedError, match=r"new\.example is none of the sites"):
        run(settings, other)
    assert isinstance(settings.sites, Path)
    settings.sites.write_text("[[site]]\n")
    with pytest.raises(ImportFailedError, match="id"):
        run(settings, request_of_zip)
