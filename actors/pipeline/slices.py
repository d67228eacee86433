"""Copies and frees many objects in slices, because at once it would hold the event loop."""

import gc
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Final, TypeVar

import trio

T = TypeVar("T")

COPIED_TOGETHER: Final = 10_000
"""References copied between two checkpoints: 2 to 5 ms, because the processor's caches have few of
the objects. With fewer, whoever waits for the copy would wait for more turns of other tasks."""

FREED_TOGETHER: Final = 200
"""Rows freed between two checkpoints: they take 0.2 ms. Of a copy, `COPIED_TOGETHER` references are
dropped, but most of the objects live on."""

SLICES_TOGETHER: Final = 5
"""Slices freed between two runs of the garbage collector."""


@dataclass(repr=False)
class Slices(Collection[T]):
    """Many objects in tuples.

    In a list, the garbage collector would look at all of them, and again at its next runs. It
    forgets a tuple once it has found that the objects are no containers.

    Attributes:
        tuples: They, in order.
    """

    tuples: list[tuple[T, ...]]

    def __len__(self) -> int:
        return sum(map(len, self.tuples))

    def __iter__(self) -> Iterator[T]:
        return chain.from_iterable(self.tuples)

    def __contains__(self, item: object) -> bool:
        return any(item in each for each in self.tuples)


def slice_all(items: Iterable[tuple[T, ...]]) -> Slices[T]:
    """The objects of some long tuples in slices that can be freed one by one."""
    return Slices(
        [
            each[start : start + FREED_TOGETHER]
            for each in items
            for start in range(0, len(each), FREED_TOGETHER)
        ]
    )


async def copy_slowly(items: Iterable[T]) -> Slices[T]:
    """Refer to the items. They must not change meanwhile."""
    copied: list[tuple[T, ...]] = []
    iterator = iter(items)
    while part := tuple(islice(iterator, COPIED_TOGETHER)):
        copied.append(part)
        gc.collect(0)  # else it would look at the references of many slices at once
        await trio.lowlevel.checkpoint()
    return Slices(copied)


async def free_slowly(items: Slices[T]) -> None:
    """Forget slices one by one that have the last references to their objects."""
    while items.tuples:
        items.tuples.pop()
        if not len(items.tuples) % SLICES_TOGETHER:
            gc.collect(0)  # else it would not run: it counts new objects less freed ones
        await trio.lowlevel.checkpoint()
