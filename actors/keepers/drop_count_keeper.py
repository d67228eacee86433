"""Has the log keep how many events were dropped in front of it."""

import trio

from actors.pipeline.recorder import Recorder
from actors.supervision.actor import Actor

APPEND_SECONDS = 5.0
"""How long counts wait for the log at most; it takes them to the store within a flush."""


class DropCountKeeper(Actor):
    """The actor that owns the moment at which counts of drops are appended. A restart goes on."""

    name = "drop_counts"

    def __init__(self, recorder: Recorder) -> None:
        """Have a recorder append them."""
        self._recorder = recorder

    async def run(self) -> None:
        """Append for ever."""
        while True:
            await trio.sleep(APPEND_SECONDS)
            await self._recorder.append_drops()
