from pathlib import Path

import pytest

from ingest.commands.configuration import settings_of_command
from ingest.settings import SettingsError


def test_a_misspelt_variable_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SLUICE_STATE_DIRR", "x")
    monkeypatch.setenv("PORT", "8123")
    assert settings_of_command().port == 8123
    assert "SLUICE_STATE_DIRR: unknown setting" in capsys.readouterr().err


def test_all_mistakes_are_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PORT", "many")
    monkeypatch.setenv("SLUICE_FLUSH_ROWS", "0")
    with pytest.raises(SettingsError, match=r"(?s)PORT.*SLUICE_FLUSH_ROWS"):
        settings_of_command()
