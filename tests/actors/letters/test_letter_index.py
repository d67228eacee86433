import pytest

from actors.letters.letter_index import Entry, LetterIndex, key_of
from actors.letters.letter_queue import FileChange
from ingest.letters.dead_letter import LogPosition


def an_index(*ids: str) -> LetterIndex:
    index = LetterIndex()
    for letter_id in ids:
        index.add(letter_id, Entry(marked=True, size=10))
    return index


@pytest.mark.parametrize(
    ("letter_id", "key"),
    [
        pytest.param("1790078400-0badcafe", "0badcafe", id="without its time"),
        pytest.param("00ff-0-12", "00ff-0-12", id="a position: all of it"),
        pytest.param("nameless", "nameless", id="all there is"),
    ],
)
def test_keys(letter_id: str, key: str) -> None:
    assert key_of(letter_id) == key
    index = an_index(letter_id)
    assert index.keys == {key: letter_id}
    index.remove(letter_id)
    assert index.keys == {}


def test_sizes_are_counted_once() -> None:
    index = an_index("1-a", "1-b")
    index.add("1-a", Entry(marked=False, size=30))
    assert (index.bytes, list(index.marked())) == (40, ["1-b"])
    index.remove("1-b")
    index.remove("1-b")
    assert index.bytes == 30


def test_what_a_change_will_do_shows_at_once() -> None:
    index = an_index("1-a", "1-b", "00ff-0-12", "00ff-0-13")
    FileChange(
        lambda: None,
        letters=frozenset(["1-a", "00ff-0-12", "00ff-0-13", "gone"]),
        unmarked=frozenset(["1-b", "gone"]),
        marks=frozenset(["00ff-0-13", "gone"]),
    ).anticipate(index)
    assert index.letters == {"1-b": Entry(marked=False, size=10)}
    assert index.marks == {"00ff-0-12"}


def test_marks_before_a_position() -> None:
    index = LetterIndex()
    index.marks = {"00ff-0-12", "00ff-0-13", "00ff-1-1", "another-0-1", "odd"}
    assert index.marks_before(LogPosition("00ff", 0, 13)) == {"00ff-0-12"}
