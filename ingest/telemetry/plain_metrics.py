"""Counters and histograms for events, kept as plain numbers.

Those of prometheus_client take a lock and several calls for each addition: two to three
microseconds. These are updated by one task, and converted to samples only when they are read.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

Labels = tuple[str, ...]


class PlainCounter(Collector):
    """A counter for each combination of labels. Not to be used from several threads."""

    def __init__(self, name: str, documentation: str, labels: Sequence[str]) -> None:
        """Start at zero.

        Args:
            name: Without `_total`.
            documentation: For the reader of `/metrics`.
            labels: Their names.
        """
        self._family = (name, documentation, labels)
        self._values: dict[Labels, int] = {}

    def count(self, labels: Labels, number: int = 1) -> None:
        """Add a number.

        Args:
            labels: Values, in the order of their names.
            number: What is added.
        """
        try:
            self._values[labels] += number
        except KeyError:
            self._values[labels] = number

    def collect(self) -> Iterable[CounterMetricFamily]:
        """The current values."""
        name, documentation, labels = self._family
        family = CounterMetricFamily(name, documentation, labels=labels)
        for values, value in self._values.items():
            family.add_metric(values, value)
        yield family


class PlainHistogram(Collector):
    """A histogram for each combination of labels. Not to be used from several threads."""

    def __init__(
        self, name: str, documentation: str, labels: Sequence[str], buckets: Sequence[float]
    ) -> None:
        """Start empty.

        Args:
            name: Of the family.
            documentation: For the reader of `/metrics`.
            labels: Their names.
            buckets: Upper bounds, ascending, without infinity.
        """
        self._family = (name, documentation, labels)
        self._bounds = tuple(buckets)
        self._bound_names = [*map(floatToGoString, (*buckets, float("inf")))]
        self._counts: dict[Labels, list[int]] = {}
        self._sums: dict[Labels, float] = {}

    def observe(self, labels: Labels, value: float) -> None:
        """Note a value.

        Args:
            labels: Values, in the order of their names.
            value: Counted in the first bucket whose bound is not below it.
        """
        counts = self._counts.get(labels)
        if counts is None:
            counts = self._counts[labels] = [0] * len(self._bound_names)
            self._sums[labels] = 0.0
        counts[bisect_left(self._bounds, value)] += 1
        self._sums[labels] += value

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """The current values."""
        name, documentation, labels = self._family
        family = HistogramMetricFamily(name, documentation, labels=labels)
        for values, counts in self._counts.items():
            below = 0
            buckets: list[tuple[str, float]] = []
            for bound, number in zip(self._bound_names, counts, strict=True):
                below += number
                buckets.append((bound, below))
            family.add_metric(values, buckets, self._sums[values])
        yield family
