"""Ends the waits of requests that the pipeline has not answered in time."""

import trio

from actors.pipeline.verdicts import Verdicts
from actors.supervision.actor import Actor

BEAT_SECONDS = 0.25
"""How much longer than its time a request may wait."""


class RequestTimeouts(Actor):
    """The actor that owns the deadlines of all requests in the pipeline.

    Receives and sends nothing. One look at the oldest tells of all, where a timer for each request
    would cost a tenth of its time. A restart goes on.
    """

    name = "request_timeouts"

    def __init__(self, verdicts: Verdicts) -> None:
        """Watch over requests."""
        self._verdicts = verdicts

    async def run(self) -> None:
        """Look for ever."""
        while True:
            await trio.sleep(BEAT_SECONDS)
            self._verdicts.give_up_waiting(trio.current_time())
