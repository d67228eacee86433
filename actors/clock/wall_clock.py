"""Time for the pipeline: wall time that moves with trio's clock."""

import time

import trio


class Clock:
    """Wall time derived from `trio.current_time()`.

    Everything that tells time or waits follows trio's clock, so under `trio.testing.MockClock`
    timestamps, time-outs, flush deadlines, salt rotation and back-off all move together.
    """

    def __init__(self, epoch: float) -> None:
        """Set the clock; must be called inside `trio.run`.

        Args:
            epoch: What the time is now, in Unix seconds.
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
        """The time in whole Unix seconds, as rows hold it."""
        return int(self.now())

    async def sleep_until(self, instant: float) -> None:
        """Wait until the clock shows `instant` (Unix seconds), also when it is set meanwhile."""
        await trio.lowlevel.checkpoint()
        while (left := instant - self.now()) > 0:
            with trio.move_on_after(left):
                await self._stepped.wait()

    def follow(self, epoch: float) -> float:
        """Take over a step that the system's clock has made.

        Returns:
            By how many seconds the clock was moved.
        """
        step = epoch - self.now()
        self._offset += step
        self._stepped.set()
        self._stepped = trio.Event()
        return step
