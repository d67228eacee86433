"""Runs and drains the actors of a process that receives events.

intake → gate → enrichment → recorder → log → back half
"""

import time
from collections.abc import Iterable

import trio

from actors.keepers.redrive import Redrive
from actors.keepers.watchdog import Watchdog
from actors.letters.letter_writer import LetterWriter
from actors.pipeline.back_half import BackHalf
from actors.pipeline.front_half import FrontHalf
from actors.supervision.actor import Actor
from actors.supervision.supervisor import RestartPolicy, Supervisor
from actors.supervision.traces import Tracing
from ingest.model.event import Event
from ingest.observation.event_trace import EventTrace, trace_event

SPILL_SECONDS = 2.0
"""Part of the shutdown time reserved for writing to disk what was not taken onwards."""


class Collector:
    """The owner of the running actors of both halves.

    `run` starts the actors and returns when all have finished, after `drain`. They drain in the
    order of the flow: the intake closes its channel, and each stage finishes and closes its own
    channel when its inbox has ended.

    Attributes:
        front: The half in front of the log.
        back: The half behind it.
        supervisor: Restarts the actors.
    """

    def __init__(
        self,
        front: FrontHalf,
        back: BackHalf,
        *,
        keepers: Iterable[Actor] = (),
        policy: RestartPolicy | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        """Connect two halves of one log; call it inside `trio.run`.

        Args:
            front: The half in front of the log.
            back: The half behind it.
            keepers: Further keepers, such as file watchers.
            policy: How failing actors are restarted.
            tracing: Receives restarts; None to disable tracing.
        """
        self.front = front
        self.back = back
        self.reference = front.reference
        self.clock = front.clock
        self.log = front.log
        self.metrics = front.metrics
        self.letters = front.letters
        self.broadcast = front.broadcast
        self.intake = front.intake
        self.letter_writer = LetterWriter(front.letters)
        self.supervisor = Supervisor(policy, on_restart=self._note_restart)
        self._tracing = tracing
        self._stages = (*front.stages, *back.stages)
        self._keepers = [
            *keepers,
            *front.keepers,
            *back.keepers,
            Watchdog(self.supervisor),
            Redrive(
                front.letters,
                front.intake,
                front.verdicts,
                front.log,
                front.to_recorder(),
                back.outlet(),
            ),
        ]
        self._draining = trio.Event()
        self._seconds_left = 0.0
        self.metrics.show(self.supervisor.figures)
        self.metrics.read_labelled(
            "sluice_channel_depth",
            "Runs that wait in an actor's inbox.",
            "actor",
            self.supervisor.queues,
        )

    @property
    def accepting(self) -> bool:
        """Whether events are accepted.

        False while draining, if an actor has failed permanently, or if the log or the back half
        takes no events.
        """
        return (
            self.intake.is_open
            and self.supervisor.healthy
            and self.log.accepting
            and self.back.accepting
        )

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run all actors until they are drained.

        What was not taken onwards by then is kept on disk for the next process.
        """
        await self.letters.load()
        async with trio.open_nursery() as last:
            # Senders of events that are set aside are answered once the letters are written.
            await last.start(self.supervisor.supervise, self.letter_writer)
            await self._run_pipeline(task_status)
            with trio.move_on_after(SPILL_SECONDS):
                self.log.seal()
                await self.back.leave_rest()
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
            self.back.close()
            self.intake.close()

    @property
    def backlog(self) -> int:
        """Number of accepted events that have not been taken onwards."""
        return self.back.backlog

    def drain(self, seconds: float) -> None:
        """Start the shutdown; `run` returns within that many seconds."""
        self._seconds_left = max(seconds - SPILL_SECONDS, 0.0)
        self._draining.set()

    def status(self) -> dict[str, dict[str, object]]:
        """The readiness report: for each part its `status` and figures."""
        return {
            **self.front.status(),
            **self.back.status(),
            "actors": self.supervisor.status(),
        }

    def trace(self, event: Event) -> EventTrace:
        """Evaluate an event without storing it or changing any state."""
        return trace_event(event, self.reference, self.back.open_sessions, time.perf_counter_ns)

    def _note_restart(self, actor: str) -> None:
        self.metrics.actor_restarts.labels(actor).inc()
        if self._tracing is not None:
            self._tracing.restarted(actor)
