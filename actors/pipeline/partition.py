"""The actors that fold one partition of the log into batches."""

from collections.abc import Sequence

import structlog
import trio
from msgspec.structs import replace

from actors.keepers.log_keeper import Interval, LogKeeper
from actors.letters.letters import Letters
from actors.log.checkpoints import Checkpoints
from actors.log.log import Log, LogPoint
from actors.pipeline.batcher import Batcher
from actors.pipeline.flush import Flush
from actors.pipeline.predecessor import Predecessor
from actors.pipeline.sessions import FoldVerdicts, Sessions
from actors.supervision.actor import Actor
from ingest.fold.checkpoint import FoldState
from ingest.fold.folded_run import FoldedRun
from ingest.sessions.live_sessions import LiveSessions
from ingest.telemetry.metrics import Metrics

log = structlog.get_logger()

NO_LOG = "memory"
"""Stands for the log's id in a checkpoint of sessions whose log ended with its process."""

RUNS = 8
"""Folded runs that may wait between the fold and the batcher."""

REST_SECONDS = 1.0
"""How long a shutdown may fold remaining records; the fold may wait for room for a letter."""


class Partition:
    """The actors of one partition.

    Attributes:
        log: The log.
        sessions: The fold.
        batcher: Groups its rows into batches.
        keeper: Syncs the log and saves checkpoints; None for a log in memory, whose sessions are
            saved only at a clean end.
    """

    def __init__(
        self,
        source: Log,
        state: FoldState,
        outlet: trio.MemorySendChannel[Flush],
        verdicts: FoldVerdicts,
        letters: Letters,
        metrics: Metrics,
        *,
        flush_rows: int,
        flush_seconds: float,
        checkpoints: Checkpoints | None = None,
        predecessor: Predecessor | None = None,
        interval: Interval | None = None,
    ) -> None:
        """Build the actors without starting them.

        Args:
            source: The log.
            state: The fold at a position that the log can be read from.
            outlet: Channel to the writer; closed with the batcher.
            verdicts: Receives the fold's verdict on each event.
            letters: Keep events that cannot be folded.
            metrics: Where batches are counted.
            flush_rows: Events that make a flush due.
            flush_seconds: Age of the oldest event that makes a flush due.
            checkpoints: Where checkpoints are saved; None to save none.
            predecessor: Events that must be stored before the log's; None if there are none.
            interval: When checkpoints are saved; every minute by default.
        """
        to_batcher, inbox = trio.open_memory_channel[FoldedRun](RUNS)
        self.log = source
        self.sessions = Sessions(source, to_batcher, state, verdicts, letters, predecessor)
        self.batcher = Batcher(
            inbox, outlet, source, metrics, flush_rows=flush_rows, flush_seconds=flush_seconds
        )
        self._checkpoints = checkpoints
        self.keeper = (
            LogKeeper(source, self.sessions, self.batcher, checkpoints, letters, metrics, interval)
            if checkpoints is not None and source.durable
            else None
        )

    @property
    def actors(self) -> Sequence[Actor]:
        """The stages, in the order of the flow."""
        return self.sessions, self.batcher

    @property
    def backlog(self) -> int:
        """Number of accepted events, also before the log, that the store has not acknowledged."""
        return self.log.backlog + self.sessions.backlog_before

    @property
    def gathered(self) -> int:
        """Events that wait in memory for the next flush."""
        return self.batcher.gathered

    @property
    def waiting(self) -> int:
        """Number of events in the log that are in no batch on its way to the store."""
        return self.sessions.behind + self.batcher.gathered

    async def store_until(self, point: LogPoint) -> None:
        """Wait until the store has everything before a point, without waiting for a full batch."""
        await self.sessions.reach(point.position)
        await self.batcher.cut_at(point)

    @property
    def open_sessions(self) -> LiveSessions:
        """The sessions that may go on, to look at."""
        return self.sessions.open_sessions

    def status(self) -> dict[str, object]:
        """The readiness report on the log and its predecessor."""
        return {**self.log.status(), "backlog_events": self.backlog}

    def figures(self) -> dict[str, float]:
        """Gauges of the partition and the log by their names in `/metrics`."""
        return {
            **self.log.figures(),
            "sluice_journal_backlog_events": self.backlog,
            "sluice_rows_gathered": self.gathered,
        }

    async def take_rest(self) -> list[Flush]:
        """The remaining events of a sealed log in memory, as flushes."""
        if self.log.durable:
            return []
        flushes = self.batcher.take_rest()
        with trio.move_on_after(REST_SECONDS) as folding:
            while (folded := await self.sessions.fold_next()) is not None:
                self.batcher.take_in(folded)
                self.sessions.sent()
        if folding.cancelled_caught:
            log.critical("events are lost with the log", events=self.sessions.behind)
        return [*flushes, *self.batcher.take_rest()]

    async def save(self) -> None:
        """Save a last checkpoint if the store has all folded rows. Never raises."""
        if self.keeper is None:
            return
        if not self.sessions.has_begun:
            log.info("events are left for the next start", events=self.backlog)
            return
        if self.log.committed.position < self.sessions.cursor.position:
            log.info("events are left in the log for the next start", events=self.log.backlog)
            return
        await self.keeper.save_checkpoint()

    async def save_sessions(self) -> None:
        """Save the sessions of a log that ends with the process, for the next one. Never raises.

        What the store has not taken of them is in letters by now.
        """
        if self._checkpoints is None or self.log.durable or not self.sessions.has_begun:
            return
        state = replace(await self.sessions.freeze(), log_id=NO_LOG, position=0, number=0)
        try:
            with await self._checkpoints.write(state) as checkpoint:
                await checkpoint.publish()
        except (OSError, trio.TooSlowError) as error:
            log.error("open sessions are not saved", error=str(error) or "the disk hangs")
