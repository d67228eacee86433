import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.log.log import LogPoint
from actors.log.note import SLOT_BYTES, Note, NoteFile, read_note

NUMBERS = st.integers(0, 2**64 - 1)
POINTS = st.builds(LogPoint, NUMBERS, NUMBERS)
NOTES = st.builds(Note, NUMBERS, NUMBERS, POINTS, st.none() | POINTS, POINTS, clean=st.booleans())
NOTE = Note(7, 8, LogPoint(3, 2), LogPoint(5, 4), LogPoint(9, 8))


@given(st.lists(NOTES, min_size=1, max_size=4))
def test_the_last_note_is_read(tmp_path_factory: pytest.TempPathFactory, notes: list[Note]) -> None:
    path = tmp_path_factory.mktemp("note") / "note"
    for note in notes:
        file = NoteFile.open(path)
        file.write(note)
        file.sync()
        file.close()
        assert read_note(path) == note
    assert path.stat().st_size == 2 * SLOT_BYTES
    assert path.stat().st_mode & 0o777 == 0o600


def test_no_file_and_a_new_one(tmp_path: Path) -> None:
    assert read_note(tmp_path / "note") is None
    NoteFile.open(tmp_path / "note").close()
    assert read_note(tmp_path / "note") is None


@given(st.integers(0, SLOT_BYTES - 1), st.integers(1, 255))
def test_a_damaged_slot_leaves_the_note_before_it(
    tmp_path_factory: pytest.TempPathFactory, place: int, change: int
) -> None:
    path = tmp_path_factory.mktemp("note") / "note"
    file = NoteFile.open(path)
    file.write(NOTE)
    later = replace(NOTE, committed=LogPoint(5, 4), prepared=None)
    file.write(later)
    file.close()
    data = bytearray(path.read_bytes())
    data[place] ^= change
    path.write_bytes(data)
    assert read_note(path) in (NOTE, later)
    path.write_bytes(b"\xff" * len(data))
    assert read_note(path) is None


def test_a_write_that_fails_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = NoteFile.open(tmp_path / "note")
    file.write(NOTE)

    def fail(*arguments: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", fail)
        with pytest.raises(OSError, match="No space"):
            file.write(replace(NOTE, prepared=None))
    assert read_note(tmp_path / "note") == NOTE
    file.close()
