"""Folds the log into sessions and rows."""

from collections.abc import Mapping
from typing import Protocol

import structlog
import trio

from actors.letters.letters import Letters
from actors.log.log import Log, LogError, LogPoint
from actors.pipeline import slices
from actors.pipeline.predecessor import Predecessor
from actors.pipeline.slices import copy_slowly
from actors.supervision.actor import Actor
from ingest.fold.checkpoint import FoldState
from ingest.fold.folded_run import FoldedRun
from ingest.fold.import_sessions import SavedImport
from ingest.letters.dead_letter import LogPosition
from ingest.model.event import EnrichedEvent
from ingest.model.verdict import SET_ASIDE, Verdict
from ingest.records.record import Record
from ingest.records.run import Run
from ingest.rows.layout import EventRows
from ingest.sessions.live_sessions import LiveSessions
from ingest.telemetry.logs import stack_of

log = structlog.get_logger()

RETRY_SECONDS = 1.0
"""Delay before a failed read of the log, or a letter that had no room, is retried."""


class FoldVerdicts(Protocol):
    """Receives the fold's verdicts on events, see `Verdicts`."""

    def folded(self, end: int, drops: Mapping[int, tuple[EnrichedEvent, Verdict]]) -> None:
        """The fold has reached a position."""

    def fold_reads(self) -> None:
        """The fold continues."""

    def fold_waits(self) -> None:
        """The fold has paused."""


class Sessions(Actor):
    """The actor that owns the fold of one partition of the log.

    Reads the log from its cursor, sends runs of rows to the batcher, and gives the front half the
    fold's verdict on each event. It pauses while the batcher has no room; the backlog then grows in
    the log. After a start it first folds, without sending rows, the records that the store already
    has.

    An event that cannot be folded becomes a letter named by its position. While no more letters
    fit, the fold waits at that event; nothing is skipped. A restart continues after the last run.
    """

    name = "sessions"

    def __init__(
        self,
        source: Log,
        outlet: trio.MemorySendChannel[FoldedRun],
        state: FoldState,
        verdicts: FoldVerdicts,
        letters: Letters,
        predecessor: Predecessor | None = None,
    ) -> None:
        """Own the channel half and the fold until `close`.

        Args:
            source: The log.
            outlet: Channel to the batcher.
            state: The fold at a position that the log can be read from.
            verdicts: Receives the fold's verdict on each event.
            letters: Keep events that cannot be folded.
            predecessor: Stored first; gives the initial state. None if there is none.
        """
        self._log = source
        self._outlet = outlet
        self._verdicts = verdicts
        self._letters = letters
        self._predecessor = predecessor
        self.fold = state.restore()
        self.cursor = LogPoint(state.position, state.number)
        self.problem: str | None = None
        self._set_aside: set[int] = set()
        self._silent_until = source.committed
        self._needed_until = source.prepared or source.committed
        self._run: Run | None = None
        self._next = 0
        self._rows: list[EventRows] = []
        self._drops: dict[int, tuple[EnrichedEvent, Verdict]] = {}
        self._unsent: FoldedRun | None = None
        self._resume: trio.Event | None = None
        self._at_rest = trio.Event()

    @property
    def has_begun(self) -> bool:
        """Whether the log is being folded, which starts once the predecessor is stored."""
        return self._predecessor is None

    @property
    def behind(self) -> int:
        """Number of events in the log that are not folded yet."""
        return self._log.end.number - self.cursor.number

    @property
    def restored(self) -> bool:
        """Whether the visits that were open before the start are known again."""
        return self.has_begun and self.cursor.position >= self._silent_until.position

    @property
    def backlog_before(self) -> int:
        """Number of events before the log that the store has not acknowledged."""
        return 0 if self._predecessor is None else self._predecessor.backlog

    @property
    def has_work(self) -> bool:
        """Whether there is anything to fold, and neither the batcher nor a letter lacks room."""
        if self._predecessor is not None or self._unsent is not None or self.problem is not None:
            return False
        return self._run is not None or self.behind > 0

    def status(self) -> dict[str, object]:
        """What readiness says of the fold: one that has stopped is `down`."""
        report = {"status": "ok", "restored": self.restored, "events_behind": self.behind}
        if self.problem is None:
            return report
        return {**report, "status": "down", "reason": self.problem}

    @property
    def open_sessions(self) -> LiveSessions:
        """The open sessions, to read only."""
        return self.fold.sessions

    async def reach(self, position: int) -> None:
        """Wait until all records before a position of the log are folded."""
        while self.cursor.position < position:
            await self._at_rest.wait()

    async def run(self) -> None:
        """Fold until the log is sealed and read to its end."""
        # After a restart some are already passed, which does no harm.
        self._set_aside = self._letters.set_aside_positions(self._log.id, self._log.partition)
        if self._predecessor is not None:
            self.fold = (await self._predecessor.drain()).restore()
            self._predecessor = None
        while (folded := await self.fold_next()) is not None:
            await self._send(folded)

    async def fold_next(self) -> FoldedRun | None:
        """Fold the log's next run. Records that the store already has give no rows.

        Returns:
            Its rows, the same until `sent` is called. None if the log is sealed and read to its
            end.
        """
        while self._unsent is None:
            if self._run is None:
                run = await self._read()
                while self._resume is not None:
                    await self._resume.wait()
                if run is None:
                    end = self._log.end
                    if self.cursor.position >= end.position:
                        return None
                    # Its last records are missing.
                    run = Run(0, *end, self.fold.log_time, ())
                await self._begin(run)
            self._unsent = await self._fold_run()
        return self._unsent

    def sent(self) -> None:
        """Release the run that `fold_next` has returned, because the batcher has it."""
        self._unsent = None

    async def _read(self) -> Run | None:
        if self.cursor.position >= self._log.end.position:
            self._verdicts.fold_reads()
        while True:
            try:
                run = await self._log.read(self.cursor.position)
                self.problem = None
                return run
            except LogError as error:
                self._verdicts.fold_waits()
                problem = f"the log cannot be read: {error}"
                if problem != self.problem:
                    log.error("log cannot be read", error=str(error))
                self.problem = problem
                await trio.sleep(RETRY_SECONDS)

    async def _begin(self, run: Run) -> None:
        if self.cursor.position < min(run.first, self._needed_until.position):
            log.error("open sessions do not fit the log, they begin anew", position=run.first)
            self.fold.begin_anew()
        self._run, self._next = run, 0
        self._rows, self._drops = [], {}
        for _ in self.fold.begin_in_slices(run.log_time):
            await trio.lowlevel.checkpoint()

    async def _fold_run(self) -> FoldedRun | None:
        """Fold the run, starting at the record where an earlier call stopped.

        Returns:
            Its rows; None if the store has them.
        """
        run = self._run
        assert run is not None  # noqa: S101 - `run` has begun it
        records = run.records
        while self._next < len(records):
            record, position = records[self._next], run.first + self._next
            error = self._take(record, position)
            if error is not None and position < self._silent_until.position:
                self._take_again(record, position)
            elif error is not None:
                await self._set_aside_record(record, position, error)
            self._next += 1
        # No trio checkpoint from here to the end, so cursor and fold change together.
        counters = self.fold.take_counters()
        self.cursor = run.end_point
        self._run = None
        self.progress += 1
        self._at_rest.set()
        self._at_rest = trio.Event()
        if self.cursor.position <= self._silent_until.position:
            return None
        self._verdicts.folded(self.cursor.position, self._drops)
        start = LogPoint(run.first, run.number)
        return FoldedRun(start, self.cursor, self._rows, counters)

    def _take(self, record: Record, position: int) -> Exception | None:
        """Fold one record.

        Returns:
            Why it could not be folded; the fold is then unchanged.
        """
        if position in self._set_aside:
            self._set_aside.discard(position)
            self.fold.pass_over(record)
            return None
        try:
            outcome = self.fold.take(record)
        except Exception as error:
            return error
        if type(outcome) is EventRows:
            self._rows.append(outcome)
        elif type(outcome) is Verdict and type(record) is EnrichedEvent:
            self._drops[position] = record, outcome
        return None

    def _take_again(self, record: Record, position: int) -> None:
        """Fold a record that the store has, after a failure.

        It becomes no letter, because the letter would store it twice. If it fails again, its
        session goes on without it.
        """
        error = self._take(record, position)
        if error is not None:
            log.error(
                "stored record cannot be folded again, its session goes on without it",
                position=position,
                error=type(error).__name__,
                stack=stack_of(error),
            )
            self.fold.pass_over(record)

    async def _set_aside_record(self, record: Record, position: int, error: Exception) -> None:
        """Turn a record into a letter; wait until it is on disk."""
        log.error(
            "record cannot be folded",
            position=position,
            error=type(error).__name__,
            stack=stack_of(error),
        )
        if type(record) is not EnrichedEvent:
            return
        while not await self._keep(record, position, error):
            self._verdicts.fold_waits()
            self.problem = "an event that cannot be folded waits for room for its dead letter"
            await trio.sleep(RETRY_SECONDS)
        self.problem = None
        self.fold.pass_over(record)
        self._drops[position] = record, SET_ASIDE

    async def _keep(self, event: EnrichedEvent, position: int, error: Exception) -> bool:
        """Turn an event into a letter.

        Returns:
            Whether it is on the disk.
        """
        # The letter's name is the position. If a power failure took the record and left the
        # letter, the next event at this position would be passed over.
        try:
            await self._log.sync()
        except LogError:
            return False
        outcome: list[bool] = []
        at = LogPosition(self._log.id, self._log.partition, position)
        kept = self._letters.keep(self.name, event, error, position=at, told=outcome.append)
        if kept:
            await self._letters.written()
        return outcome == [True]

    async def _send(self, folded: FoldedRun) -> None:
        try:
            self._outlet.send_nowait(folded)
        except trio.WouldBlock:
            self._verdicts.fold_waits()
            await self._outlet.send(folded)
        self.sent()

    async def freeze(self) -> FoldState:
        """The fold's state at the cursor. The fold pauses while references are copied.

        If this takes more than a slice, nobody waits for the fold meanwhile.
        """
        while self._run is not None:
            await self._at_rest.wait()
        resume = self._resume = trio.Event()
        fold = self.fold
        if len(fold.sessions) > slices.COPIED_TOGETHER:
            self._verdicts.fold_waits()
        try:
            return FoldState(
                self._log.id,
                self.cursor.position,
                self.cursor.number,
                fold.log_time,
                fold.description,
                await copy_slowly(fold.sessions),
                await copy_slowly(fold.past),
                await copy_slowly(fold.sources),
                [
                    SavedImport(name, each.touched, each.figures, await copy_slowly(each.open))
                    for name, each in fold.imports
                ],
            )
        finally:
            self._resume = None
            resume.set()

    def close(self) -> None:
        """Close the channel half, so that the batcher finishes its work and ends."""
        self._verdicts.fold_waits()
        self._outlet.close()
