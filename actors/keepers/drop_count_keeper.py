"""Appends the counts of dropped events to the log regularly."""

import trio

from actors.pipeline.recorder import Recorder
from actors.supervision.actor import Actor

APPEND_SECONDS = 5.0
"""Interval at which counts are appended to the log."""


class DropCountKeeper(Actor):
    """The actor that appends the counts of dropped events. A restart continues."""

    name = "drop_counts"

    def __init__(self, recorder: Recorder) -> None:
        """Use a recorder to append them."""
        self._recorder = recorder

    async def run(self) -> None:
        """Append forever."""
        while True:
            await trio.sleep(APPEND_SECONDS)
            await self._recorder.append_drops()
