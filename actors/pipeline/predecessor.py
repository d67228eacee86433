"""What an earlier process has left in another form, and has to be stored before the log."""

from collections.abc import Callable
from typing import Protocol

import trio

from actors.letters.dead_letters import DeadLetters
from actors.pipeline.flush import Flush
from ingest.fold.checkpoint import FoldState
from ingest.telemetry.metrics import Metrics


class Predecessor(Protocol):
    """Accepted events that come before the log's first record."""

    @property
    def backlog(self) -> int:
        """How many the store has not acknowledged."""

    async def drain(self) -> FoldState:
        """Have everything stored, while the log takes new events already.

        Called again after a failure; it goes on where it was.

        Returns:
            The fold before the log's first record.
        """


PredecessorFactory = Callable[[trio.MemorySendChannel[Flush], Metrics, DeadLetters], Predecessor]
"""Makes one, given a way to the writer, what shows its batches, and dead letters."""
