"""What a part of the program says of itself."""

from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol


class Figure(NamedTuple):
    """A figure that is read from its owner whenever `/metrics` is asked.

    Attributes:
        name: As Prometheus knows it.
        documentation: What it means, in a sentence.
        read: Gives its value; changes nothing.
    """

    name: str
    documentation: str
    read: Callable[[], float]


class Part(Protocol):
    """Something that readiness and `/metrics` show."""

    def status(self) -> dict[str, object]:
        """What readiness says of it: `status` (`ok`, `degraded`, `down`) and its figures."""

    def figures(self) -> Iterator[Figure]:
        """What `/metrics` shows of it."""
