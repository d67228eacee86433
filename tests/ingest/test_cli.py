import json
import subprocess
import sys
from pathlib import Path

import pytest

from ingest.cli import commands, main
from ingest.commands.loading import CommandToLoad
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


_LOADED = """
import contextlib, io, sys
before = set(sys.modules)
from ingest.__main__ import main
sys.argv = ["sluice", *sys.argv[1:]]
with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO())), contextlib.suppress(SystemExit):
    main()
print(*sorted(set(sys.modules) - before))
"""


def loaded(*arguments: str, completing: str | None = None, directory: Path) -> set[str]:
    """The modules that a command has imported, without those of Python."""
    environment = {"HOME": str(directory)}
    if completing is not None:
        environment |= {"_SLUICE_COMPLETE": "zsh_complete", "COMP_WORDS": completing}
        environment["COMP_CWORD"] = str(len(completing.split()))
    ended = subprocess.run(
        [sys.executable, "-c", _LOADED, *arguments],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    names = {name.partition(".")[0] for name in ended.stdout.split()}
    own = {name for name in ended.stdout.split() if name.startswith(("ingest.", "actors."))}
    return own | names - {"ingest", "actors"} - sys.stdlib_module_names


LIGHT = {"click", "ingest.__main__", "ingest.cli", "ingest.commands", "ingest.commands.loading"}


@pytest.mark.parametrize("argument", ["--version", "--help", "-h", "chekc"])
def test_what_is_about_no_command_loads_none(tmp_path: Path, argument: str) -> None:
    assert loaded(argument, directory=tmp_path) == LIGHT


def test_completing_a_command_loads_none(tmp_path: Path) -> None:
    extra = {"click.shell_completion"}
    assert loaded(completing="sluice", directory=tmp_path) - extra == LIGHT


_SERVER = {"quart", "hypercorn", "prometheus_client", "ingest.server.roles.all"}
_STORES = {"asynch", "chdb", "actors.stores.embedded", "actors.stores.clickhouse"}
_LOOP = {"trio", "anyio"}


@pytest.mark.parametrize(
    ("arguments", "without"),
    [
        ("settings", _SERVER | _STORES | _LOOP | {"tomlkit", "structlog", "rich"}),
        ("sites list", _SERVER | _STORES | _LOOP | {"confluent_kafka", "psycopg"}),
        ("sites add --help", _SERVER | _STORES | _LOOP | {"confluent_kafka", "psycopg"}),
        ("shield list 1", _SERVER | _STORES | _LOOP | {"confluent_kafka", "psycopg"}),
        ("drops", _SERVER | _STORES | _LOOP | {"tomlkit"}),
        ("validate --help", _SERVER | _STORES | _LOOP | {"tomlkit"}),
        ("dead-letters", _SERVER | _STORES | _LOOP | {"confluent_kafka", "tomlkit"}),
        ("query --help", _SERVER | _STORES | _LOOP | {"tomlkit"}),
        ("import --help", _SERVER | _STORES | _LOOP | {"tomlkit"}),
        ("serve --help", _SERVER | _STORES | _LOOP | {"tomlkit"}),
        ("check --help", _SERVER | _STORES | _LOOP | {"tomlkit"}),
    ],
)
def test_a_command_loads_what_it_needs(tmp_path: Path, arguments: str, without: set[str]) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "sites.toml").write_text('[[site]]\nid = 1\ndomain = "a.example"\n')
    assert loaded(*arguments.split(), directory=tmp_path) & without == set()


def test_each_command_is_where_the_list_says() -> None:
    for name, listed in commands.commands.items():
        assert isinstance(listed, CommandToLoad)
        assert listed.load().name == name


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
