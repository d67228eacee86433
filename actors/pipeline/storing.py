"""The back half of a single process: folds its log into rows and stores them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog
import trio

from actors.clock.wall_clock import Clock
from actors.letters.dead_letters import DeadLetters
from actors.log.checkpoints import Checkpoints
from actors.log.log import Log
from actors.pipeline.back_half import BackHalf
from actors.pipeline.flush import Flush
from actors.pipeline.partition import Partition
from actors.pipeline.predecessor import PredecessorFactory
from actors.pipeline.sessions import FoldVerdicts
from actors.pipeline.writer import Writer
from actors.stores.store import Store
from actors.supervision.actor import Actor
from actors.supervision.traces import Tracing
from ingest.fold.checkpoint import FoldState
from ingest.sessions.live_sessions import LiveSessions
from ingest.telemetry.metrics import Metrics

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class FlushLimits:
    """When a batch is flushed.

    Attributes:
        rows: Events that make a flush due.
        seconds: Age of the oldest event that makes a flush due.
    """

    rows: int = 10_000
    seconds: float = 5.0


class Storing(BackHalf):
    """The fold of the log, and the writer.

    Attributes:
        partition: The fold and the batcher.
        writer: Stores batches.
    """

    def __init__(
        self,
        source: Log,
        state: FoldState,
        store: Store,
        clock: Clock,
        verdicts: FoldVerdicts,
        letters: DeadLetters,
        metrics: Metrics,
        limits: FlushLimits | None = None,
        *,
        checkpoints: Checkpoints | None = None,
        predecessor: PredecessorFactory | None = None,
        store_opened: bool = True,
        tracing: Tracing | None = None,
    ) -> None:
        """Build the actors without starting them.

        Args:
            source: The log.
            state: The fold at a position that the log can be read from.
            store: Where rows go; closed by the caller.
            clock: The pipeline's time.
            verdicts: Receive the fold's verdict on each event.
            letters: Keep what cannot be folded or stored.
            metrics: Count batches and inserts.
            limits: When a batch is flushed.
            checkpoints: Where checkpoints are saved; None for a log in memory.
            predecessor: Creates the predecessor, whose events are stored before the log's.
            store_opened: Whether the store is open; otherwise the writer opens it.
            tracing: Receives inserts; None to disable tracing.
        """
        limits = limits or FlushLimits()
        self._flush_rows = limits.rows
        # No buffer: a flush is sent when the writer is free, and grows until then.
        to_writer, writer_inbox = trio.open_memory_channel[Flush](0)
        self._to_writer = to_writer
        self._letters = letters
        self._clock = clock
        self.partition = Partition(
            source,
            state,
            to_writer.clone(),
            verdicts,
            letters,
            metrics,
            flush_rows=limits.rows,
            flush_seconds=limits.seconds,
            checkpoints=checkpoints,
            predecessor=(
                None if predecessor is None else predecessor(to_writer.clone(), metrics, letters)
            ),
        )
        self.writer = Writer(
            writer_inbox, store, letters, metrics, opened=store_opened, tracing=tracing
        )
        self.stages: Sequence[Actor] = (*self.partition.actors, self.writer)
        keeper = self.partition.keeper
        self.keepers: Sequence[Actor] = () if keeper is None else (keeper,)
        figures: tuple[Callable[[], dict[str, float]], ...] = (
            self.figures,
            self.partition.figures,
            self.writer.figures,
        )
        for part in figures:
            metrics.show(part)

    @property
    def backlog(self) -> int:
        """See `BackHalf.backlog`: events that the store has not acknowledged."""
        return self.partition.backlog

    @property
    def has_room_for_past(self) -> bool:
        """Whether less than a batch of events waits, so that past events may be appended, too."""
        return self.partition.waiting < self._flush_rows

    @property
    def open_sessions(self) -> LiveSessions:
        """See `BackHalf.open_sessions`."""
        return self.partition.open_sessions

    def outlet(self) -> trio.MemorySendChannel[Flush]:
        """See `BackHalf.outlet`."""
        return self._to_writer.clone()

    def close(self) -> None:
        """See `BackHalf.close`."""
        self._to_writer.close()

    async def leave_rest(self) -> None:
        """See `BackHalf.leave_rest`: rows become letters, open sessions a checkpoint."""
        rows = self.writer.spill(await self.partition.take_rest())
        if rows:
            log.error("rows kept on disk for the next start", rows=rows)
        await self._letters.written()
        await self.partition.save()
        await self.partition.save_sessions()

    def status(self) -> dict[str, dict[str, object]]:
        """See `BackHalf.status`."""
        rows_waiting = self.partition.gathered + self.writer.pending
        return {
            "store": {**self.writer.status(), "rows_waiting": rows_waiting},
            "journal": self.partition.status(),
            "sessions": self.partition.sessions.status(),
        }

    def figures(self) -> dict[str, float]:
        """See `BackHalf.figures`."""
        return {"sluice_sessions_open": self.partition.open_sessions.count(self._clock.seconds())}
