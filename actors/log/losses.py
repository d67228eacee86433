"""Finds missing records by comparing the readable records with the note."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from actors.log.frames import Stretch
from actors.log.log import LogPoint


class Gap(NamedTuple):
    """A range of acknowledged records that cannot be read.

    Attributes:
        first: The first missing record.
        end: After the last missing record.
    """

    first: LogPoint
    end: LogPoint

    def events_beyond(self, committed: LogPoint) -> int:
        """Number of missing events that the store does not have."""
        return max(self.end.number - max(self.first.number, committed.number), 0)


def find_gaps(stretches: Iterable[Stretch], begin: LogPoint, end: LogPoint) -> Iterator[Gap]:
    """Find the gaps between readable records.

    Args:
        stretches: The readable records, ascending.
        begin: Missing records before it are ignored.
        end: All records before it were noted as kept.
    """
    known = begin
    for stretch in stretches:
        if stretch.first.position > known.position:
            yield Gap(known, stretch.first)
        known = max(known, stretch.end)
    if end.position > known.position:
        yield Gap(known, end)


def count_readable(stretches: Iterable[Stretch], committed: LogPoint) -> int:
    """Number of readable events that the store does not have."""
    return sum(Gap(stretch.first, stretch.end).events_beyond(committed) for stretch in stretches)
