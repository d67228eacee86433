"""The letters of a cluster, as the records of its letters topic tell."""

from dataclasses import dataclass
from typing import Final

from ingest.engine.letter_record import LetterHeader

RETENTION_SECONDS: Final = 14 * 86_400
"""How long the topic keeps letters."""


@dataclass(slots=True)
class KeptLetter:
    """A letter that waits for an operator, or to be redriven.

    Attributes:
        header: What its record says of it.
        offset: Of the record in the topic.
        bytes: Size of the record.
        redrive: Whether it is to be redriven.
    """

    header: LetterHeader
    offset: int
    bytes: int
    redrive: bool = False


@dataclass(frozen=True, slots=True)
class _Settled:
    created_at: int
    redriven: int


class ClusterLetters:
    """The letters that wait, and what became of the others.

    A letter is named by the position of its record, or by the token of its rows; so what is kept
    twice, by two workers or after a crash, is one letter. If its content is redriven and fails
    again, it is the same letter with a higher number. Marks are about the letter of their number,
    so a mark that comes late does not settle a letter that has failed again.

    Attributes:
        letters: The letters, oldest first, by id.
        bytes: Their size.
    """

    def __init__(self) -> None:
        """Start without letters."""
        self.letters: dict[str, KeptLetter] = {}
        self.bytes = 0
        self._settled: dict[str, _Settled] = {}
        self._positions: dict[tuple[int, int], int] = {}

    def take(self, header: LetterHeader, offset: int, size: int) -> None:
        """Take a record of the topic; they come in order.

        Args:
            header: Its header.
            offset: Where it is.
            size: Its size in bytes.
        """
        if header.mark is None:
            self._add(header, offset, size)
        elif header.mark == "redrive":
            letter = self.letters.get(header.id)
            if letter is not None and letter.header.redriven == header.redriven:
                letter.redrive = True
        else:
            self._settle(header)

    def _add(self, header: LetterHeader, offset: int, size: int) -> None:
        if header.position is not None:
            self._positions[header.partition, header.position] = header.created_at
        if self.has(header.id, header.redriven):
            return
        self.remove(header.id)
        self.letters[header.id] = KeptLetter(header, offset, size)
        self.bytes += size

    def _settle(self, mark: LetterHeader) -> None:
        letter = self.letters.get(mark.id)
        if letter is not None and letter.header.redriven <= mark.redriven:
            self.remove(mark.id)
        earlier = self._settled.pop(mark.id, None)
        redriven = mark.redriven if earlier is None else max(mark.redriven, earlier.redriven)
        self._settled[mark.id] = _Settled(mark.created_at, redriven)

    def has(self, letter_id: str, redriven: int) -> bool:
        """Whether a letter that was redriven that often, or more often, waits or is settled."""
        return self.redriven(letter_id) >= redriven

    def redriven(self, letter_id: str) -> int:
        """How often a letter was redriven and failed again; -1 if it is not known."""
        letter, settled = self.letters.get(letter_id), self._settled.get(letter_id)
        return max(
            -1 if letter is None else letter.header.redriven,
            -1 if settled is None else settled.redriven,
        )

    def remove(self, letter_id: str) -> None:
        """Forget a letter that the topic does not have any more."""
        letter = self.letters.pop(letter_id, None)
        if letter is not None:
            self.bytes -= letter.bytes

    def expire(self, now: float) -> None:
        """Forget what the topic has deleted by then, in Unix seconds."""
        before = now - RETENTION_SECONDS
        while self.letters:
            letter_id, letter = next(iter(self.letters.items()))
            if letter.header.created_at >= before:
                break
            self.remove(letter_id)
        while self._settled and next(iter(self._settled.values())).created_at < before:
            del self._settled[next(iter(self._settled))]
        while self._positions and next(iter(self._positions.values())) < before:
            del self._positions[next(iter(self._positions))]

    def to_redrive(self, kind: str, partition: int | None = None) -> list[str]:
        """The ids of letters of a kind that are to be redriven, oldest first."""
        return [
            letter_id
            for letter_id, letter in self.letters.items()
            if letter.redrive
            and letter.header.kind == kind
            and partition in (None, letter.header.partition)
        ]

    def set_aside_positions(self, partition: int) -> set[int]:
        """The positions in a partition that have a letter, or had one that is settled."""
        return {position for number, position in self._positions if number == partition}
