"""Turns: a bounded number of clients at a time, and the one that was served longest ago first."""

from bisect import bisect_left, insort
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Final

import trio

NEW: Final = 0.0
"""When a client that has had no turn had its last one."""


class Turns:
    """Gives turns to clients that wait for them.

    A client that is refused comes back behind those that were served meanwhile. In the order of
    arrival the same few clients would be served again and again, so the order is that of their last
    turns.
    """

    def __init__(self, number: int, seconds: float) -> None:
        """Start with all turns free.

        Args:
            number: How many clients have a turn at a time.
            seconds: How long a client waits.
        """
        self._free = number
        self._seconds = seconds
        self._numbers = count()
        self._waiting: list[tuple[float, int, trio.Event]] = []

    @asynccontextmanager
    async def turn(self, last: float) -> AsyncIterator[bool]:
        """Wait for a turn, and give it back at the end.

        Args:
            last: When the client had its last turn, on trio's clock; `NEW` if it had none.

        Yields:
            Whether the turn has come in time.
        """
        if not await self._take(last):
            yield False
            return
        try:
            yield True
        finally:
            self._give_back()

    async def _take(self, last: float) -> bool:
        if self._free:
            self._free -= 1
            return True
        place = (last, next(self._numbers), trio.Event())
        insort(self._waiting, place)
        try:
            with trio.move_on_after(self._seconds):
                await place[2].wait()
        except trio.Cancelled:
            if place[2].is_set():
                self._give_back()
            raise
        finally:
            if not place[2].is_set():
                del self._waiting[bisect_left(self._waiting, place)]
        return place[2].is_set()

    def _give_back(self) -> None:
        if self._waiting:
            self._waiting.pop(0)[2].set()
        else:
            self._free += 1
