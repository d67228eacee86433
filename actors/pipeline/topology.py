"""Builds, starts and drains the actors.

intake → gate → enrichment → recorder → log → sessions → batcher → writer → store
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog
import trio

from actors.clock.wall_clock import Clock
from actors.keepers.drop_count_keeper import DropCountKeeper
from actors.keepers.heartbeat import Heartbeat
from actors.keepers.redrive import Redrive
from actors.keepers.request_timeouts import RequestTimeouts
from actors.keepers.watchdog import Watchdog
from actors.letters.dead_letters import DeadLetters
from actors.letters.letter_writer import LetterWriter
from actors.log.checkpoint_file import CheckpointFile
from actors.log.log import WritableLog
from actors.observation.broadcast import Broadcast
from actors.pipeline.enrichment import Enrichment
from actors.pipeline.flush import Flush
from actors.pipeline.gate import Gate
from actors.pipeline.intake import Intake
from actors.pipeline.partition import Partition
from actors.pipeline.predecessor import PredecessorFactory
from actors.pipeline.recorder import Recorder
from actors.pipeline.verdicts import Verdicts
from actors.pipeline.writer import Writer
from actors.stores.store import Store
from actors.supervision.actor import Actor
from actors.supervision.supervisor import RestartPolicy, Supervisor
from actors.supervision.traces import Tracing
from ingest.fold.checkpoint import FoldState
from ingest.model.event import Event
from ingest.observation.event_trace import EventTrace, trace_event
from ingest.pipeline.context import EventContext
from ingest.pipeline.reference import Reference
from ingest.pipeline.ticketed_event import TicketedEvent
from ingest.records.drop_counter import DropCounter
from ingest.telemetry.metrics import Metrics

log = structlog.get_logger()

FRONT_REQUESTS = 1024
"""Maximum number of requests that wait for the gate; one more is refused with 503."""

RUNS = 8
"""Maximum number of runs that wait between two stages."""

SPILL_SECONDS = 2.0
"""Part of the shutdown time reserved for writing rows to disk that the store has not taken."""


@dataclass(frozen=True, slots=True)
class CollectorOptions:
    """Options of the pipeline.

    Attributes:
        flush_rows: Events that make a flush due.
        flush_seconds: Age of the oldest event that makes a flush due.
    """

    flush_rows: int = 10_000
    flush_seconds: float = 5.0


class Collector:
    """The owner of the pipeline: channels, shared state and actors.

    `run` starts the actors and returns when all have finished, after `drain`. They drain in the
    order of the flow: the intake closes its channel, and each stage finishes and closes its own
    channel when its inbox has ended.
    """

    def __init__(
        self,
        reference: Reference,
        store: Store,
        clock: Clock,
        source: WritableLog,
        state: FoldState,
        letters_directory: Path,
        options: CollectorOptions | None = None,
        *,
        checkpoints: CheckpointFile | None = None,
        predecessor: PredecessorFactory | None = None,
        store_opened: bool = True,
        wall: Callable[[], float] = time.time,
        keepers: Iterable[Actor] = (),
        policy: RestartPolicy | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        """Build everything without starting it; call it inside `trio.run`.

        Args:
            reference: The data that the steps look up.
            store: Where rows go; closed by the caller.
            clock: The pipeline's time.
            source: The log; closed by the caller.
            state: The fold at a position that the log can be read from.
            letters_directory: Where dead letters are kept.
            options: The pipeline's options.
            checkpoints: Where checkpoints are saved; None for a log in memory.
            predecessor: Creates the predecessor, whose events are stored before the log's.
            store_opened: Whether the store is open; otherwise the writer opens it.
            wall: Returns the system's time, which the clock follows; Unix seconds.
            keepers: Further keepers, such as file watchers.
            policy: How failing actors are restarted.
            tracing: Receives inserts and restarts; None to disable tracing.
        """
        options = options or CollectorOptions()
        self.reference = reference
        self.store = store
        self.clock = clock
        self.log = source
        self.metrics = Metrics(lambda domain: reference.registry.find(domain) is not None)
        self.letters = letters = DeadLetters(
            letters_directory,
            clock.now,
            lambda actor: self.metrics.dead_letters.labels(actor).inc(),
        )
        self.letter_writer = LetterWriter(letters)
        self.metrics.history.advance(clock.seconds())
        self.broadcast = Broadcast(reference, clock.seconds())
        drops = DropCounter()
        self.verdicts = Verdicts(drops, self.metrics, self.broadcast)
        self._tracing = tracing
        self.supervisor = Supervisor(policy, on_restart=self._note_restart)

        to_gate, gate_inbox = trio.open_memory_channel[Sequence[Event]](FRONT_REQUESTS)
        to_enrichment, enrichment_inbox = trio.open_memory_channel[Sequence[EventContext]](RUNS)
        to_recorder, recorder_inbox = trio.open_memory_channel[Sequence[TicketedEvent]](RUNS)
        # No buffer: a flush is sent when the writer is free, and grows until then.
        to_writer, writer_inbox = trio.open_memory_channel[Flush](0)

        self.intake = Intake(to_gate, self.verdicts)
        shared = (reference, self.verdicts, letters)
        self.gate = Gate(gate_inbox, to_enrichment, *shared)
        self.enrichment = Enrichment(enrichment_inbox, to_recorder, *shared, self.metrics)
        self.recorder = Recorder(
            recorder_inbox, source, clock, self.verdicts, letters, drops, self._site_id
        )
        self.partition = Partition(
            source,
            state,
            to_writer,
            self.verdicts,
            letters,
            self.metrics,
            flush_rows=options.flush_rows,
            flush_seconds=options.flush_seconds,
            checkpoints=checkpoints,
            predecessor=(
                None
                if predecessor is None
                else predecessor(to_writer.clone(), self.metrics, letters)
            ),
        )
        self.writer = Writer(
            writer_inbox, store, letters, self.metrics, opened=store_opened, tracing=tracing
        )
        self._to_writer = to_writer.clone()
        self._stages: tuple[Actor, ...] = (
            self.gate,
            self.enrichment,
            self.recorder,
            *self.partition.actors,
            self.writer,
        )
        self._keepers = [
            *keepers,
            RequestTimeouts(self.verdicts),
            Heartbeat(clock, self.metrics, wall),
            DropCountKeeper(self.recorder),
            Watchdog(self.supervisor),
            Redrive(
                letters, self.intake, self.verdicts, source, to_recorder.clone(), to_writer.clone()
            ),
        ]
        if self.partition.keeper is not None:
            self._keepers.append(self.partition.keeper)
        self._draining = trio.Event()
        self._seconds_left = 0.0
        self._show_figures()

    def outlet(self) -> trio.MemorySendChannel[Flush]:
        """A channel to the writer, for a keeper with its own rows; the keeper closes it."""
        return self._to_writer.clone()

    def add_keeper(self, keeper: Actor) -> None:
        """Add a keeper; call it before `run`."""
        self._keepers.append(keeper)

    @property
    def accepting(self) -> bool:
        """Whether events are accepted.

        False while draining, if an actor has failed permanently, or if the log refuses events.
        """
        return self.intake.is_open and self.supervisor.healthy and self.log.accepting

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run all actors until they are drained.

        Rows that the store has not taken by then are kept on disk for the next process.
        """
        await self.letters.load()
        async with trio.open_nursery() as last:
            # Senders of events that are set aside are answered once the letters are written.
            await last.start(self.supervisor.supervise, self.letter_writer)
            await self._run_pipeline(task_status)
            with trio.move_on_after(SPILL_SECONDS):
                await self._leave_rest()
            last.cancel_scope.cancel()
        self.letters.flush()
        for actor in self._stages:
            actor.close()

    async def _run_pipeline(self, task_status: trio.TaskStatus[None]) -> None:
        supervise = self.supervisor.supervise
        async with trio.open_nursery() as pipeline:
            async with trio.open_nursery() as keepers:
                for actor in self._keepers:
                    await keepers.start(supervise, actor)
                for actor in self._stages:
                    await pipeline.start(supervise, actor)
                task_status.started()
                await self._draining.wait()
                keepers.cancel_scope.cancel()
            pipeline.cancel_scope.deadline = trio.current_time() + self._seconds_left
            for actor in self._keepers:
                actor.close()
            self._to_writer.close()
            self.intake.close()

    async def _leave_rest(self) -> None:
        """Save to disk the rows that the store has not taken, and the open sessions."""
        self.log.seal()
        rows = self.writer.spill(await self.partition.take_rest())
        if rows:
            log.error("rows kept on disk for the next start", rows=rows)
        await self.letters.written()
        await self.partition.save()
        await self.partition.save_sessions()

    @property
    def backlog(self) -> int:
        """Number of accepted events that the store has not acknowledged."""
        return self.partition.backlog

    def drain(self, seconds: float) -> None:
        """Start the shutdown; `run` returns within that many seconds."""
        self._seconds_left = max(seconds - SPILL_SECONDS, 0.0)
        self._draining.set()

    def status(self) -> dict[str, dict[str, object]]:
        """The readiness report: for each part its `status` and figures."""
        rows_waiting = self.partition.gathered + self.writer.pending
        return {
            "intake": self.intake.status(),
            "store": {**self.writer.status(), "rows_waiting": rows_waiting},
            "journal": self.partition.status(),
            "sessions": self.partition.sessions.status(),
            "dead_letters": self.letters.status(),
            "actors": self.supervisor.status(),
        }

    def figures(self) -> dict[str, float]:
        """The pipeline's own gauge; its parts report the others."""
        return {"sluice_sessions_open": self.partition.open_sessions.count(self.clock.seconds())}

    def trace(self, event: Event) -> EventTrace:
        """Evaluate an event without storing it or changing any state."""
        visits = self.partition.open_sessions
        return trace_event(event, self.reference, visits, time.perf_counter_ns)

    def _show_figures(self) -> None:
        for part in (
            self,
            self.verdicts,
            self.broadcast,
            self.partition,
            self.writer,
            self.letters,
            self.supervisor,
        ):
            self.metrics.show(part.figures)
        self.metrics.read_labelled(
            "sluice_channel_depth",
            "Runs that wait in an actor's inbox.",
            "actor",
            self.supervisor.queues,
        )

    def _note_restart(self, actor: str) -> None:
        self.metrics.actor_restarts.labels(actor).inc()
        if self._tracing is not None:
            self._tracing.restarted(actor)

    def _site_id(self, domain: str) -> int | None:
        site = self.reference.site(domain)
        return None if site is None else site.id
