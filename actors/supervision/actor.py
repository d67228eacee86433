"""The interface between the supervisor and an actor."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Self

import trio


@dataclass(frozen=True, slots=True)
class Queue:
    """How full an inbox is.

    Attributes:
        waiting: Runs that wait in it.
        room: How many may.
    """

    waiting: int
    room: int

    @classmethod
    def of(cls, half: trio.MemoryReceiveChannel[Any] | trio.MemorySendChannel[Any]) -> Self:
        """As one half of the channel tells."""
        statistics = half.statistics()
        return cls(statistics.current_buffer_used, int(statistics.max_buffer_size))


class Actor(ABC):
    """A task that the supervisor keeps alive.

    The object outlives its task. It owns channels and state, and a restarted task finds them
    unchanged. State changes only between checkpoints, so it is always consistent.

    An actor that holds no messages has nothing to set aside or to close, and need not override the
    last three methods.

    Attributes:
        name: Its name in readiness reports and logs.
        progress: Counts completed units of work: messages, runs, attempts. Together with `has_work`
            it distinguishes a stuck actor from an idle one.
        longest_wait: Seconds that one attempt may wait for something outside, such as a store.
    """

    name: str
    progress: int = 0
    longest_wait: float = 0.0

    @property
    def has_work(self) -> bool:
        """Whether work waits for this actor and not for another one."""
        return False

    @property
    def queue(self) -> Queue | None:
        """Its inbox, for readiness; None where there is none that holds anything."""
        return None

    @property
    def trouble(self) -> str | None:
        """A problem with its work, for readiness reports and logs; None if there is none."""
        return None

    @abstractmethod
    async def run(self) -> None:
        """Work until the inbox ends, or forever if there is none.

        Called again after a failure, with the state that the failure left.
        """

    def failed(self, error: Exception) -> None:  # noqa: B027
        """Repair the state before the next run.

        An actor that does not catch exceptions of single messages sets aside the message that made
        `run` fail. Must not raise.
        """

    async def give_up(self) -> None:  # noqa: B027
        """Set aside all further messages until the inbox ends.

        Called instead of `run` once the supervisor has stopped restarting.
        """

    def close(self) -> None:  # noqa: B027
        """Close the channels; called once, after the last run."""
