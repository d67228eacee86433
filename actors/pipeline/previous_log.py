"""Has the store take what a log holds that is not used any longer."""

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
    """Stands for the verdicts: no request waits for these events any more."""

    def folded(self, end: int, drops: Mapping[int, tuple[EnrichedEvent, Verdict]]) -> None:
        """Answer nobody."""

    def fold_reads(self) -> None:
        """Nothing is appended."""

    def fold_waits(self) -> None:
        """Nothing is appended."""


class PreviousLog:
    """The predecessor of a log that takes another's place: it folds that one to its end."""

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
            source: The log; it takes no more records.
            state: The fold at a position that the log can be read from.
            outlet: To the writer.
            letters: Take events that cannot be folded.
            metrics: Where batches are counted.
            flush_rows: Events that make a flush due.
            flush_seconds: Age of the oldest event that makes a flush due.
            predecessor: What has to be stored before it; None when there is nothing.
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
