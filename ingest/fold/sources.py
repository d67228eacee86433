"""The records taken of each source, so that none is taken twice."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from ingest.model.event import Source

_DAY: Final = 86_400

RETENTION_SECONDS: Final = {"letter": 21 * _DAY, "front": 7 * _DAY}
"""How long a source is remembered after its last record, by the log's time. A letter is kept for 14
days. A front resends records that are less than 6 days old."""

IMPORTS: Final = 1_000
"""Number of imports that are remembered, also after their end: those with the latest records. A
front that was down may send lines that another front has sent meanwhile."""

_IMPORT: Final = "import"


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


class _Taken:
    """The number and the time of a `TakenSource`."""

    __slots__ = ("number", "touched")

    def __init__(self) -> None:
        self.number = self.touched = 0


class TakenSources:
    """The highest number taken of each source."""

    def __init__(self) -> None:
        """Start empty."""
        # By kind, least recently touched first, so that expiry visits only expired sources.
        self._kinds: dict[str, OrderedDict[str, _Taken]] = {}
        # The source touched last. The records of a message have the same one.
        self._name: str | None = None
        self._last = _Taken()

    def __len__(self) -> int:
        return sum(map(len, self._kinds.values()))

    def __iter__(self) -> Iterator[TakenSource]:
        """Iterate over all sources, grouped by kind, least recently touched first."""
        for sources in self._kinds.values():
            for name, taken in sources.items():
                yield TakenSource(name, taken.number, taken.touched)

    def has_taken(self, source: Source) -> bool:
        """Whether a record was taken before."""
        name = source.name
        if name == self._name:
            return source.number <= self._last.number
        sources = self._kinds.get(_kind(name))
        taken = None if sources is None else sources.get(name)
        return taken is not None and source.number <= taken.number

    def take(self, source: Source, log_time: int) -> None:
        """Mark a record as taken, for which `has_taken` is False."""
        if source.name != self._name:
            self._touch(source.name)
        self._last.number, self._last.touched = source.number, log_time

    def _touch(self, name: str) -> None:
        kind = _kind(name)
        sources = self._kinds.setdefault(kind, OrderedDict())
        taken = sources.get(name)
        if taken is None:
            taken = sources[name] = _Taken()
            if kind == _IMPORT and len(sources) > IMPORTS:
                self._forget(sources, next(iter(sources)))
        else:
            sources.move_to_end(name)
        self._name, self._last = name, taken

    def restore(self, sources: Iterable[TakenSource]) -> None:
        """Restore saved sources, in the order of `__iter__`."""
        for name, number, touched in sources:
            self.take(Source(name, number), touched)

    def expire(self, log_time: int) -> None:
        """Forget letters and fronts without recent records."""
        for kind, retention in RETENTION_SECONDS.items():
            sources = self._kinds.get(kind)
            while sources:
                name, oldest = next(iter(sources.items()))
                if oldest.touched >= log_time - retention:
                    break
                self._forget(sources, name)

    def _forget(self, sources: OrderedDict[str, _Taken], name: str) -> None:
        sources.pop(name, None)
        if name == self._name:
            self._name = None


def _kind(name: str) -> str:
    return name.partition(":")[0]
