import json
import subprocess
import sys
from pathlib import Path

import pytest

from ingest.cli import main
from ingest.settings import Settings, setting_names
from tests.ingest.commands.command_line import run


def test_help_names_every_command() -> None:
    result = run("--help")
    assert result.exit_code == 0
    for command in ("serve", "check", "query", "dead-letters", "settings"):
        assert command in result.output


def variables() -> list[str]:
    return [name for field in Settings.model_fields.values() for name in setting_names(field)]


@pytest.mark.parametrize("arguments", [("settings",), ("check", "--help")])
def test_every_setting_is_documented(arguments: tuple[str, ...]) -> None:
    output = run(*arguments).output
    assert [name for name in variables() if name not in output] == []


def test_a_wrong_setting_is_one_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PORT", "many")
    monkeypatch.setattr("sys.argv", ["sluice", "dead-letters"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("sluice: ")
    assert captured.err.count("\n") == 1


def test_a_state_directory_that_cannot_be_used_is_one_message(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    directory = tmp_path / "state"
    directory.mkdir()
    (directory / "dead-letters").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SLUICE_STATE_DIR", "state")
    monkeypatch.setattr("sys.argv", ["sluice", "dead-letters"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    message = "sluice: SLUICE_STATE_DIR: Not a directory: state/dead-letters"
    assert capsys.readouterr().err.startswith(message)


def test_other_failures_of_files_are_not_hidden(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail() -> None:
        (tmp_path / "none").read_bytes()

    monkeypatch.setattr("ingest.cli.commands", fail)
    with pytest.raises(FileNotFoundError):
        main()


_CLOSED = """
import json, os, sys
from ingest.cli import open_closed_streams
from ingest.telemetry.logs import configure
open_closed_streams()
configure("info", "console")
print("printed")
print("printed", file=sys.stderr)
streams = [os.path.basename(os.readlink(f"/proc/self/fd/{number}")) for number in range(3)]
with open(sys.argv[1], "w") as file:
    json.dump([streams, sys.stdin.read(), file.fileno() > 2], file)
"""


@pytest.mark.parametrize("closed", ["2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_opened(tmp_path: Path, closed: str) -> None:
    result = tmp_path / "result"
    ended = subprocess.run(
        ["/bin/sh", "-c", f'exec "$0" -c "$1" "$2" {closed}', sys.executable, _CLOSED, result],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        check=False,
    )
    assert ended.returncode == 0
    streams, read, apart = json.loads(result.read_text())
    assert streams[2] == "null"
    assert (streams[0], read, apart) == ("null", "", True)
    assert (ended.stdout == b"printed\n") is (">&- 2" not in closed)
