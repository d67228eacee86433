"""One object for all equal values: many sessions have the same page, place, device, source or time.

The caches of look-ups do not suffice: nearly each new visitor's address is looked up anew, and in a
log's record or a checkpoint each event and each session has values of its own, of 1,000 bytes.
"""

from typing import Any, Final, Protocol, TypeVar, cast

T = TypeVar("T")

SHARED_VALUES: Final = 16_384
"""How many are remembered. Beyond it all are forgotten: those in use are soon known again."""

SHARED_BY_PYTHON: Final = 256
"""The largest number that is one object everywhere without `share`."""


class Share(Protocol):
    """See `share`."""

    def __call__(self, value: T, /) -> T:
        """Return the remembered equal value, or this one."""


class _Values(dict[Any, Any]):
    """A dict finds a value in half the time that an `lru_cache` takes, which also orders them."""

    def __missing__(self, value: T) -> T:
        if len(self) >= SHARED_VALUES:
            self.clear()
        self[value] = value
        return value


share: Final = cast("Share", _Values().__getitem__)
"""Returns the remembered value that is equal to a text, number or frozen struct, or that itself."""
