"""What waits to be done to the files of dead letters."""

from collections.abc import Callable
from dataclasses import dataclass, field

from actors.letters.letter_directory import Writing
from actors.letters.letter_index import LetterIndex

Told = Callable[[bool], object]
"""Called with whether a letter is on the disk. Must not raise."""


@dataclass(eq=False, slots=True)
class Waiting:
    """A letter on its way to the disk.

    Attributes:
        writing: What is to be written.
        size: About how many bytes that is.
        fresh: Whether it is a letter more than before.
        told: Those who want to know.
        failed_at: When writing it failed first, on trio's clock; None when it has not.
        over: Whether it is on the disk, or given up.
    """

    writing: Writing
    size: int
    fresh: bool
    told: list[Told] = field(default_factory=list)
    failed_at: float | None = None
    over: bool = False

    def settle(self, kept: bool) -> None:
        """Tell those who want to know."""
        self.over = True
        for tell in self.told:
            tell(kept)


@dataclass(frozen=True, slots=True)
class Change:
    """Something to be done to the files, and what it does to the index.

    Attributes:
        act: Does it, in the writer's thread.
        letters: Ids of letters that it deletes.
        unmarked: Ids of letters that it unmarks.
        marks: Marks that it deletes.
    """

    act: Callable[[], object]
    letters: frozenset[str] = frozenset()
    unmarked: frozenset[str] = frozenset()
    marks: frozenset[str] = frozenset()

    def anticipate(self, index: LetterIndex) -> None:
        """Have the index as it will be."""
        for letter_id in self.letters:
            index.remove(letter_id)
        for letter_id in self.unmarked:
            index.unmark(letter_id)
        index.marks -= self.marks
