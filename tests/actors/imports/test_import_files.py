from dataclasses import replace
from pathlib import Path

from actors.imports.import_files import ImportFiles
from ingest.past.import_state import decode_state
from ingest.sessions.salts import LIFETIME
from tests.examples import NOON
from tests.ingest.past.states import RECORDED, a_state


def test_saved_and_read(tmp_path: Path) -> None:
    files = ImportFiles(tmp_path / "imports")
    assert list(files.states()) == []
    state = a_state(b"abc", id="a")
    files.save(replace(state, done=True))
    files.save(state)
    assert list(files.states()) == [state]
    (path,) = (tmp_path / "imports").iterdir()
    assert (path.name, path.stat().st_mode & 0o777) == ("a.import", 0o600)
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_what_cannot_be_read_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a.import").write_bytes(b"nonsense\n")
    assert list(ImportFiles(tmp_path).states()) == []
    assert (tmp_path / "a.import").exists()


def test_old_salts_go(tmp_path: Path) -> None:
    files = ImportFiles(tmp_path)
    states = [a_state(b"abc", id=name) for name in ("a", "b", "c")]
    for state in states[:2]:
        files.save(state)
    assert files.delete_old_salts(NOON + LIFETIME) == []
    assert files.delete_old_salts(NOON + LIFETIME + 1, spared="b") == states[:1]
    assert list(files.states()) == [replace(states[0], salt=None), states[1]]
    assert bytes(16).hex().encode() not in (tmp_path / "a.import").read_bytes()
    assert files.delete_old_salts(NOON + LIFETIME + 1) == [states[1]]


def test_the_rows_of_an_earlier_version_stay(tmp_path: Path) -> None:
    content = (RECORDED / "import_version_1_killed").read_bytes()
    line, _, rest = content.partition(b"\n")
    path = tmp_path / f"{decode_state(line).id}.import"
    path.write_bytes(content)
    (state,) = ImportFiles(tmp_path).delete_old_salts(NOON + 10 * LIFETIME)
    assert state.has_rows
    assert path.read_bytes().partition(b"\n")[2] == rest
