"""Pending changes to the files of dead letters."""

from collections.abc import Callable
from dataclasses import dataclass, field

from actors.letters.letter_directory import Writing
from actors.letters.letter_index import LetterIndex

Told = Callable[[bool], object]
"""Called with whether a letter is on disk. Must not raise."""


@dataclass(eq=False, slots=True)
class Waiting:
    """A letter waiting to be written.

    Attributes:
        writing: The letter.
        size: Approximate size in bytes.
        fresh: Whether it is a new letter rather than an update.
        told: Callbacks to notify.
        failed_at: When the first write failed, on trio's clock; None if none has.
        over: Whether it is on disk or given up.
    """

    writing: Writing
    size: int
    fresh: bool
    told: list[Told] = field(default_factory=list)
    failed_at: float | None = None
    over: bool = False

    def settle(self, kept: bool) -> None:
        """Call the callbacks."""
        self.over = True
        for tell in self.told:
            tell(kept)


@dataclass(frozen=True, slots=True)
class FileChange:
    """A change to the files, and its effect on the index.

    Attributes:
        act: Makes the change, in the writer's thread.
        letters: Ids of letters that it deletes.
        unmarked: Ids of letters that it unmarks.
        marks: Marks that it deletes.
    """

    act: Callable[[], object]
    letters: frozenset[str] = frozenset()
    unmarked: frozenset[str] = frozenset()
    marks: frozenset[str] = frozenset()

    def anticipate(self, index: LetterIndex) -> None:
        """Apply the change to the index before it is made on disk."""
        for letter_id in self.letters:
            index.remove(letter_id)
        for letter_id in self.unmarked:
            index.unmark(letter_id)
        index.marks -= self.marks
