"""Syncs the log each second, saves checkpoints, and deletes the records before them."""

import math
from dataclasses import dataclass
from typing import Final

import structlog
import trio

from actors.files.atomic import is_full
from actors.letters.letters import Letters
from actors.log.checkpoints import Checkpoints
from actors.log.log import Log, LogError, LogPoint
from actors.pipeline.batcher import Batcher
from actors.pipeline.sessions import Sessions
from actors.pipeline.slices import Slices, free_slowly
from actors.supervision.actor import Actor
from ingest.fold.checkpoint import FoldState
from ingest.telemetry.metrics import Metrics

log = structlog.get_logger()

BEAT_SECONDS = 1.0
"""Interval of syncs with `interval`; a power failure may lose this much."""

LOOKS: Final = 60
"""How often it is looked during the interval of checkpoints whether one is due."""

FULL_SECONDS = 30.0
"""How long the disk must have been full before stored records are deleted without a checkpoint."""

CHECKPOINT_SECONDS = 60.0
"""Interval of checkpoints, after which the log before them can be deleted."""


@dataclass(frozen=True, slots=True)
class Interval:
    """When checkpoints are saved.

    Attributes:
        first: Seconds until the first one.
        busy: Seconds between two while records arrive.
        idle: Seconds after which one is saved again although no record has arrived, because what
            keeps it deletes it at some age.
    """

    first: float
    busy: float
    idle: float = math.inf


class LogKeeper(Actor):
    """The actor that syncs a log and saves its checkpoints.

    Receives and sends nothing. Each second it syncs the appended records, if the log needs it. Each
    minute, or sooner if the log is half full or cannot be written, it saves a checkpoint and
    deletes the records before it. A checkpoint is a barrier: the batcher ends a batch there, and
    the checkpoint is valid once the store has that batch. A restart continues.
    """

    name = "log"

    def __init__(
        self,
        source: Log,
        sessions: Sessions,
        batcher: Batcher,
        checkpoints: Checkpoints,
        letters: Letters,
        metrics: Metrics,
        interval: Interval | None = None,
    ) -> None:
        """Create the keeper.

        Args:
            source: The log.
            sessions: The fold to save.
            batcher: Ends a batch at each checkpoint.
            checkpoints: Where they are saved.
            letters: Their marks are deleted once a checkpoint has passed them.
            metrics: Receive the duration of syncs.
            interval: When checkpoints are saved; every minute by default.
        """
        self._log = source
        self._sessions = sessions
        self._batcher = batcher
        self._checkpoints = checkpoints
        self._letters = letters
        self._metrics = metrics
        self._interval = interval or Interval(CHECKPOINT_SECONDS, CHECKPOINT_SECONDS)
        self._saved_at = trio.current_time()
        self._due_at = self._saved_at + self._interval.first
        self._saved_position = -1
        self._full_since = math.inf

    async def run(self) -> None:
        """Sync and save forever."""
        async with trio.open_nursery() as nursery:
            if self._log.needs_sync:
                nursery.start_soon(self._sync_for_ever)
            nursery.start_soon(self._save_for_ever)

    async def _sync_for_ever(self) -> None:
        while True:
            await trio.sleep(BEAT_SECONDS)
            started = trio.current_time()
            try:
                await self._log.sync()
            except LogError as error:
                log.error("log cannot be synced", error=str(error))
            self._metrics.journal_sync_seconds.observe(trio.current_time() - started)

    async def _save_for_ever(self) -> None:
        while True:
            await trio.sleep(self._interval.busy / LOOKS)
            if self._is_due():
                await self.save_checkpoint()

    def _is_due(self) -> bool:
        if not self._sessions.has_begun:
            return False
        if self._saved_position == self._log.end.position:
            return trio.current_time() >= self._saved_at + self._interval.idle
        wanted = self._log.wants_room or self._log.problem is not None
        if wanted and self._log.reclaimable:
            return True
        return trio.current_time() >= self._due_at

    async def save_checkpoint(self) -> None:
        """Save the fold at a position that the store has reached, then release earlier records.

        Waits for the store if it is behind.
        """
        self._saved_at = trio.current_time()
        self._due_at = self._saved_at + self._interval.busy
        state = await self._sessions.freeze()
        await self._save(state)
        for copied in (state.sessions, state.past):
            if isinstance(copied, Slices):
                await free_slowly(copied)

    async def _save(self, state: FoldState) -> None:
        try:
            with await self._checkpoints.write(state) as checkpoint:
                await self._batcher.cut_at(LogPoint(state.position, state.number))
                await checkpoint.publish()
        except (OSError, LogError, trio.TooSlowError) as error:
            log.error("checkpoint cannot be saved", error=str(error) or "the disk hangs")
            if isinstance(error, OSError) and is_full(error):
                self._make_room()
            return
        self._saved_position = state.position
        self._full_since = math.inf
        self._letters.forget_marks(self._log.id, self._log.partition, state.position)
        self._log.retire(state.position)

    def _make_room(self) -> None:
        """Delete stored records without a checkpoint of the sessions after them.

        Otherwise a log that has filled the disk could never shrink. The old checkpoint is deleted
        first: after a crash in between, open sessions would be split, but none would continue from
        an outdated state. This is only done after the disk has been full for a while, because
        operators usually free space first.
        """
        now = trio.current_time()
        self._full_since = min(self._full_since, now)
        if self._log.reclaimable and now >= self._full_since + FULL_SECONDS:
            log.warning("disk is full, deleting stored events before a checkpoint is saved")
            self._checkpoints.forget()
            self._saved_position = -1
            self._log.retire(self._log.committed.position)
