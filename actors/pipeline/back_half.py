"""The interface to the half of the pipeline behind the log."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import trio

from actors.pipeline.flush import Flush
from actors.supervision.actor import Actor
from ingest.sessions.live_sessions import LiveSessions


class BackHalf(ABC):
    """The actors that take the log's records onwards.

    Attributes:
        stages: In the order of the flow. They finish after the log is sealed.
        keepers: Cancelled when the drain begins.
    """

    stages: Sequence[Actor]
    keepers: Sequence[Actor]

    @property
    def accepting(self) -> bool:
        """Whether new events may be appended to the log."""
        return True

    @property
    @abstractmethod
    def backlog(self) -> int:
        """Number of accepted events that have not been taken onwards."""

    @property
    def open_sessions(self) -> LiveSessions | None:
        """The open sessions, to read only; None if another process has them."""
        return None

    def outlet(self) -> trio.MemorySendChannel[Flush] | None:
        """A channel to the writer, closed by the caller; None if this process has no writer."""
        return None

    def close(self) -> None:  # noqa: B027
        """Close the channel halves that no actor owns, so that the stages can finish."""

    @abstractmethod
    async def leave_rest(self) -> None:
        """Keep what was not taken onwards for the next process; the log is sealed. Never raises."""

    @abstractmethod
    def status(self) -> dict[str, dict[str, object]]:
        """The parts' readiness reports by name."""

    @abstractmethod
    def figures(self) -> dict[str, float]:
        """Gauges by their names in `/metrics`."""
