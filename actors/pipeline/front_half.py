"""The half of the pipeline in front of the log: it decides on events and appends them."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import trio

from actors.clock.wall_clock import Clock
from actors.keepers.drop_count_keeper import DropCountKeeper
from actors.keepers.heartbeat import Heartbeat
from actors.keepers.request_timeouts import RequestTimeouts
from actors.letters.dead_letters import DeadLetters
from actors.log.log import WritableLog
from actors.observation.broadcast import Broadcast
from actors.pipeline.enrichment import Enrichment
from actors.pipeline.gate import Gate
from actors.pipeline.intake import Intake
from actors.pipeline.recorder import Recorder
from actors.pipeline.verdicts import Verdicts
from actors.supervision.actor import Actor
from ingest.model.event import Event
from ingest.pipeline.context import EventContext
from ingest.pipeline.reference import Reference
from ingest.pipeline.ticketed_event import TicketedEvent
from ingest.records.drop_counter import DropCounter
from ingest.telemetry.metrics import Metrics

FRONT_REQUESTS: Final = 1024
"""Maximum number of requests that wait for the gate; one more is refused with 503."""

RUNS: Final = 8
"""Maximum number of runs that wait between two stages."""


class FrontHalf:
    """Builds the stages from the intake to the log, and what they share.

    Attributes:
        reference: The data that the steps look up.
        clock: The pipeline's time.
        log: Keeps accepted events.
        metrics: Count what happens.
        letters: Keep what cannot be handled.
        broadcast: Shows events to followers.
        verdicts: Hold waiting requests.
        intake: Where requests enter.
        stages: In the order of the flow.
        keepers: Periodic work.
    """

    def __init__(
        self,
        reference: Reference,
        clock: Clock,
        log: WritableLog,
        letters_directory: Path,
        *,
        wall: Callable[[], float] = time.time,
        disk_suffices: bool = True,
    ) -> None:
        """Build everything without starting it; call it inside `trio.run`.

        Args:
            reference: The data that the steps look up.
            clock: The pipeline's time.
            log: The log; closed by the caller.
            letters_directory: Where dead letters are kept.
            wall: Returns the system's time, which the clock follows; Unix seconds.
            disk_suffices: As for `Verdicts`.
        """
        self.reference = reference
        self.clock = clock
        self.log = log
        self.metrics = Metrics(lambda domain: reference.registry.find(domain) is not None)
        self.metrics.history.advance(clock.seconds())
        self.letters = DeadLetters(
            letters_directory,
            clock.now,
            lambda actor: self.metrics.dead_letters.labels(actor).inc(),
        )
        self.broadcast = Broadcast(reference, clock.seconds())
        drops = DropCounter()
        self.verdicts = Verdicts(drops, self.metrics, self.broadcast, disk_suffices=disk_suffices)

        to_gate, gate_inbox = trio.open_memory_channel[Sequence[Event]](FRONT_REQUESTS)
        to_enrichment, enrichment_inbox = trio.open_memory_channel[Sequence[EventContext]](RUNS)
        to_recorder, recorder_inbox = trio.open_memory_channel[Sequence[TicketedEvent]](RUNS)
        self._to_recorder = to_recorder

        self.intake = Intake(to_gate, self.verdicts)
        shared = (reference, self.verdicts, self.letters)
        self.gate = Gate(gate_inbox, to_enrichment, *shared)
        self.enrichment = Enrichment(enrichment_inbox, to_recorder, *shared, self.metrics)
        self.recorder = Recorder(
            recorder_inbox, log, clock, self.verdicts, self.letters, drops, self._site_id
        )
        self.stages: Sequence[Actor] = (self.gate, self.enrichment, self.recorder)
        self.keepers: Sequence[Actor] = (
            RequestTimeouts(self.verdicts),
            Heartbeat(clock, self.metrics, wall),
            DropCountKeeper(self.recorder),
        )
        for part in (self.verdicts, self.broadcast, self.letters):
            self.metrics.show(part.figures)

    def to_recorder(self) -> trio.MemorySendChannel[Sequence[TicketedEvent]]:
        """A channel to the recorder, for redriven events; closed by the caller."""
        return self._to_recorder.clone()

    def status(self) -> dict[str, dict[str, object]]:
        """The parts' readiness reports by name."""
        return {"intake": self.intake.status(), "dead_letters": self.letters.status()}

    def _site_id(self, domain: str) -> int | None:
        site = self.reference.site(domain)
        return None if site is None else site.id
