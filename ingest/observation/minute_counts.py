"""Counts of the last hour by key, minute by minute, with a bounded number of keys."""

from collections import Counter, deque
from collections.abc import Callable, Hashable
from typing import Final, Generic, TypeVar

MINUTES: Final = 60

Key = TypeVar("Key", bound=Hashable)


class MinuteCounts(Generic[Key]):
    """Counts by key. Its owner says when a minute is over."""

    __slots__ = ("_beyond", "_hour_limit", "_limit", "_minute", "_minutes", "_sums")

    def __init__(
        self, limit: int, beyond: Callable[[Key], Key], hour_limit: int | None = None
    ) -> None:
        """Start with an empty hour.

        Args:
            limit: Maximum number of keys counted separately in one minute, which bounds the memory.
            beyond: Returns the key that a further one is counted for. It has few results.
            hour_limit: No minute adds keys to the hour when it has so many, which bounds the time
                that reading it takes. None: as many as its minutes have.
        """
        self._limit = limit
        self._beyond = beyond
        self._hour_limit = MINUTES * limit if hour_limit is None else hour_limit
        self._minute: dict[Key, int] = {}
        self._minutes: deque[dict[Key, int]] = deque()
        self._sums: Counter[Key] = Counter()

    def count(self, key: Key, number: int = 1) -> None:
        """Add a number to a key's count of the current minute."""
        minute = self._minute
        if key in minute:
            minute[key] += number
        else:
            sums = self._sums
            if len(minute) >= self._limit or (len(sums) >= self._hour_limit and key not in sums):
                key = self._beyond(key)
            minute[key] = minute.get(key, 0) + number

    def close_minute(self) -> None:
        """Begin the next minute, and forget what is older than an hour."""
        self._minutes.append(self._minute)
        self._sums.update(self._minute)
        self._minute = {}
        if len(self._minutes) == MINUTES:
            for key, number in self._minutes.popleft().items():
                if self._sums[key] == number:
                    del self._sums[key]
                else:
                    self._sums[key] -= number

    def of_hour(self) -> Counter[Key]:
        """The counts of the last hour, by key."""
        found = self._sums.copy()
        found.update(self._minute)
        return found

    def of_last(self, minutes: int) -> Counter[Key]:
        """The same of so many last minutes; the current one, not over yet, is the last."""
        found = Counter(self._minute)
        for back in range(1, min(minutes - 1, len(self._minutes)) + 1):
            found.update(self._minutes[-back])
        return found

    def per_minute(self, key: Key) -> list[int]:
        """A key's counts in each of the last 60 minutes, the current one last."""
        return [
            *([0] * (MINUTES - 1 - len(self._minutes))),
            *(minute.get(key, 0) for minute in self._minutes),
            self._minute.get(key, 0),
        ]
