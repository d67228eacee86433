"""What a forwarder needs of a producer."""

from collections.abc import Callable, Sequence
from typing import Protocol

from actors.cluster.failure import KafkaFailure
from actors.cluster.producer_thread import Message, Report


class Producing(Protocol):
    """A `ProducerThread`, or what stands in for it."""

    problem: str | None

    def start(self) -> None:
        """Start it."""

    def send_nowait(self, messages: Sequence[Message]) -> None:
        """Send messages."""

    def close(self, seconds: float = 0.0) -> None:
        """End it."""


class ProducerFactory(Protocol):
    """Creates ordered producers."""

    def __call__(
        self,
        *,
        told: Callable[[Sequence[Report]], object],
        ended: Callable[[KafkaFailure], object],
    ) -> Producing:
        """Create one, see `ProducerThread`."""
