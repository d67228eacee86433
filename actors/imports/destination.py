"""Where the events of an import go: into the log, or nowhere."""

from collections.abc import Sequence
from typing import Final

import trio

from actors.clock.wall_clock import Clock
from actors.log.log import LogFullError, WritableLog
from actors.pipeline.storing import Storing
from ingest.fold.fold import Fold
from ingest.fold.import_sessions import ImportFigures
from ingest.model.event import EnrichedEvent
from ingest.records.record import Description, EndOfSource, Record

ROOM_SECONDS: Final = 0.02
"""Interval of checks whether there is room."""


class LogDestination:
    """The log of a single process. Each method waits for as long as the store is away.

    Live events go first: past events are appended only while less than a batch waits.
    """

    def __init__(self, log: WritableLog, storing: Storing, clock: Clock) -> None:
        """Use a running pipeline.

        Args:
            log: Where events are appended.
            storing: Folds and stores them.
            clock: Gives the log's time.
        """
        self._log = log
        self._storing = storing
        self._clock = clock

    @property
    def has_room(self) -> bool:
        """Whether events can be appended at once."""
        return self._storing.has_room_for_past

    async def ready(self) -> None:
        """Wait until `figures` includes everything that earlier runs have appended."""
        await self._storing.partition.sessions.reach(self._log.end.position)

    async def append(self, events: Sequence[EnrichedEvent]) -> None:
        """Append a few events when there is room.

        Raises:
            LogError: The log cannot be trusted.
        """
        while not (self.has_room and await self._appended(events)):  # noqa: ASYNC110 - no event
            await trio.sleep(ROOM_SECONDS)

    async def _appended(self, records: Sequence[Record]) -> bool:
        """Append records if the log is not full."""
        try:
            await self._log.append(records, self._clock.seconds())
        except LogFullError:
            return False
        return True

    async def keep(self) -> None:
        """Return when everything appended survives the end of the process.

        Raises:
            LogError: It may not.
        """
        if self._log.durable:
            await self._log.sync()
        else:
            await self.store()

    async def store(self) -> None:
        """Return when the store has everything appended, and `figures` includes it."""
        await self._storing.partition.store_until(self._log.end)

    async def end(self, source: str) -> None:
        """Have the fold forget an import, when there is room.

        Raises:
            LogError: It is not appended, or may not be kept.
        """
        while not await self._appended([EndOfSource(source)]):  # noqa: ASYNC110 - no event
            await trio.sleep(ROOM_SECONDS)
        await self._log.sync()

    def figures(self, source: str) -> ImportFigures:
        """What the fold says of an import."""
        return self._storing.partition.sessions.fold.imports.figures(source)


class DryRun:
    """Stands for the log, and only counts."""

    has_room = True

    def __init__(self, session_seconds: int) -> None:
        """Start without sessions; `session_seconds` is as in `Description`."""
        self._fold = Fold(Description(session_seconds))

    async def ready(self) -> None:
        """Nothing was appended."""

    async def append(self, events: Sequence[EnrichedEvent]) -> None:
        """Count a few events."""
        for event in events:
            self._fold.take(event)
        await trio.lowlevel.checkpoint()

    async def keep(self) -> None:
        """Nothing is kept."""

    async def store(self) -> None:
        """Nothing is stored."""

    async def end(self, source: str) -> None:
        """Nothing goes on."""

    def figures(self, source: str) -> ImportFigures:
        """What was counted."""
        return self._fold.imports.figures(source)


Destination = LogDestination | DryRun
