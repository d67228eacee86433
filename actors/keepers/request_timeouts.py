"""Ends the wait of requests that the pipeline has not answered in time."""

import trio

from actors.pipeline.verdicts import Verdicts
from actors.supervision.actor import Actor

BEAT_SECONDS = 0.25
"""How late a timeout may be."""


class RequestTimeouts(Actor):
    """The actor that owns the deadlines of all requests in the pipeline.

    Receives and sends nothing. It checks only the oldest requests; a timer for each request would
    cost a tenth of the request's time. A restart continues.
    """

    name = "request_timeouts"

    def __init__(self, verdicts: Verdicts) -> None:
        """Watch the requests in `verdicts`."""
        self._verdicts = verdicts

    async def run(self) -> None:
        """Check forever."""
        while True:
            await trio.sleep(BEAT_SECONDS)
            self._verdicts.give_up_waiting(trio.current_time())
