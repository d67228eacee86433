"""Counters and histograms for events, kept as plain numbers.

Those of prometheus_client take a lock and several calls for each addition: two to three
microseconds. These are updated by one task, and converted to samples only when they are read.
"""

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

Labels = tuple[str, ...]

GATHERED = 1000
"""Values that a histogram gathers before it sorts them into buckets, which is cheaper for many."""


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
        self._bounds = (*buckets, math.inf)
        self._bound_names = [*map(floatToGoString, self._bounds)]
        self._gathered: dict[tuple[object, ...], list[float]] = {}
        self._counts: dict[tuple[object, ...], list[int]] = {}
        self._sums: dict[tuple[object, ...], float] = {}

    def observe(self, labels: tuple[object, ...], value: float) -> None:
        """Note a value.

        Args:
            labels: Values, in the order of their names; shown as text.
            value: Counted in the first bucket whose bound is not below it.
        """
        values = self._gathered.get(labels)
        if values is None:
            values = self._gathered[labels] = []
            self._counts[labels] = [0] * len(self._bounds)
            self._sums[labels] = 0.0
        values.append(value)
        if len(values) >= GATHERED:
            self._sort_in(labels, values)

    def _sort_in(self, labels: tuple[object, ...], values: list[float]) -> None:
        """Add gathered values to the buckets, each of which counts those up to its bound."""
        self._sums[labels] += sum(values)
        values.sort()
        counts = self._counts[labels]
        for bucket, bound in enumerate(self._bounds):
            counts[bucket] += bisect_right(values, bound)
        values.clear()

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """The current values."""
        name, documentation, labels = self._family
        family = HistogramMetricFamily(name, documentation, labels=labels)
        for values, gathered in self._gathered.items():
            self._sort_in(values, gathered)
            buckets = [*zip(self._bound_names, self._counts[values], strict=True)]
            family.add_metric([*map(str, values)], buckets, self._sums[values])
        yield family
