"""Which records of a log are missing, by what can be read and what was noted."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from actors.log.frames import Stretch
from actors.log.log import LogPoint


class Gap(NamedTuple):
    """Records that were acknowledged and cannot be read.

    Attributes:
        first: The first of them.
        end: Behind the last.
    """

    first: LogPoint
    end: LogPoint

    def events_beyond(self, committed: LogPoint) -> int:
        """How many of them are events that the store does not have."""
        return max(self.end.number - max(self.first.number, committed.number), 0)


def find_gaps(stretches: Iterable[Stretch], begin: LogPoint, end: LogPoint) -> Iterator[Gap]:
    """Gaps between what can be read.

    Args:
        stretches: What can be read, ascending.
        begin: What is missing before it is not missed.
        end: Everything before it was noted as kept.
    """
    known = begin
    for stretch in stretches:
        if stretch.first.position > known.position:
            yield Gap(known, stretch.first)
        known = max(known, stretch.end)
    if end.position > known.position:
        yield Gap(known, end)


def count_readable(stretches: Iterable[Stretch], committed: LogPoint) -> int:
    """Events that can be read and that the store does not have."""
    return sum(Gap(stretch.first, stretch.end).events_beyond(committed) for stretch in stretches)
