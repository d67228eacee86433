"""Opens the log, and takes over the events that an earlier process left in another format."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import structlog
import trio
from msgspec.structs import replace

from actors.clock.wall_clock import Clock
from actors.letters.dead_letters import DeadLetters
from actors.letters.letter_directory import LetterDirectory
from actors.log.checkpoint_file import CheckpointFile
from actors.log.file_log import FileLog
from actors.log.log import Log, LogPoint, WritableLog
from actors.log.memory_log import MemoryLog
from actors.log.old_journal import OldJournal
from actors.log.opening import has_log
from actors.pipeline.batcher import ROOM
from actors.pipeline.flush import Flush
from actors.pipeline.journal_upgrade import (
    JournalUpgrade,
    load_snapshot,
    settle_letters,
    state_of,
)
from actors.pipeline.partition import NO_LOG
from actors.pipeline.predecessor import PredecessorFactory
from actors.pipeline.previous_log import PreviousLog
from ingest.fold.checkpoint import FoldState
from ingest.records.record import Description
from ingest.server.state_files import StateFiles
from ingest.settings import Settings
from ingest.telemetry.metrics import Metrics

log = structlog.get_logger()

UNCOMMITTED_EVENTS = 1_024
"""Number of events that a log in memory takes beyond the batcher's room."""


class DurabilityError(Exception):
    """Data of an earlier process cannot be used; the message is for the operator."""


@dataclass(frozen=True, slots=True)
class KeptEvents:
    """The log, and the state of its fold.

    Attributes:
        log: Takes new events.
        state: The fold's state at a position from which the log can be read.
        checkpoints: The checkpoint's file. If the log is in memory, open sessions are saved there
            at a clean shutdown.
        predecessor: Creates the predecessor, whose events are stored before the log's; None if
            there is none.
    """

    log: WritableLog
    state: FoldState
    checkpoints: CheckpointFile
    predecessor: PredecessorFactory | None


@contextlib.contextmanager
def open_kept_events(settings: Settings, files: StateFiles, clock: Clock) -> Iterator[KeptEvents]:
    """Open the configured log, and close it at the end.

    Args:
        settings: The server's settings.
        files: The paths of the log and its checkpoint.
        clock: The pipeline's clock.

    Raises:
        DurabilityError: Data of an earlier process cannot be used.
        OSError: A file cannot be used.
    """
    with contextlib.ExitStack() as stack:
        try:
            kept = _open(settings, files, clock, stack)
        except ValueError as error:
            raise DurabilityError(
                f"the journal in {files.journal} cannot be used: {error}"
            ) from None
        if kept.log.backlog:
            log.info("the log has events to be stored", events=kept.log.backlog)
        yield kept


def _open(
    settings: Settings,
    files: StateFiles,
    clock: Clock,
    stack: contextlib.ExitStack,
) -> KeptEvents:
    description = Description(settings.session_minutes * 60)
    in_memory = settings.durability == "memory"
    checkpoints = CheckpointFile(files.checkpoint)
    checkpoint = checkpoints.load()
    journal = OldJournal.open(files.journal)
    if journal is not None:
        stack.callback(journal.close)
        if (
            checkpoint is not None
            and checkpoint.log_id == journal.id
            and checkpoint.position >= journal.end
        ):
            # Only the last step of the upgrade is missing.
            files.sessions.unlink(missing_ok=True)
            journal.remove()
            journal = None
    on_disk = not in_memory or has_log(files.journal)
    state: FoldState | None = None
    upgrade: PredecessorFactory | None = None
    lost = 0
    if journal is not None:
        lost = journal.lost
        settle_letters(journal, LetterDirectory(files.dead_letters))
        state = state_of(journal, load_snapshot(files.sessions), description)
        upgrade = _upgrade(journal, state, settings, checkpoints if on_disk else None, files)
    if not on_disk:
        return _memory(settings, description, clock, checkpoints, checkpoint, upgrade, lost)
    file_log = FileLog.open(
        files.journal,
        description=description,
        limit_bytes=settings.journal_megabytes * 1_000_000,
        fsync=settings.journal_fsync,
        log_time=clock.seconds(),
        start=None if journal is None else LogPoint(journal.end, journal.end),
    )
    stack.callback(file_log.close)
    file_log.lost += lost
    if files.cluster.exists():
        state = _leave_cluster(file_log, files, checkpoints, description)
    if state is None:
        state = fitting_state(file_log, checkpoint, description)
    if not in_memory:
        return KeptEvents(file_log, state, checkpoints, upgrade)
    file_log.seal()
    previous = _previous(file_log, state, settings, files, upgrade)
    return _memory(settings, description, clock, checkpoints, None, previous, file_log.lost)


def _leave_cluster(
    outbox: FileLog, files: StateFiles, checkpoints: CheckpointFile, description: Description
) -> FoldState:
    """Begin to fold the log of a front, whose events other processes have folded so far.

    Raises:
        DurabilityError: Kafka does not have all of its events.
        OSError: The new state cannot be saved.
    """
    if outbox.backlog:
        raise DurabilityError(
            f"{files.journal} has {outbox.backlog} events of a front that Kafka does not have yet; "
            "run `sluice serve --role front` until they are forwarded"
        )
    # Sessions would be those of this front's events alone, and so contradict those in the store.
    state = FoldState(outbox.id, *outbox.committed, 0, description, (), (), ())
    checkpoints.save(state)
    files.cluster.unlink()
    log.warning("this directory was a front's; open sessions begin anew")
    return state


def fitting_state(source: Log, checkpoint: FoldState | None, description: Description) -> FoldState:
    """Return the initial state of the fold: the checkpoint, if the log continues from it.

    Otherwise the fold starts at the log's beginning, or after the committed records if the log has
    lost its beginning. Sessions that continued from a state other than the store's would cancel
    rows that do not exist.

    Args:
        source: The log.
        checkpoint: The last checkpoint; None if there is none.
        description: Applies until the log has another one.
    """
    begin = LogPoint(0, 0) if source.first == 0 else source.committed
    first = FoldState(source.id, *begin, 0, description, (), (), ())
    if checkpoint is None or checkpoint.log_id != source.id:
        if source.first > 0:
            log.error("no checkpoint fits the log, open sessions begin anew")
        return first
    if not source.first <= checkpoint.position <= source.end.position:
        log.error("open sessions do not fit the log, they begin anew", position=checkpoint.position)
        return replace(first, log_time=checkpoint.log_time, sources=checkpoint.sources)
    if checkpoint.position > source.committed.position:
        # The log's note was lost. The store has all records before a valid checkpoint.
        source.committed = LogPoint(checkpoint.position, checkpoint.number)
        source.prepared = None
    return checkpoint


def _memory(
    settings: Settings,
    description: Description,
    clock: Clock,
    checkpoints: CheckpointFile,
    checkpoint: FoldState | None,
    predecessor: PredecessorFactory | None,
    lost: int,
) -> KeptEvents:
    in_memory = MemoryLog(
        description,
        limit_events=ROOM * settings.flush_rows + UNCOMMITTED_EVENTS,
        log_time=clock.seconds(),
    )
    in_memory.lost = lost
    state = FoldState(in_memory.id, in_memory.first, 0, 0, description, (), (), ())
    if checkpoint is not None and checkpoint.log_id == NO_LOG:
        state = replace(checkpoint, log_id=state.log_id, position=state.position)
        # If this process is killed, the checkpoint would be outdated: its sessions continue here.
        checkpoints.forget()
    return KeptEvents(in_memory, state, checkpoints, predecessor)


def _upgrade(
    journal: OldJournal,
    state: FoldState,
    settings: Settings,
    checkpoints: CheckpointFile | None,
    files: StateFiles,
) -> PredecessorFactory:
    def make(
        outlet: trio.MemorySendChannel[Flush], metrics: Metrics, letters: DeadLetters
    ) -> JournalUpgrade:
        return JournalUpgrade(
            journal, state, outlet, settings.flush_rows, checkpoints, files.sessions
        )

    return make


def _previous(
    on_disk: FileLog,
    state: FoldState,
    settings: Settings,
    files: StateFiles,
    upgrade: PredecessorFactory | None,
) -> PredecessorFactory:
    def remove() -> None:
        on_disk.remove()
        files.checkpoint.unlink(missing_ok=True)

    def make(
        outlet: trio.MemorySendChannel[Flush], metrics: Metrics, letters: DeadLetters
    ) -> PreviousLog:
        return PreviousLog(
            on_disk,
            state,
            outlet,
            letters,
            metrics,
            flush_rows=settings.flush_rows,
            flush_seconds=settings.flush_seconds,
            predecessor=None if upgrade is None else upgrade(outlet.clone(), metrics, letters),
            remove=remove,
        )

    return make
