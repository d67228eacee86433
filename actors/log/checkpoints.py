"""The interface to the place where checkpoints are saved."""

from contextlib import AbstractContextManager
from typing import Protocol

from ingest.fold.checkpoint import FoldState


class SavedCheckpoint(Protocol):
    """A checkpoint that is written, and takes effect when it is published."""

    async def publish(self) -> None:
        """Replace the last checkpoint, durably, once the store has everything before this one.

        Raises:
            OSError: It may not be durable.
            LogError: As above, if the log keeps it.
            trio.TooSlowError: It took too long; either one may be in place.
        """


class Checkpoints(Protocol):
    """Saves the fold's state, so that a later process need not read the whole log."""

    async def write(self, state: FoldState) -> AbstractContextManager[SavedCheckpoint]:
        """Write a checkpoint, which is deleted at the end of the context unless published.

        Raises:
            OSError: It cannot be written; the last one is unchanged.
            LogError: As above, if the log keeps it.
            trio.TooSlowError: It took too long.
        """

    def forget(self) -> None:
        """Delete the last checkpoint, because the log after it will be deleted.

        Raises:
            OSError: It cannot be deleted.
        """
