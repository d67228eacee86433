"""Where accepted events are between their verdict and the store, in the order of their positions.

Positions number all events ever accepted, from 0. `end` is the position of the next one, `stored`
that after the last whose rows the store has acknowledged; what lies between is the backlog.
"""

import secrets
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Final

import trio

from ingest.rows.layout import EventRows, Run


class JournalError(Exception):
    """The journal cannot take events now. Nothing of the run has been kept; the text says why."""


class JournalFullError(JournalError):
    """The journal has as many bytes as it may have."""


class Journal(ABC):
    """What the pipeline knows of a journal.

    Attributes:
        id: Begins the ids of batches; no two journals share one.
        durable: Whether events are on disk when `append` returns, so that those who come after may
            forget them and read them again.
        secures_runs: Whether a run is to be secured before anybody is told that it is kept.
        end: The position of the next event.
        stored: The position after the last event that the store has.
        planned: Ends of batches beyond `stored` that the store may have, ascending.
        problem: Why the last attempt to write failed; None when it did not.
    """

    id: str
    durable: bool
    secures_runs: bool = False
    end: int
    stored: int
    planned: tuple[int, ...] = ()
    problem: str | None = None

    @abstractmethod
    def append(self, run: Sequence[EventRows]) -> int:
        """Keep events.

        Returns:
            The position of the first.

        Raises:
            JournalError: They are not kept.
        """

    @abstractmethod
    def read(self, position: int) -> Run:
        """A run that holds the event at a position below `end`.

        When that event is lost, which is logged, it is the first run after it; a run without
        events, beginning at `end`, when there is none.

        Raises:
            JournalError: It cannot be read now.
        """

    def plan(self, end: int) -> None:
        """Note that a batch ends there, before the store is given its rows.

        Raises:
            JournalError: It is not noted.
        """
        if end not in self.planned:
            self._note_progress(self.stored, (*self.planned, end))

    def acknowledge(self, end: int) -> None:
        """Note that the store has all rows of the events before a position. Never raises."""
        if end > self.stored:
            planned = tuple(position for position in self.planned if position > end)
            self._note_progress(end, planned)

    def _note_progress(self, stored: int, planned: tuple[int, ...]) -> None:
        self.stored, self.planned = stored, planned

    async def secure(self) -> None:
        """Have everything noted so far outlast a loss of power.

        Raises:
            JournalError: Nobody knows whether it would.
        """
        await trio.lowlevel.checkpoint()

    @property
    def backlog(self) -> int:
        """Events that the store has not acknowledged."""
        return self.end - self.stored

    @property
    def first(self) -> int:
        """The position of the first event that can be read."""
        return self.end

    @property
    def bytes(self) -> int:
        """Bytes on disk."""
        return 0

    @property
    def full(self) -> bool:
        """Whether no more events are to be taken."""
        return False

    def close(self) -> None:  # noqa: B027
        """Let go of the files. The journal is not used afterwards."""


class MemoryJournal(Journal):
    """No journal: positions are counted, and events are in memory only (`memory` durability)."""

    durable: Final = False  # type: ignore[misc]

    def __init__(self) -> None:
        """Start at position 0."""
        self.id = secrets.token_hex(8)
        self.end = self.stored = 0

    def append(self, run: Sequence[EventRows]) -> int:
        """Count the events; never fails."""
        first = self.end
        self.end += len(run)
        return first

    def read(self, position: int) -> Run:
        """Always an error: nothing is kept."""
        raise JournalError("no journal to read from")
