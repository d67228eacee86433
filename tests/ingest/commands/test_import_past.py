import io
import json
import tempfile
from pathlib import Path
from typing import Any

import click
import pytest

from ingest.client import imports as importing
from ingest.client.imports import ImportFailedError, ImportIncompleteError
from ingest.commands.import_past import (
    EXIT_FAILED,
    EXIT_INCOMPLETE,
    EXIT_INTERRUPTED,
)
from ingest.past.formats import Format
from ingest.past.import_counts import ImportCounts
from ingest.past.import_progress import ImportProgress, Phase
from ingest.past.import_request import ImportRequest, ImportSelection
from tests.ingest.commands.import_command import Imports, run

DONE = ImportProgress("0123", Phase.FINISHED, "access-log", 1, 1, ImportCounts(lines=3))


class ReadingImports(Imports):
    """Reads the files, too, which may be gone afterwards."""

    def __init__(self) -> None:
        super().__init__(DONE)
        self.contents: list[bytes] = []

    def __call__(self, settings: Any, request: ImportRequest, show: Any) -> Any:
        self.contents = [Path(path).read_bytes() for path in request.paths if Path(path).exists()]
        return super().__call__(settings, request, show)


@pytest.fixture
def imports(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ReadingImports:
    imports = ReadingImports()
    monkeypatch.setattr(importing, "import_past", imports)
    monkeypatch.chdir(tmp_path)
    return imports


def test_an_order(
    imports: ReadingImports, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("a.log", "/b.log") == 0
    assert imports.requests == [ImportRequest((str(tmp_path / "a.log"), "/b.log"))]
    assert capsys.readouterr().out.startswith("finished (access-log, import 0123)\n")


def test_json_has_no_summary(imports: ReadingImports, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("a.log", "--json") == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert ImportProgress.from_json(json.loads(line)) == DONE
    imports.outcome = ImportProgress("0", Phase.STOPPED, "", 1, 1, ImportCounts())
    assert run("a.log", "--json") == EXIT_INTERRUPTED
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["phase"] == "stopped"


def test_every_option(imports: ReadingImports) -> None:
    options = "--site www.example.com --format events --since 2026-01-31 --not-found"
    more = "--until 2026-02-01T12:00+01:00 --growing --again --dry-run --force"
    assert run("/a", *options.split(), *more.split()) == 0
    selection = ImportSelection("example.com", 1_769_817_600, 1_769_943_600, with_not_found=True)
    assert imports.requests == [
        ImportRequest(
            *(("/a",), Format.EVENTS, selection),
            growing=True,
            anew=True,
            dry_run=True,
            force=True,
        )
    ]


@pytest.mark.parametrize(
    ("arguments", "form", "selection"),
    [
        (["--format", "w3c"], Format.W3C, {}),
        (["--format", "%h %t %r %s"], Format.PATTERN, {"pattern": "%h %t %r %s"}),
        (["--map", "path=uri"], Format.JSON_LOG, {"names": "path=uri"}),
        (["--map", "path=uri", "--format", "json-log"], Format.JSON_LOG, {"names": "path=uri"}),
    ],
)
def test_formats(
    imports: ReadingImports, arguments: list[str], form: Format, selection: dict[str, Any]
) -> None:
    assert run("/a", *arguments) == 0
    assert imports.requests == [ImportRequest(("/a",), form, ImportSelection(**selection))]


def test_standard_input(imports: ReadingImports, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a line\n")))
    assert run("-") == 0
    assert imports.contents == [b"a line\n"]
    spool = Path(imports.requests[0].paths[0])
    assert not spool.exists()
    assert spool.parent == Path(tempfile.gettempdir())
    with pytest.raises(click.UsageError):
        run("-", "-")


def test_a_server_can_read_standard_input(
    imports: ReadingImports, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its /tmp may be another one."""
    monkeypatch.setenv("SLUICE_STATE_DIR", "state")
    (tmp_path / "state").mkdir()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a line\n")))
    assert run("-") == 0
    assert Path(imports.requests[0].paths[0]).parent == tmp_path / "state"
    assert list((tmp_path / "state").iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["a", "--format", "x"],
        ["a", "--format", "pattern"],
        ["a", "--format", "$remote_addr"],
        ["a", "--map", "code=x"],
        ["a", "--map", "path=uri", "--format", "w3c"],
        ["a", "--since", "yesterday"],
    ],
)
def test_mistakes_in_the_command(imports: ReadingImports, arguments: list[str]) -> None:
    with pytest.raises(click.UsageError):
        run(*arguments)
    assert not imports.requests


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (DONE, 0),
        (ImportProgress("0", Phase.KNOWN, "", 1, 1, ImportCounts()), 0),
        (ImportProgress("", Phase.REFUSED, "", 1, 1, ImportCounts()), EXIT_FAILED),
        (ImportProgress("0", Phase.STOPPED, "", 1, 1, ImportCounts()), EXIT_INTERRUPTED),
        (KeyboardInterrupt(), EXIT_INTERRUPTED),
        (ImportIncompleteError("the server has gone"), EXIT_INCOMPLETE),
    ],
)
def test_exit_codes(
    imports: ReadingImports, outcome: ImportProgress | BaseException, code: int
) -> None:
    imports.outcome = outcome
    assert run("a") == code


def test_what_cannot_be_done(imports: ReadingImports) -> None:
    imports.outcome = ImportFailedError("no such file")
    with pytest.raises(click.ClickException, match="no such file"):
        run("a")
