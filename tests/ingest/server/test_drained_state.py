from pathlib import Path

import pytest

from actors.files.atomic import locked_directory
from actors.imports.import_files import ImportFiles
from actors.log.inspection import LogFiles
from ingest.engine.salt_agreement import DailySalt
from ingest.engine.salts_file import serialise_agreed
from ingest.server.drained_state import NotDrainedError, drained_state
from ingest.sessions.salts import Salt, Salts, serialise
from tests.ingest.past.states import a_state

SALTS = Salts(Salt(b"k" * 16, 1_700_000_000))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "salts.json").write_text(serialise(SALTS))
    return tmp_path


def refused(directory: Path) -> str:
    with pytest.raises(NotDrainedError) as error, drained_state(directory):
        pass
    return str(error.value)


def test_the_salts_of_a_stopped_process(directory: Path) -> None:
    with drained_state(directory) as state:
        assert state.salts == [DailySalt(1_700_000_000 // 86_400, b"k" * 16, 1_700_000_000)]


def test_a_front_made_its_salt_before_the_day(directory: Path) -> None:
    agreed = [DailySalt(19_676, b"k" * 16, 19_676 * 86_400 - 3000)]
    (directory / "salts.json").write_text(serialise_agreed(agreed, 19_676))
    with drained_state(directory) as state:
        assert state.salts == agreed


def test_a_running_process_keeps_them(directory: Path) -> None:
    with locked_directory(directory):
        assert "a server runs from" in refused(directory)


def test_events_must_be_stored_first(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "ingest.server.drained_state.inspect_log", lambda journal: LogFiles(events=1234)
    )
    assert "has 1,234 events that are not stored" in refused(directory)


def test_a_directory_without_salts(tmp_path: Path) -> None:
    assert "has no salts" in refused(tmp_path)
    assert "is no directory" in refused(tmp_path / "none")


def test_damaged_salts_are_not_shown(directory: Path) -> None:
    (directory / "salts.json").write_text('{"version": 1, "salts": [{"key": "zz"}]}')
    text = refused(directory)
    assert "salts.json: salts: " in text
    assert "zz" not in text


def test_finished_imports(directory: Path) -> None:
    files = ImportFiles(directory / "imports")
    done = a_state(b"abc", id="a", done=True)
    files.save(done)
    with drained_state(directory) as state:
        assert state.imports == [done]
    files.save(a_state(b"abc", id="b"))
    assert "import b in" in refused(directory)
