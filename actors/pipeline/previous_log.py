"""Stores the remaining events of a log that is no longer used."""

from collections.abc import Callable, Mapping

import structlog
import trio

from actors.letters.dead_letters import DeadLetters
from actors.log.log import Log
from actors.pipeline.flush import Flush
from actors.pipeline.partition import Partition
from actors.pipeline.predecessor import Predecessor
from actors.supervision.actor import Actor
from ingest.fold.checkpoint import FoldState
from ingest.model.event import EnrichedEvent
from ingest.model.verdict import Verdict
from ingest.telemetry.metrics import Metrics

log = structlog.get_logger()


class _NobodyWaits:
    """Ignores the fold's verdicts, because no request waits for these events."""

    def folded(self, end: int, drops: Mapping[int, tuple[EnrichedEvent, Verdict]]) -> None:
        """Do nothing."""

    def fold_reads(self) -> None:
        """Nothing is appended."""

    def fold_waits(self) -> None:
        """Nothing is appended."""


class PreviousLog:
    """The predecessor of a log that replaces another one: it folds the other log to its end."""

    def __init__(
        self,
        source: Log,
        state: FoldState,
        outlet: trio.MemorySendChannel[Flush],
        letters: DeadLetters,
        metrics: Metrics,
        *,
        flush_rows: int,
        flush_seconds: float,
        predecessor: Predecessor | None,
        remove: Callable[[], None],
    ) -> None:
        """Own the log and the channel half.

        Args:
            source: The old log; it is sealed.
            state: The fold at a position that the log can be read from.
            outlet: Channel to the writer.
            letters: Keep events that cannot be folded.
            metrics: Where batches are counted.
            flush_rows: Events that make a flush due.
            flush_seconds: Age of the oldest event that makes a flush due.
            predecessor: Events that must be stored before it; None if there are none.
            remove: Deletes the log's files, once the store has everything.
        """
        self._log = source
        self._remove = remove
        self._partition = Partition(
            source,
            state,
            outlet,
            _NobodyWaits(),
            letters,
            metrics,
            flush_rows=flush_rows,
            flush_seconds=flush_seconds,
            predecessor=predecessor,
        )

    @property
    def backlog(self) -> int:
        """See `Predecessor.backlog`."""
        return self._partition.backlog

    async def drain(self) -> FoldState:
        """See `Predecessor.drain`."""
        log.info("storing what the log on disk holds", events=self._log.backlog)
        async with trio.open_nursery() as nursery:
            for actor in self._partition.actors:
                nursery.start_soon(self._run, actor)
        state = await self._partition.sessions.freeze()
        self._remove()
        return state

    async def _run(self, actor: Actor) -> None:
        await actor.run()
        actor.close()
