"""Puts the actors together, starts them and drains them."""

import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog
import trio

from actors.clock.wall_clock import Clock
from actors.journal.file_journal import FileJournal
from actors.journal.journal import Journal
from actors.journal.journal_keeper import JournalKeeper
from actors.journal.session_file import SessionFile
from actors.keepers.counter_keeper import Tally
from actors.keepers.heartbeat import Heartbeat
from actors.keepers.redrive import Redrive
from actors.keepers.request_timeouts import Patience
from actors.keepers.watchdog import Watchdog
from actors.letters.dead_letters import DeadLetters
from actors.letters.letter_writer import LetterWriter
from actors.observation.broadcast import Broadcast
from actors.pipeline.batcher import Batcher
from actors.pipeline.enrichment import Enrichment
from actors.pipeline.gate import Gate
from actors.pipeline.intake import Intake
from actors.pipeline.receipts import Receipts
from actors.pipeline.sessions import Sessions
from actors.pipeline.stage import channel_depth
from actors.pipeline.verdicts import Verdicts
from actors.pipeline.writer import Writer
from actors.stores.store import Store
from actors.supervision.actor import Actor
from actors.supervision.supervisor import RestartPolicy, Supervisor
from actors.supervision.traces import Tracing
from ingest.fold.counts import Counters
from ingest.model.event import EnrichedEvent, Event
from ingest.pipeline.context import EventContext
from ingest.pipeline.reference import Reference
from ingest.rows.batch import Flush
from ingest.rows.layout import Run
from ingest.sessions.open_sessions import OpenSessions
from ingest.telemetry.metrics import Metrics

log = structlog.get_logger()

FRONT_REQUESTS = 1024
"""Requests that may wait for the gate; one more is refused with 503."""

RUNS = 8
"""Runs of messages that may wait between two stages."""

SPILL_SECONDS = 2.0
"""Part of the shutdown's time that is kept for writing to disk what the store has not taken."""


@dataclass(frozen=True, slots=True)
class CollectorOptions:
    """What an operator decides about the pipeline.

    Attributes:
        flush_rows: Events that make a flush due.
        flush_seconds: Age of the oldest event that makes a flush due.
    """

    flush_rows: int = 10_000
    flush_seconds: float = 5.0


class Collector:
    """The owner of the pipeline: channels, shared state and actors.

    `run` starts the actors and returns when all have finished, which they do after `drain`. The
    order of draining is that of the flow: the intake closes its channel, and each stage finishes
    and closes its own when its inbox has ended.
    """

    def __init__(
        self,
        reference: Reference,
        store: Store,
        clock: Clock,
        journal: Journal,
        open_sessions: OpenSessions,
        letters_directory: Path,
        options: CollectorOptions | None = None,
        *,
        session_file: SessionFile | None = None,
        store_opened: bool = True,
        wall: Callable[[], float] = time.time,
        keepers: Iterable[Actor] = (),
        policy: RestartPolicy | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        """Build everything without starting it; must be called inside `trio.run`.

        Args:
            reference: What the steps look things up in.
            store: Where rows go; closed by the caller.
            clock: The pipeline's time.
            journal: Where accepted events are kept until they are stored; closed by the caller.
            open_sessions: The visits that are open already, in step with the journal.
            letters_directory: Where dead letters are kept.
            options: What an operator decides.
            session_file: Keeps the open visits, so that the journal behind them can be deleted.
            wall: Tells the system's time, which the clock follows; Unix seconds.
            store_opened: Whether the store has been opened; otherwise the writer does it.
            keepers: Further actors that own time only, such as the reload of files.
            policy: How failing actors are restarted.
            tracing: Told of inserts and restarts; None: nobody is.
        """
        options = options or CollectorOptions()
        self.reference = reference
        self.store = store
        self.clock = clock
        self.journal = journal
        self.counters = Counters()
        self.metrics = Metrics(self._is_site)
        self.metrics.history.advance(clock.seconds())
        self.broadcast = Broadcast(reference, clock.seconds())
        self.verdicts = Verdicts(self.counters, self.metrics, self.broadcast)
        self.letters = DeadLetters(
            letters_directory,
            clock.now,
            lambda actor: self.metrics.dead_letters.labels(actor).inc(),
        )
        self.letter_writer = LetterWriter(self.letters)
        self.open_sessions = open_sessions
        self._tracing = tracing
        self.supervisor = Supervisor(policy, on_restart=self._note_restart)
        prefix = f"{clock.seconds()}-{secrets.token_hex(4)}"

        to_gate, gate_inbox = trio.open_memory_channel[Sequence[Event]](FRONT_REQUESTS)
        to_enrichment, enrichment_inbox = trio.open_memory_channel[Sequence[EventContext]](RUNS)
        to_sessions, sessions_inbox = trio.open_memory_channel[Sequence[EnrichedEvent]](RUNS)
        to_batcher, batcher_inbox = trio.open_memory_channel[Run](RUNS)
        # Without a buffer: a flush is handed over when the writer is free, and grows until then.
        to_writer, writer_inbox = trio.open_memory_channel[Flush](0)

        self.intake = Intake(to_gate, self.verdicts)
        shared = (reference, self.verdicts, self.letters)
        self.gate = Gate(gate_inbox, to_enrichment, *shared)
        self.enrichment = Enrichment(enrichment_inbox, to_sessions, *shared, self.metrics)
        self.sessions = Sessions(
            sessions_inbox, to_batcher, self.open_sessions, journal, self.verdicts, self.letters
        )
        self.batcher = Batcher(
            batcher_inbox,
            to_writer,
            journal,
            self.metrics,
            self.letters,
            flush_rows=options.flush_rows,
            flush_seconds=options.flush_seconds,
        )
        self.tally = Tally(self.counters, to_writer.clone(), reference, clock, prefix)
        self.receipts = Receipts()
        self._to_writer = to_writer.clone()
        self.writer = Writer(
            writer_inbox,
            store,
            journal,
            self.letters,
            self.metrics,
            receipts=self.receipts,
            opened=store_opened,
            tracing=tracing,
        )
        self.redrive = Redrive(
            self.letters, self.intake, self.verdicts, to_sessions.clone(), to_writer.clone()
        )
        self._pipeline = (
            self.gate,
            self.enrichment,
            self.sessions,
            self.batcher,
            self.tally,
            self.writer,
        )
        self._keepers = [
            *keepers,
            Patience(self.verdicts),
            Heartbeat(clock, self.metrics, wall),
            self.redrive,
            Watchdog(self.supervisor),
        ]
        if isinstance(journal, FileJournal) and session_file is not None:
            self._keepers.append(
                JournalKeeper(journal, self.open_sessions, session_file, self.metrics)
            )
        self._inboxes = {
            "gate": gate_inbox,
            "enrichment": enrichment_inbox,
            "sessions": sessions_inbox,
            "batcher": batcher_inbox,
        }
        self._draining = trio.Event()
        self._seconds_left = 0.0
        self._show_figures()

    def outlet(self) -> trio.MemorySendChannel[Flush]:
        """A way to the writer, for a keeper that has rows of its own; it closes it."""
        return self._to_writer.clone()

    def add_keeper(self, keeper: Actor) -> None:
        """Have one more actor run that owns time only; before `run`."""
        self._keepers.append(keeper)

    @property
    def accepting(self) -> bool:
        """Whether events are taken.

        Not while draining, nor when an actor has failed for good or the journal is full.
        """
        return self.intake.is_open and self.supervisor.healthy and not self.journal.full

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run all actors until they are drained.

        What the store has not taken by then is kept on disk, for the next process to store.
        """
        await self.letters.load()
        async with trio.open_nursery() as last:
            # Senders of what is set aside are answered once it is written: until the very end.
            await last.start(self.supervisor.supervise, self.letter_writer)
            await self._run_pipeline(task_status)
            rows = self.writer.spill([*self.batcher.take(), self.tally.take()])
            with trio.move_on_after(SPILL_SECONDS):
                await self.letters.written()
            last.cancel_scope.cancel()
        self.letters.flush()
        if rows:
            log.error("rows kept on disk for the next start", rows=rows)
        for actor in self._pipeline:
            actor.close()

    async def _run_pipeline(self, task_status: trio.TaskStatus[None]) -> None:
        supervise = self.supervisor.supervise
        async with trio.open_nursery() as pipeline:
            async with trio.open_nursery() as keepers:
                for actor in self._keepers:
                    await keepers.start(supervise, actor)
                for actor in self._pipeline:
                    await pipeline.start(supervise, actor)
                task_status.started()
                await self._draining.wait()
                keepers.cancel_scope.cancel()
            pipeline.cancel_scope.deadline = trio.current_time() + self._seconds_left
            for actor in self._keepers:
                actor.close()
            self._to_writer.close()
            self.intake.close()
            await self.supervisor.watches[self.batcher.name].done.wait()
            self.tally.finish()

    def drain(self, seconds: float) -> None:
        """Begin to end: `run` returns within that many seconds."""
        self._seconds_left = max(seconds - SPILL_SECONDS, 0.0)
        self._draining.set()

    def _note_restart(self, actor: str) -> None:
        self.metrics.actor_restarts.labels(actor).inc()
        if self._tracing is not None:
            self._tracing.restarted(actor)

    def _is_site(self, domain: str) -> bool:
        return self.reference.registry.find(domain) is not None

    def _show_figures(self) -> None:
        self.metrics.read("sluice_sessions_open", "Visits that may go on.", self._count_sessions)
        self.metrics.read(
            "sluice_requests_waiting",
            "Requests that wait for their verdicts.",
            lambda: len(self.verdicts),
        )
        self.metrics.read(
            "sluice_followers",
            "Clients that follow events as they come.",
            lambda: self.broadcast.followers,
        )
        self.metrics.read(
            "sluice_rows_gathered",
            "Events that wait for the next flush.",
            lambda: self.batcher.gathered,
        )
        self.metrics.read(
            "sluice_rows_pending",
            "Rows handed to the writer that the store has not acknowledged.",
            lambda: self.writer.pending,
        )
        self.metrics.read(
            "sluice_journal_backlog_events",
            "Accepted events that the store has not acknowledged.",
            lambda: self.journal.backlog,
        )
        self.metrics.read(
            "sluice_journal_bytes", "Bytes of the journal on disk.", lambda: self.journal.bytes
        )
        for part in (self.letters, self.supervisor):
            self.metrics.show(part.figures())
        stages = (self.gate, self.enrichment, self.sessions)
        depths = [figure for stage in stages for figure in stage.figures()]
        self.metrics.show([*depths, channel_depth("batcher", self._inboxes["batcher"])])

    def channels(self) -> dict[str, tuple[int, int]]:
        """How many runs wait in each actor's inbox, and how many may."""
        found = {name: inbox.statistics() for name, inbox in self._inboxes.items()}
        return {
            name: (channel.current_buffer_used, int(channel.max_buffer_size))
            for name, channel in found.items()
        }

    def _count_sessions(self) -> int:
        self.open_sessions.expire(self.clock.seconds())
        return len(self.open_sessions)

    def status(self) -> dict[str, dict[str, object]]:
        """What readiness says of the pipeline: for each part its `status` and figures."""
        return {
            "store": {
                "status": "degraded" if self.writer.failures else "ok",
                "kind": self.store.name,
                "failures_in_a_row": self.writer.failures,
                "circuit": self.writer.circuit,
                "rows_waiting": self.batcher.gathered + self.writer.pending,
            },
            "journal": self._journal_status(),
            "dead_letters": self.letters.status(),
            "actors": self.supervisor.status(),
        }

    def _journal_status(self) -> dict[str, object]:
        journal = self.journal
        if not isinstance(journal, FileJournal):
            return {"status": "ok", "durability": "memory", "backlog_events": journal.backlog}
        troubled = journal.problem is not None or journal.lost > 0
        return {
            "status": "down" if journal.full else "degraded" if troubled else "ok",
            "durability": "journal",
            "backlog_events": journal.backlog,
            "bytes": journal.bytes,
            "limit_bytes": journal.limit,
            "segments": journal.segments,
            "events_lost": journal.lost,
        }
