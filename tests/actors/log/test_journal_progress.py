from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.log.journal_progress import PLANS, SLOT_BYTES, Progress, ProgressFile, read_progress

NOTES = [Progress(9, n, tuple(range(n + 1, n + 1 + n % PLANS))) for n in range(5)]


def test_the_last_note_counts(tmp_path: Path) -> None:
    path = tmp_path / "progress"
    for note in NOTES:
        file, before = ProgressFile.open(path)
        assert before == (NOTES[note.stored - 1] if note.stored else None)
        file.write(Progress(9, 77))
        file.write(note)
        file.close()
    assert path.stat().st_size == 2 * SLOT_BYTES
    assert path.stat().st_mode & 0o777 == 0o600


@given(st.integers(0, 2 * SLOT_BYTES - 1), st.integers(1, 255))
def test_a_torn_write_leaves_the_note_before(
    tmp_path_factory: pytest.TempPathFactory, place: int, change: int
) -> None:
    path = tmp_path_factory.mktemp("progress") / "progress"
    file, _ = ProgressFile.open(path)
    file.write(NOTES[1])
    file.write(NOTES[2])
    file.close()
    data = bytearray(path.read_bytes())
    data[place] ^= change
    path.write_bytes(data)
    file, found = ProgressFile.open(path)
    file.close()
    assert found in (NOTES[1], NOTES[2])


@pytest.mark.parametrize("content", [b"", b"x" * 100, b"\0" * 512, b"\xff" * 512])
def test_garbage_says_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "progress"
    path.write_bytes(content)
    file, found = ProgressFile.open(path)
    assert found is None
    file.write(NOTES[3])
    file.close()
    assert ProgressFile.open(path)[1] == NOTES[3]


def test_more_plans_than_fit_are_refused(tmp_path: Path) -> None:
    file, _ = ProgressFile.open(tmp_path / "progress")
    with pytest.raises(ValueError, match="too many"):
        file.write(Progress(9, 0, tuple(range(PLANS + 1))))


def test_is_read_beside_its_writer(tmp_path: Path) -> None:
    path = tmp_path / "progress"
    assert read_progress(path) is None
    assert not path.exists()
    file, _ = ProgressFile.open(path)
    assert read_progress(path) is None
    for note in NOTES:
        file.write(note)
        assert read_progress(path) == note
    file.close()
