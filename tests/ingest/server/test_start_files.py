from pathlib import Path

import pytest

from actors.clock.wall_clock import Clock
from ingest.plausible.saved_data import serialise
from ingest.plausible.tables import PlausibleData, PlausibleSite
from ingest.server.start_files import StartError, open_plausible
from ingest.server.state_files import StateFiles
from ingest.settings import Settings, read_settings
from tests.examples import NOON

NOWHERE = "postgres://plausible:qzx@127.0.0.1:1/plausible_db"


@pytest.fixture
def files(tmp_path: Path) -> StateFiles:
    """The files of a server that has followed a database before."""
    files = StateFiles(tmp_path)
    files.plausible.write_bytes(serialise(PlausibleData((PlausibleSite(7, "one.example"),))))
    return files


def settings(monkeypatch: pytest.MonkeyPatch, **environment: str) -> Settings:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return read_settings(dotenv=None)


async def test_a_file_is_no_database(files: StateFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    found = settings(monkeypatch, SLUICE_SITES="sites.toml")
    assert await open_plausible(found, files, Clock(NOON)) is None


async def test_a_database_that_is_away(files: StateFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    found = settings(monkeypatch, SLUICE_SITES=NOWHERE)
    plausible = await open_plausible(found, files, Clock(NOON))
    assert plausible is not None
    assert [site.domain for site in plausible.sites] == ["one.example"]
    assert plausible.status()["status"] == "degraded"
    plausible.close()


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"SLUICE_SITES": "postgres://u:qzx@qzx@h/d"}, "cannot be read: expected postgres://"),
        ({"SLUICE_SITES": NOWHERE, "SLUICE_LOCAL_SITES": "/nowhere.toml"}, "/nowhere.toml:1: "),
    ],
    ids=["a wrong URL", "a missing local file"],
)
async def test_mistakes_end_the_start(
    files: StateFiles,
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    message: str,
) -> None:
    with pytest.raises(StartError, match=message) as raised:
        await open_plausible(settings(monkeypatch, **environment), files, Clock(NOON))
    assert "qzx" not in str(raised.value)


async def test_the_first_start_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = settings(monkeypatch, SLUICE_SITES=NOWHERE)
    with pytest.raises(StartError, match="start PostgreSQL"):
        await open_plausible(found, StateFiles(tmp_path), Clock(NOON))
