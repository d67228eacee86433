"""Events that an earlier process left in another form, to be stored before the log's."""

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
        """Number of events that the store has not acknowledged."""

    async def drain(self) -> FoldState:
        """Store all events, while the log already takes new ones.

        Called again after a failure; it resumes where it was.

        Returns:
            The fold's state before the log's first record.
        """


PredecessorFactory = Callable[[trio.MemorySendChannel[Flush], Metrics, DeadLetters], Predecessor]
"""Creates a predecessor from a channel to the writer, metrics, and dead letters."""
