import os
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from ingest.commands import configuration
from ingest.commands.configuration import read_configuration, settings_of_command
from ingest.settings import Settings, SettingsError, setting_names
from tests.ingest.commands.command_line import run


@pytest.fixture(autouse=True)
def _clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(configuration, "UNIT_FILE", tmp_path / "unit")
    with patch.dict(os.environ):
        for field in Settings.model_fields.values():
            for name in setting_names(field):
                os.environ.pop(name, None)
        yield


def test_a_misspelt_variable_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SLUICE_STATE_DIRR", "x")
    monkeypatch.setenv("PORT", "8123")
    assert settings_of_command().port == 8123
    assert "SLUICE_STATE_DIRR: unknown setting" in capsys.readouterr().err


def test_all_mistakes_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "many")
    monkeypatch.setenv("SLUICE_FLUSH_ROWS", "0")
    with pytest.raises(SettingsError, match=r"(?s)PORT.*SLUICE_FLUSH_ROWS"):
        settings_of_command()


def a_site(file: str, domain: str = "one.example") -> None:
    Path(file).write_text(f'[[site]]\nid = 1\ndomain = "{domain}"\n')


def test_a_named_file_takes_the_place_of_dotenv(tmp_path: Path) -> None:
    a_site("a.toml", "a.example")
    a_site("b.toml", "b.example")
    Path(".env").write_text("SLUICE_SITES=a.toml\nSLUICE_STATE_DIR=/nowhere\n")
    Path("named").write_text("SLUICE_SITES='b.toml'\n")
    assert "a.example" in run("sites", "list").stdout
    assert "b.example" in run("--env-file", "named", "sites", "list").stdout
    assert "SLUICE_STATE_DIR" not in os.environ


def test_the_environment_wins_over_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    a_site("a.toml", "a.example")
    Path("named").write_text("SLUICE_SITES=b.toml\nSLUICE_LOG_LEVEL=wrong\nPGPASSWORD=p\n")
    monkeypatch.setenv("SLUICE_SITES", "a.toml")
    monkeypatch.setenv("SLUICE_LOG_LEVEL", "info")
    assert "a.example" in run("--env-file", "named", "sites", "list").stdout
    assert os.environ["PGPASSWORD"] == "p"


def test_a_named_file_that_is_missing() -> None:
    result = run("--env-file", "named", "sites", "list")
    assert isinstance(result.exception, SettingsError)
    assert str(result.exception) == "named: cannot be read: No such file or directory"


def the_unit(tmp_path: Path) -> None:
    (tmp_path / "unit").write_text("SLUICE_SITES=u.toml\nSLUICE_STATE_DIR=state\n")
    a_site("u.toml", "unit.example")


def test_the_units_file_is_read_and_named(tmp_path: Path) -> None:
    the_unit(tmp_path)
    Path(".env").write_text("CLICKHOUSE_URL=chdb://other\n")
    result = run("sites", "add", "two.example")
    assert (result.exit_code, result.stderr) == (
        0,
        f"Settings are from {tmp_path / 'unit'}, as the server's.\n",
    )
    assert result.stdout.startswith("two.example is site 2 in u.toml.\n")
    assert "state directory state" in result.stdout


@pytest.mark.parametrize(
    ("variable", "dotenv"),
    [("SLUICE_SITES", False), ("SLUICE_STATE_DIR", False), ("SLUICE_SITES", True)],
)
def test_the_units_file_is_not_read_for_another_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, dotenv: bool
) -> None:
    the_unit(tmp_path)
    if dotenv:
        Path(".env").write_text(f"{variable}=x\n")
    else:
        monkeypatch.setenv(variable, "x")
    read, file, _ = read_configuration()
    assert "x" in (str(read.sites), str(read.state_dir))
    assert "state" not in (str(read.sites), str(read.state_dir))
    assert file == Path(".env")


def test_the_units_file_is_not_read_by_a_server(tmp_path: Path) -> None:
    the_unit(tmp_path)
    assert settings_of_command(of_unit=False).state_dir == Path("var")


def test_a_units_file_without_the_places(tmp_path: Path) -> None:
    (tmp_path / "unit").write_text("SLUICE_SITES=u.toml\n")
    with pytest.raises(SettingsError, match="SLUICE_STATE_DIR missing"):
        settings_of_command()


def test_a_units_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "unit").mkdir()
    with pytest.raises(SettingsError, match="run the command as root, or name another file"):
        settings_of_command()
    (tmp_path / "none").touch()
    a_site("config.toml")
    Path("config").mkdir()
    a_site("config/sites.toml")
    assert run("--env-file", "none", "sites", "list").exit_code == 0


class Process:
    """A process of root, or of somebody else, and a state directory that somebody owns."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, user: int, owner: int) -> None:
        self.changes: list[tuple[str, int]] = []
        self.readable = True
        directory = os.stat_result((0o40700, 1, 1, 2, owner, 77, 0, 0, 0, 0))
        stat = Path.stat
        monkeypatch.setattr(
            Path,
            "stat",
            lambda path, **more: directory if path.name == "state" else stat(path, **more),
        )
        monkeypatch.setattr(os, "geteuid", lambda: user)
        monkeypatch.setattr(os, "setgroups", lambda groups: None)
        monkeypatch.setattr(os, "setegid", lambda group: self.changes.append(("group", group)))
        monkeypatch.setattr(os, "seteuid", lambda user: self.changes.append(("user", user)))
        monkeypatch.setattr(os, "access", lambda *_, effective_ids: self.readable)


@pytest.mark.parametrize(
    ("user", "owner", "changes"),
    [
        (0, 4_000_001, [("group", 77), ("user", 4_000_001)]),
        (0, 0, []),
        (4_000_001, 4_000_001, []),
    ],
    ids=["root", "root's own", "not root"],
)
def test_root_goes_on_as_the_owner_of_the_units_state(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    user: int,
    owner: int,
    changes: list[tuple[str, int]],
) -> None:
    the_unit(tmp_path)
    process = Process(monkeypatch, user, owner)
    settings_of_command(as_owner=True)
    assert process.changes == changes


def test_root_stays_root_for_others_and_for_edits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    the_unit(tmp_path)
    process = Process(monkeypatch, 0, 4_000_001)
    settings_of_command()
    os.environ["SLUICE_STATE_DIR"] = "state"
    settings_of_command(as_owner=True)
    assert process.changes == []


def test_an_owner_who_cannot_read_this_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    the_unit(tmp_path)
    Process(monkeypatch, 0, 4_000_001).readable = False
    with pytest.raises(SettingsError, match="use the server's own `sluice`"):
        settings_of_command(as_owner=True)
