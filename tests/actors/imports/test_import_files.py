from pathlib import Path

import pytest

from actors.imports.import_files import ImportFiles
from ingest.past.import_state import SavedImport, parts_of
from ingest.sessions.salts import LIFETIME
from tests.examples import NOON
from tests.ingest.past.states import a_state
from tests.ingest.past.test_import_state import a_saved


def content(saved: SavedImport) -> bytes:
    return b"".join(parts_of(saved))


def test_saved_and_loaded(tmp_path: Path) -> None:
    files = ImportFiles(tmp_path / "imports")
    assert list(files.states()) == []
    saved = a_saved(3)
    files.save("a", content(saved))
    assert files.load("a") == saved
    assert list(files.states()) == [saved.state]
    (path,) = (tmp_path / "imports").iterdir()
    assert (path.name, path.stat().st_mode & 0o777) == ("a.import", 0o600)
    assert path.parent.stat().st_mode & 0o777 == 0o700
    with pytest.raises(OSError, match="No such file"):
        files.load("b")


def test_what_cannot_be_read_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a.import").write_bytes(b"nonsense\n")
    assert list(ImportFiles(tmp_path).states()) == []
    assert (tmp_path / "a.import").exists()


def test_old_salts_go_and_with_them_the_visits(tmp_path: Path) -> None:
    files = ImportFiles(tmp_path)
    saved = a_saved(3)
    for name in ("a", "b"):
        state = a_state(b"abc", id=name)
        files.save(name, content(SavedImport(state, saved.visits, saved.rows)))
    assert files.delete_old_salts(NOON + LIFETIME) == 0
    assert files.delete_old_salts(NOON + LIFETIME + 1, spared=("b",)) == 1
    forgotten, spared = files.load("a"), files.load("b")
    assert (forgotten.state.salt, forgotten.visits) == (None, ())
    assert forgotten.rows == saved.rows  # they may not be stored yet
    assert spared.state.salt is not None
    assert bytes(16).hex().encode() not in (tmp_path / "a.import").read_bytes()
