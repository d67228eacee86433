import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.log.log import LogPoint
from actors.log.note import Note, NoteFile

NUMBERS = st.integers(0, 2**64 - 1)
POINTS = st.builds(LogPoint, NUMBERS, NUMBERS)
NOTES = st.builds(Note, NUMBERS, NUMBERS, POINTS, st.none() | POINTS, POINTS, clean=st.booleans())


@given(NOTES)
def test_a_note_is_read_as_written(tmp_path_factory: pytest.TempPathFactory, note: Note) -> None:
    path = tmp_path_factory.mktemp("note") / "note"
    file = NoteFile.open(path)
    file.write(note)
    file.close()
    assert NoteFile.read(path) == note
