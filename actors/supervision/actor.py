"""What the supervisor asks of an actor."""

from abc import ABC, abstractmethod


class Actor(ABC):
    """A task that the supervisor keeps alive.

    The object outlives its task: channels and state belong to it, and a restarted task finds them
    as they were. State is changed between checkpoints only, so it is never half-changed.

    An actor that holds no messages has nothing to set aside and nothing to close, and leaves the
    last three methods as they are.
    """

    name: str

    @abstractmethod
    async def run(self) -> None:
        """Work until the inbox ends, or for ever if there is none.

        Called again after a failure, with the state as the failure left it.
        """

    def failed(self, error: Exception) -> None:  # noqa: B027
        """Set aside whatever made `run` fail, so that the next run does not meet it again.

        Must not raise.
        """

    async def give_up(self) -> None:  # noqa: B027
        """Set aside everything still to come, until the inbox ends.

        Called instead of `run` once the supervisor has stopped restarting.
        """

    def close(self) -> None:  # noqa: B027
        """Close the channels: called once, when no run will follow."""
