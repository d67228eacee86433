"""Measures the event loop's lag, and adjusts the clock and the history to the system's time."""

import time
from collections.abc import Callable

import structlog
import trio

from actors.clock.wall_clock import Clock
from actors.supervision.actor import Actor
from ingest.telemetry.metrics import Metrics

log = structlog.get_logger()

BEAT_SECONDS = 1.0

STEP_SECONDS = 1.0
"""How far the pipeline's clock may drift before it is set. Smaller differences are left to slewing,
so that timestamps do not jump unnecessarily."""


class Heartbeat(Actor):
    """The actor that runs once a second. Receives and sends nothing. A restart continues.

    It runs at the start of each second of the pipeline's clock, so that the history's seconds match
    the clock's.
    """

    name = "heartbeat"

    def __init__(
        self, clock: Clock, metrics: Metrics, wall: Callable[[], float] = time.time
    ) -> None:
        """Watch a clock.

        Args:
            clock: The pipeline's.
            metrics: Receive the lag, the clock's steps and the current second.
            wall: Returns the system's time in Unix seconds.
        """
        self._clock = clock
        self._metrics = metrics
        self._wall = wall

    async def run(self) -> None:
        """Run forever."""
        while True:
            due = trio.current_time() + BEAT_SECONDS - self._clock.now() % BEAT_SECONDS
            await trio.sleep_until(due)
            self._metrics.observe_lag(trio.current_time() - due)
            drift = self._wall() - self._clock.now()
            if abs(drift) >= STEP_SECONDS:
                self._clock.follow(self._wall())
                self._metrics.clock_steps.inc()
                log.warning("followed a step of the system clock", seconds=round(drift, 3))
            self._metrics.history.advance(self._clock.seconds())
