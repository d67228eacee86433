"""What the supervisor asks of an actor."""

from abc import ABC, abstractmethod


class Actor(ABC):
    """A task that the supervisor keeps alive.

    The object outlives its task: channels and state belong to it, and a restarted task finds them
    as they were. State is changed between checkpoints only, so it is never half-changed.

    An actor that holds no messages has nothing to set aside and nothing to close, and leaves the
    last three methods as they are.

    Attributes:
        name: Names it in readiness and in the log.
        progress: Counts what it has brought to an end: a message, a run, an attempt. Together with
            `has_work` it tells an actor that is stuck from one that has nothing to do.
        longest_wait: Seconds that one step may wait for something outside, such as a store, before
            it counts as an attempt.
    """

    name: str
    progress: int = 0
    longest_wait: float = 0.0

    @property
    def has_work(self) -> bool:
        """Whether something waits for this actor, and for no other actor."""
        return False

    @property
    def trouble(self) -> str | None:
        """What is wrong with its work, for readiness and the log; None when nothing is."""
        return None

    @abstractmethod
    async def run(self) -> None:
        """Work until the inbox ends, or for ever if there is none.

        Called again after a failure, with the state as the failure left it.
        """

    def failed(self, error: Exception) -> None:  # noqa: B027
        """Put right what must be right before the next run.

        An actor that does not catch the exceptions of single messages sets the one aside that made
        `run` fail. Must not raise.
        """

    async def give_up(self) -> None:  # noqa: B027
        """Set aside everything still to come, until the inbox ends.

        Called instead of `run` once the supervisor has stopped restarting.
        """

    def close(self) -> None:  # noqa: B027
        """Close the channels: called once, when no run will follow."""
