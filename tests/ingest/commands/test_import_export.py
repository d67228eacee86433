import json
from pathlib import Path

import click
import pytest

from ingest.client.imports import ImportFailedError, ImportIncompleteError
from ingest.commands import import_export
from ingest.commands.import_export import export_summary
from ingest.past.export_progress import ExportCounts, ExportProgress, ExportRequest
from ingest.past.import_progress import Phase
from ingest.past.plausible_export import ExportPeriod
from tests.ingest.commands.import_command import Imports, run
from tests.ingest.past.export_files import VISITORS, pack

DAY = 20_089  # 2025-01-01
COUNTS = ExportCounts(
    lines=1500,
    rows={"imported_visitors": 3, "imported_pages": 1400},
    skipped={"later": 90, "earlier": 2},
    broken={f"{VISITORS}: visitors: is no whole number": 4, f"{VISITORS}: not a line of CSV": 1},
    examples={f"{VISITORS}: visitors: is no whole number": 7, f"{VISITORS}: not a line of CSV": 9},
    left_out=["notes.txt"],
    days={"imported_visitors": (DAY, DAY), "imported_pages": (DAY, DAY + 31)},
)


@pytest.fixture
def imports(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Imports:
    imports = Imports(ExportProgress(Phase.FINISHED, 99, COUNTS, 1403, 2.0))
    monkeypatch.setattr(import_export, "import_plausible_export", imports)
    monkeypatch.chdir(tmp_path)
    return imports


def test_a_zip_file_is_found_out_by_its_content(
    imports: Imports, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = pack(tmp_path / "misnamed.log")
    options = "--site www.example.com --since 2025-01-01 --until 2025-02-01 --dry-run --force"
    assert run("misnamed.log", *options.split()) == 0
    period = ExportPeriod(DAY * 86_400, (DAY + 31) * 86_400)
    assert imports.requests == [
        ExportRequest(path, "example.com", period, dry_run=True, force=True)
    ]
    assert capsys.readouterr().out.startswith("finished (plausible-export, import 99)\n")


def test_json(imports: Imports, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pack(tmp_path / "a.zip")
    assert run("a.zip", "--site", "example.com", "--json") == 0
    (line,) = capsys.readouterr().out.splitlines()
    report = json.loads(line)
    assert (report["phase"], report["import_id"], report["stored"]) == ("finished", 99, 1403)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["a.zip"], "--site has to name the site"),
        (["a.zip", "a.zip", "--site", "example.com"], "import a ZIP file by itself"),
        (["a.zip", "--site", "example.com", "--again"], "a ZIP file takes --site"),
        (["a.zip", "--site", "example.com", "--format", "events"], "a ZIP file takes --site"),
        (["a.zip", "--site", "example.com", "--growing"], "a ZIP file takes --site"),
    ],
)
def test_mistakes_in_the_command(
    imports: Imports, tmp_path: Path, arguments: list[str], problem: str
) -> None:
    pack(tmp_path / "a.zip")
    with pytest.raises(click.UsageError, match=problem):
        run(*arguments)
    assert imports.requests == []


@pytest.mark.parametrize(
    ("outcome", "code", "text"),
    [
        (ExportProgress(Phase.KNOWN, 99, COUNTS, 0, 1.0), 0, "already imported: nothing is stored"),
        (ExportProgress(Phase.REFUSED, 0, COUNTS, 0, 1.0), 1, "--force imports the lines"),
        (ImportIncompleteError("away"), 75, "away; the same command goes on"),
        (KeyboardInterrupt(), 130, "interrupted; the same command goes on"),
    ],
)
def test_ends(
    imports: Imports,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    outcome: ExportProgress | BaseException,
    code: int,
    text: str,
) -> None:
    imports.outcome = outcome
    pack(tmp_path / "a.zip")
    assert run("a.zip", "--site", "example.com") == code
    captured = capsys.readouterr()
    assert text in captured.out + captured.err


def test_a_failure(imports: Imports, tmp_path: Path) -> None:
    imports.outcome = ImportFailedError("no such site")
    pack(tmp_path / "a.zip")
    with pytest.raises(click.ClickException, match="no such site"):
        run("a.zip", "--site", "example.com")


def test_summary() -> None:
    assert export_summary(ExportProgress(Phase.FINISHED, 99, COUNTS, 1403, 2.0)) == (
        "finished (plausible-export, import 99)\n"
        "  lines                                          1,500\n"
        "    imported_pages, 2025-01-01 to 2025-02-01     1,400\n"
        "    imported_visitors, 2025-01-01 to 2025-01-01      3\n"
        "  rows stored                                    1,403\n"
        "  lines skipped                                     92\n"
        "    earlier                                          2\n"
        "    later                                           90\n"
        "  lines broken                                       5\n"
        "  time                                           2.0 s\n"
        f"4 broken: {VISITORS}: visitors: is no whole number (first in line 7)\n"
        f"1 broken: {VISITORS}: not a line of CSV (first in line 9)\n"
        "left out: notes.txt"
    )
    refused = export_summary(ExportProgress(Phase.REFUSED, 0, COUNTS, 0, 2.0))
    assert refused.startswith("refused, as more than a tenth of the lines is broken: nothing is")
    dry = export_summary(ExportProgress(Phase.FINISHED, 0, COUNTS, 0, 2.0))
    assert dry.startswith("finished (plausible-export, dry run)")
    assert "rows stored" not in dry


def test_names_from_the_file_do_not_control_the_terminal() -> None:
    counts = ExportCounts(left_out=["\x1b]0;x\x07\u202e.txt"], left_out_more=1200)
    summary = export_summary(ExportProgress(Phase.FINISHED, 0, counts, 0, 2.0))
    assert summary.splitlines()[-2:] == [
        r"left out: \x1b]0;x\x07\u202e.txt",
        "left out: 1,200 more",
    ]
