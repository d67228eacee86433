from pathlib import Path

import pytest


@pytest.fixture
def sites_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the settings say that the sites file is; there is none yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SLUICE_SITES", "sites.toml")
    return tmp_path / "sites.toml"
