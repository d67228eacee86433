"""The index of dead letters, without their content."""

from collections.abc import Iterator
from typing import NamedTuple

from ingest.letters.dead_letter import LogPosition


class Entry(NamedTuple):
    """The index entry of a letter.

    Attributes:
        marked: Whether it is marked for redrive.
        size: Size of its file in bytes.
    """

    marked: bool
    size: int


class LetterIndex:
    """The letters of a directory, and the marks of deleted letters of the fold.

    Attributes:
        letters: By id, oldest first.
        marks: Ids of letters of the fold that were dropped or settled.
        keys: Ids by `key_of`.
        bytes: Size of all letters.
    """

    def __init__(self) -> None:
        """Create an empty index."""
        self.letters: dict[str, Entry] = {}
        self.marks: set[str] = set()
        self.keys: dict[str, str] = {}
        self.bytes = 0

    def add(self, letter_id: str, entry: Entry) -> None:
        """Add or update a letter."""
        earlier = self.letters.get(letter_id)
        self.bytes += entry.size - (0 if earlier is None else earlier.size)
        self.letters[letter_id] = entry
        self.keys[key_of(letter_id)] = letter_id

    def remove(self, letter_id: str) -> None:
        """Remove a letter that was dropped or settled."""
        entry = self.letters.pop(letter_id, None)
        if entry is None:
            return
        self.bytes -= entry.size
        self.keys.pop(key_of(letter_id), None)
        if LogPosition.of_letter(letter_id) is not None:
            self.marks.add(letter_id)

    def unmark(self, letter_id: str) -> None:
        """Remove the redrive mark of a letter."""
        entry = self.letters.get(letter_id)
        if entry is not None:
            self.letters[letter_id] = entry._replace(marked=False)

    def marked(self) -> Iterator[str]:
        """The ids of the letters that are to be redriven, oldest first."""
        return (letter_id for letter_id, entry in self.letters.items() if entry.marked)

    def marks_before(self, position: LogPosition) -> frozenset[str]:
        """The marks of positions below `position`, of the same log and partition."""
        return frozenset(
            letter_id
            for letter_id in self.marks
            if (mark := LogPosition.of_letter(letter_id)) is not None
            and (mark.log, mark.partition) == (position.log, position.partition)
            and mark.position < position.position
        )


def key_of(letter_id: str) -> str:
    """The key that identifies duplicates of a letter: the end of its name, or the whole name."""
    if LogPosition.of_letter(letter_id) is not None:
        return letter_id
    return letter_id.rpartition("-")[2]
