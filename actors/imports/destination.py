"""Where the events of an import go: into the log, or nowhere."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Final

import trio

from actors.clock.wall_clock import Clock
from actors.log.log import LogFullError, WritableLog
from actors.pipeline.storing import Storing
from ingest.fold.fold import Fold
from ingest.fold.import_sessions import NO_FIGURES, ImportFigures
from ingest.model.event import EnrichedEvent
from ingest.records.record import Description, EndOfSource, Record

ROOM_SECONDS: Final = 0.02
"""Interval of checks whether there is room."""


class Destination(ABC):
    """Takes the events of an import. Each method waits for as long as what is behind it is away.

    Attributes:
        note: What the operator is told at the end, if the events are stored by other processes.
            These alone know `figures`.
    """

    note: str | None = None

    @property
    @abstractmethod
    def has_room(self) -> bool:
        """Whether events can be appended at once."""

    @property
    def waits(self) -> bool:
        """Whether the import waits for what is behind the destination."""
        return not self.has_room

    @abstractmethod
    async def ready(self) -> None:
        """Wait until `figures` includes everything that earlier runs have appended."""

    @abstractmethod
    async def append(self, events: Sequence[EnrichedEvent]) -> None:
        """Append a few events when there is room.

        Raises:
            LogError: The log cannot be trusted.
        """

    @abstractmethod
    async def keep(self) -> None:
        """Return when everything appended survives the end of the process.

        Raises:
            LogError: It may not.
        """

    @abstractmethod
    async def store(self) -> None:
        """Return when the store has everything appended, and `figures` includes it.

        If other processes store the events: when these can no longer miss them.
        """

    @abstractmethod
    async def end(self, source: str, number: int) -> None:
        """Have the fold forget the sessions of an import, when there is room.

        Args:
            source: The import's name as a source.
            number: As in `EndOfSource`.

        Raises:
            LogError: It is not appended, or may not be kept.
        """

    def figures(self, source: str) -> ImportFigures:
        """What the fold says of an import."""
        return NO_FIGURES


class LogDestination(Destination):
    """A log. Live events go first: there is room for past events while little waits behind it."""

    def __init__(self, log: WritableLog, clock: Clock) -> None:
        """Append to a log.

        Args:
            log: Where events are appended.
            clock: Gives the log's time.
        """
        self._log = log
        self._clock = clock

    async def append(self, events: Sequence[EnrichedEvent]) -> None:
        """See `Destination.append`."""
        while not (self.has_room and await self._appended(events)):  # noqa: ASYNC110 - no event
            await trio.sleep(ROOM_SECONDS)

    async def end(self, source: str, number: int) -> None:
        """See `Destination.end`."""
        record = EndOfSource(source, number)
        while not await self._appended([record]):  # noqa: ASYNC110 - no event
            await trio.sleep(ROOM_SECONDS)
        await self.keep()

    async def _appended(self, records: Sequence[Record]) -> bool:
        """Append records if the log is not full."""
        try:
            await self._log.append(records, self._clock.seconds())
        except LogFullError:
            return False
        return True


class StoringDestination(LogDestination):
    """The log of a single process. There is room while less than a batch waits for the store."""

    def __init__(self, log: WritableLog, storing: Storing, clock: Clock) -> None:
        """Use a running pipeline.

        Args:
            log: Where events are appended.
            storing: Folds and stores them.
            clock: Gives the log's time.
        """
        super().__init__(log, clock)
        self._storing = storing

    @property
    def has_room(self) -> bool:
        """See `Destination.has_room`."""
        return self._storing.has_room_for_past

    async def ready(self) -> None:
        """See `Destination.ready`."""
        await self._storing.partition.sessions.reach(self._log.end.position)

    async def keep(self) -> None:
        """See `Destination.keep`."""
        if self._log.durable:
            await self._log.sync()
        else:
            await self.store()

    async def store(self) -> None:
        """See `Destination.store`."""
        await self._storing.partition.store_until(self._log.end)

    def figures(self, source: str) -> ImportFigures:
        """See `Destination.figures`."""
        return self._storing.partition.sessions.fold.imports.figures(source)


class DryRun(Destination):
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

    async def end(self, source: str, number: int) -> None:
        """Nothing goes on."""

    def figures(self, source: str) -> ImportFigures:
        """What was counted."""
        return self._fold.imports.figures(source)
