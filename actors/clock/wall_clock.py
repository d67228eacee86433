"""The pipeline's clock: wall time derived from trio's clock."""

import time

import trio


class Clock:
    """Wall time derived from `trio.current_time()`.

    All timestamps and waits follow trio's clock, so under `trio.testing.MockClock` timestamps,
    timeouts, flush deadlines, salt rotation and back-off all move together.
    """

    def __init__(self, epoch: float) -> None:
        """Set the clock; call it inside `trio.run`.

        Args:
            epoch: The current time in Unix seconds.
        """
        self._offset = epoch - trio.current_time()
        self._stepped = trio.Event()

    @classmethod
    def system(cls) -> "Clock":
        """A clock that shows the system's time."""
        return cls(time.time())

    def now(self) -> float:
        """The time in Unix seconds, UTC."""
        return trio.current_time() + self._offset

    def seconds(self) -> int:
        """The time in whole Unix seconds, as in rows."""
        return int(self.now())

    def seconds_at(self, now: float) -> int:
        """The same at a time of trio's clock."""
        return int(now + self._offset)

    async def sleep_until(self, instant: float) -> None:
        """Wait until `instant` (Unix seconds), also if the clock is set meanwhile."""
        await trio.lowlevel.checkpoint()
        while (left := instant - self.now()) > 0:
            with trio.move_on_after(left):
                await self._stepped.wait()

    def follow(self, epoch: float) -> float:
        """Follow a step of the system's clock.

        Returns:
            The number of seconds by which the clock was moved.
        """
        step = epoch - self.now()
        self._offset += step
        self._stepped.set()
        self._stepped = trio.Event()
        return step
