"""How the last inserts into the store went."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

INSERTS: Final = 200
"""Inserts remembered of each table: the last quarter of an hour with the default settings."""


@dataclass(frozen=True, slots=True)
class Spread:
    """How values are spread.

    Attributes:
        median: Half of them are at most this.
        p95: Nineteen of twenty are at most this.
        greatest: All are at most this.
    """

    median: float
    p95: float
    greatest: float


@dataclass(frozen=True, slots=True)
class InsertSummary:
    """The last inserts into one table.

    Attributes:
        inserts: How many, at most `INSERTS`.
        seconds: How long they took.
        rows: How many rows they had.
    """

    inserts: int
    seconds: Spread
    rows: Spread


class RecentInserts:
    """The last inserts that the store has taken, by table."""

    def __init__(self) -> None:
        """Start with none."""
        self._tables: dict[str, deque[tuple[int, float]]] = {}

    def note(self, table: str, rows: int, seconds: float) -> None:
        """Remember one."""
        self._tables.setdefault(table, deque(maxlen=INSERTS)).append((rows, seconds))

    def summaries(self) -> dict[str, InsertSummary]:
        """What is remembered, by table in alphabetical order."""
        return {
            table: InsertSummary(
                len(inserts),
                spread([seconds for _, seconds in inserts]),
                spread([rows for rows, _ in inserts]),
            )
            for table, inserts in sorted(self._tables.items())
        }


def spread(values: Sequence[float]) -> Spread:
    """How values are spread, of which there must be one at least (nearest-rank method)."""
    ascending = sorted(values)

    def quantile(percent: int) -> float:
        return ascending[-(-len(ascending) * percent // 100) - 1]

    return Spread(quantile(50), quantile(95), ascending[-1])
