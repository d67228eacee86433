"""Measures how late the event loop is, and keeps the clock and the history on the system's time."""

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
"""How far the clocks may drift apart before the pipeline's is set: less is left to slewing, so that
timestamps do not jump for nothing."""


class Heartbeat(Actor):
    """The actor that owns the beat. Receives and sends nothing; a restart beats on.

    It beats when a second of the pipeline's clock begins, so that the history's seconds are those
    of the clock.
    """

    name = "heartbeat"

    def __init__(
        self, clock: Clock, metrics: Metrics, wall: Callable[[], float] = time.time
    ) -> None:
        """Watch a clock.

        Args:
            clock: The pipeline's.
            metrics: Shows the lag, counts the steps, and is told which second it is.
            wall: Tells the system's time, Unix seconds.
        """
        self._clock = clock
        self._metrics = metrics
        self._wall = wall

    async def run(self) -> None:
        """Beat for ever."""
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
