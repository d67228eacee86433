"""The records taken of each source, so that none is taken twice."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from ingest.model.event import Source

_DAY: Final = 86_400

RETENTION_SECONDS: Final = {"letter": 21 * _DAY, "front": 7 * _DAY}
"""How long a source is remembered after its last record, by the log's time. A letter is kept for 14
days. A front resends records that are less than 6 days old."""


class TakenSource(NamedTuple):
    """The state of a source.

    Attributes:
        name: As in `Source`.
        number: The highest number taken.
        touched: When it was taken, by the log's time in Unix seconds.
    """

    name: str
    number: int
    touched: int


class TakenSources:
    """The highest number taken of each source."""

    def __init__(self) -> None:
        """Start empty."""
        # By kind, least recently touched first, so that expiry visits only expired sources.
        self._kinds: dict[str, OrderedDict[str, TakenSource]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._kinds.values()))

    def __iter__(self) -> Iterator[TakenSource]:
        """Iterate over all sources, grouped by kind, least recently touched first."""
        for sources in self._kinds.values():
            yield from sources.values()

    def has_taken(self, source: Source) -> bool:
        """Whether a record was taken before."""
        sources = self._kinds.get(_kind(source.name))
        taken = None if sources is None else sources.get(source.name)
        return taken is not None and source.number <= taken.number

    def take(self, source: Source, log_time: int) -> None:
        """Mark a record as taken, for which `has_taken` is False."""
        sources = self._kinds.setdefault(_kind(source.name), OrderedDict())
        sources[source.name] = TakenSource(source.name, source.number, log_time)
        sources.move_to_end(source.name)

    def restore(self, sources: Iterable[TakenSource]) -> None:
        """Restore saved sources, in the order of `__iter__`."""
        for name, number, touched in sources:
            self.take(Source(name, number), touched)

    def end(self, name: str) -> None:
        """Forget a source that will send no more records."""
        sources = self._kinds.get(_kind(name))
        if sources is not None:
            sources.pop(name, None)

    def expire(self, log_time: int) -> None:
        """Forget the sources without recent records."""
        for kind, retention in RETENTION_SECONDS.items():
            sources = self._kinds.get(kind)
            while sources:
                oldest = next(iter(sources.values()))
                if oldest.touched >= log_time - retention:
                    break
                del sources[oldest.name]


def _kind(name: str) -> str:
    return name.partition(":")[0]
