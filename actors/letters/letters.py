"""The interface to dead letters, as the fold and the writer use it."""

from typing import Protocol

from actors.letters.letter_queue import Told
from ingest.letters.dead_letter import Content, LogPosition


class Letters(Protocol):
    """Keeps what cannot be handled or stored."""

    def keep(
        self,
        actor: str,
        content: Content,
        error: Exception | str | None,
        *,
        redrive: bool = False,
        key: str | None = None,
        letter: str | None = None,
        position: LogPosition | None = None,
        told: Told = ...,
    ) -> bool:
        """Queue a letter. Never raises, never waits.

        Args:
            actor: Name of the actor that could not handle it.
            content: The event or the rows; the address in an event must have been shortened to its
                network.
            error: Why: an exception, the store's message, or None when the actor had stopped.
            redrive: Whether to redrive it automatically at the next start. A shutdown leaves such
                letters; they have no limit.
            key: Letters with the same key are kept only once; None for no key.
            letter: Id of the letter that it was redriven from. The letter is updated and waits for
                the operator again.
            position: Its position in the log; a record is kept only once.
            told: If this returns True, called with whether the letter is durable; immediately if it
                was there before.

        Returns:
            Whether it is queued; False if no more letters fit.
        """

    async def written(self) -> None:
        """Wait until every letter that is queued now is durable or given up."""

    def set_aside_positions(self, log: str, partition: int) -> set[int]:
        """The positions of records that have a letter, or had one that was settled or dropped."""

    def forget_marks(self, log: str, partition: int, before: int) -> None:
        """Forget the marks of a log's positions below `before`."""
