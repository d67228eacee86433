"""Which records of each source were taken, so that none is taken twice."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from ingest.model.event import Source

_DAY: Final = 86_400

RETENTION_SECONDS: Final = {"letter": 21 * _DAY, "front": 7 * _DAY}
"""How long a source is remembered after its last record, by the log's time. A letter lives for 14
days, and a front resends by itself what is younger than 6."""


class TakenSource(NamedTuple):
    """What is remembered of a source.

    Attributes:
        name: As in `Source`.
        number: The highest that was taken.
        touched: When that was, Unix seconds of the log's time.
    """

    name: str
    number: int
    touched: int


class TakenSources:
    """The highest number taken of each source."""

    def __init__(self) -> None:
        """Nothing was taken."""
        # By kind, least recently touched first, so that expiry looks at what has expired only.
        self._kinds: dict[str, OrderedDict[str, TakenSource]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._kinds.values()))

    def __iter__(self) -> Iterator[TakenSource]:
        """Those of each kind together, least recently touched first."""
        for sources in self._kinds.values():
            yield from sources.values()

    def has_taken(self, source: Source) -> bool:
        """Whether a record was taken before."""
        sources = self._kinds.get(_kind(source.name))
        taken = None if sources is None else sources.get(source.name)
        return taken is not None and source.number <= taken.number

    def take(self, source: Source, log_time: int) -> None:
        """Note that a record is taken; one that `has_taken` does not know."""
        sources = self._kinds.setdefault(_kind(source.name), OrderedDict())
        sources[source.name] = TakenSource(source.name, source.number, log_time)
        sources.move_to_end(source.name)

    def restore(self, sources: Iterable[TakenSource]) -> None:
        """Take over what was saved, in the order in which `__iter__` gave it."""
        for name, number, touched in sources:
            self.take(Source(name, number), touched)

    def end(self, name: str) -> None:
        """No more records of a source will come."""
        sources = self._kinds.get(_kind(name))
        if sources is not None:
            sources.pop(name, None)

    def expire(self, log_time: int) -> None:
        """Forget the sources that nothing was taken of for too long."""
        for kind, retention in RETENTION_SECONDS.items():
            sources = self._kinds.get(kind)
            while sources:
                oldest = next(iter(sources.values()))
                if oldest.touched >= log_time - retention:
                    break
                del sources[oldest.name]


def _kind(name: str) -> str:
    return name.partition(":")[0]
