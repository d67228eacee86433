"""Sends a front's log to Kafka, in order."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Final, Literal

import structlog
import trio

from actors.clock.wall_clock import Clock
from actors.cluster.acknowledging import BACK_SECONDS, Acknowledgement, Acknowledging, Outage
from actors.cluster.failure import KafkaFailure
from actors.cluster.producer_thread import Message, Report
from actors.cluster.producing import ProducerFactory, Producing
from actors.log.log import LogError, WritableLog
from actors.pipeline.sessions import FoldVerdicts
from actors.supervision.actor import Actor
from ingest.engine.flight import Flight
from ingest.engine.gatherer import GatheredMessage, Gatherer
from ingest.records.run import Run
from ingest.telemetry.metrics import Metrics

log = structlog.get_logger()

GATHER_SECONDS: Final = 0.005
"""How long events are gathered into messages at least before they are sent."""

FLIGHT_SECONDS: Final = 0.1
"""How much longer they are gathered while earlier messages are on their way. So the busier the
brokers are, the larger are the messages, and the cheaper is an event (RFC 896 does the same)."""

ROUND_RECORDS: Final = 1_000
"""Number of records after which the gathered messages are sent at once."""

FLIGHT_MESSAGES: Final = 20_000
FLIGHT_BYTES: Final = 16 * 1024 * 1024
"""How much may be on its way. Everything else waits in the log, on the disk."""

BEAT_SECONDS: Final = 0.25
"""Interval at which the age of what is not acknowledged is checked."""

NOTE_SECONDS: Final = 1.0
"""Interval at which progress is noted, and the log is synced."""

RETRY_SECONDS: Final = 1.0
MAX_RETRY_SECONDS: Final = 30.0
"""First and longest delay before a failed producer is replaced."""

OLD_SECONDS: Final = 6 * 86_400
"""Age from which a front does not send records by itself. Workers forget a front's records 7 days
after its last one, and could then take for new what they already have."""

OldRecords = Literal["hold", "send", "drop"]


@dataclass(frozen=True, slots=True)
class ForwarderOptions:
    """How a front forwards.

    Attributes:
        topic: The topic of the events.
        partitions: How many it has.
        ack: What an answer waits for (`SLUICE_ACK`).
        outage: What to do while Kafka is away and answers wait for it (`SLUICE_ACK_OUTAGE`).
        old: What to do with records that are older than `OLD_SECONDS` (`SLUICE_OLD_EVENTS`).
    """

    topic: str
    partitions: int
    ack: Acknowledgement = "engine"
    outage: Outage = "journal"
    old: OldRecords = "hold"


class Forwarder(Actor):
    """The actor that owns the producer, and the note of what Kafka has.

    Reads the log in order, gathers its records into messages by partition, and sends them. Each
    second it notes the position before which Kafka has all records, and releases the records before
    it. After a restart it sends again from there; workers take each record once.

    After a fatal error of the client it continues with a new producer, from the same position. If
    Kafka refuses a message for good, or records are too old to be sent by themselves, it stops
    until the process is restarted: workers would skip what it sent later for good.

    With `ack=engine` events wait for Kafka's acknowledgement. While Kafka is away they are accepted
    from the disk, or new ones are refused (`accepting`).

    It finishes when the log is sealed and Kafka has all of it. Cancel it to end earlier, then call
    `leave`; the rest stays in the log.

    Attributes:
        forwarded_events: Number of events that Kafka has acknowledged since the start.
        dropped_events: Number of events passed over because they were too old.
    """

    name = "forwarder"

    def __init__(
        self,
        source: WritableLog,
        clock: Clock,
        verdicts: FoldVerdicts,
        producers: ProducerFactory,
        metrics: Metrics,
        options: ForwarderOptions,
    ) -> None:
        """Own the log's note; the rest is shared.

        Args:
            source: The log.
            clock: The pipeline's time.
            verdicts: Answers the events. It must not accept them from the disk if they are to be
                refused while Kafka is away.
            producers: Creates the producer, and another one after a fatal error.
            metrics: Receive the duration of syncs.
            options: How to forward.
        """
        self.forwarded_events = self.dropped_events = 0
        self._log = source
        self._clock = clock
        self._acknowledging = Acknowledging(verdicts, options.ack, options.outage)
        self._producers = producers
        self._metrics = metrics
        self._options = options
        self._flight = Flight(source.committed)
        self._gatherer = Gatherer(options.partitions)
        self._producer: Producing | None = None
        self._life = trio.CancelScope()
        self._failure: KafkaFailure | None = None
        self._stopped: str | None = None
        self._problem: str | None = None
        self._unreadable: str | None = None
        self._caught_up_at = trio.current_time()
        self._changed = trio.Event()
        self._retry_seconds = RETRY_SECONDS
        if source.prepared is not None:
            self._stop(
                "the log is that of a single process, whose last batch may be stored already: let "
                "`sluice serve` drain it first"
            )

    @property
    def acknowledged(self) -> int:
        """The position before which Kafka has all records."""
        return self._flight.acknowledged.position

    @property
    def backlog(self) -> int:
        """Number of events that Kafka has not acknowledged."""
        return self._log.end.number - self._flight.acknowledged.number

    @property
    def accepting(self) -> bool:
        """Whether new events may be appended; otherwise they are to be refused."""
        return self._acknowledging.accepting

    @property
    def has_work(self) -> bool:
        """Whether there are records to be sent, and nothing hinders it."""
        hindered = self._stopped is not None or self._acknowledging.away or self._is_full
        return not hindered and not self._is_at_end

    @property
    def trouble(self) -> str | None:
        """Why events are not forwarded; None if they are."""
        if self._stopped is not None:
            return self._stopped
        producer = self._producer
        cause = (None if producer is None else producer.problem) or self._problem
        if not self._acknowledging.away:
            return self._unreadable or self._problem
        return "Kafka does not answer" + ("" if cause is None else f": {cause}")

    async def wait_acknowledged(self, position: int) -> None:
        """Wait until Kafka has all records before a position."""
        while self.acknowledged < position:
            await self._changed.wait()

    async def run(self) -> None:
        """Forward until the log is sealed and Kafka has all of it, or the forwarder has stopped."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch_for_ever)
            nursery.start_soon(self._note_for_ever)
            while not await self._forward():
                await self._recover()
                if self._stopped is not None:
                    await self._wait_sealed()
                    break
            nursery.cancel_scope.cancel()
        await self.leave()

    async def leave(self) -> None:
        """End the producer, and note what Kafka has. The rest stays in the log."""
        self.close()
        await self._note()

    def close(self) -> None:
        """End the producer; events are no longer answered."""
        self._end_producer()
        self._acknowledging.pause()

    async def _forward(self) -> bool:
        """Forward with one producer, from what is acknowledged.

        Returns:
            Whether the log is sealed and Kafka has all of it; otherwise the producer has failed, or
            the forwarder has stopped.
        """
        self._end_producer()
        if self._stopped is not None:
            return False
        flight = self._flight = Flight(self._flight.acknowledged)
        self._gatherer = Gatherer(self._options.partitions)
        self._failure = None
        self._acknowledging.begin()
        self._producer = self._producers(
            told=partial(self._take_reports, flight), ended=partial(self._take_failure, flight)
        )
        with trio.CancelScope() as self._life:
            self._producer.start()
            while await self._send_round():
                while self._is_full:
                    await self._changed.wait()
            await self.wait_acknowledged(flight.read.position)
            return True
        return False

    async def _recover(self) -> None:
        """Prepare to forward again with another producer, unless the forwarder has stopped."""
        failure = self._failure
        self._end_producer()
        if failure is not None and not failure.passing:
            self._stop(f"Kafka has refused a message for good: {failure}")
        if self._stopped is not None:
            return
        self._problem = str(failure)
        log.error("the producer has failed, another one continues", error=self._problem)
        await trio.sleep(self._retry_seconds)
        self._retry_seconds = min(self._retry_seconds * 2, MAX_RETRY_SECONDS)

    def _end_producer(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.close()

    @property
    def _is_full(self) -> bool:
        flight = self._flight
        return flight.messages >= FLIGHT_MESSAGES or flight.bytes >= FLIGHT_BYTES

    @property
    def _is_at_end(self) -> bool:
        """Whether all records of the log were read."""
        return self._flight.read.position >= self._log.end.position

    async def _send_round(self) -> bool:
        """Wait for records, gather more for a moment, and send them.

        Returns:
            Whether there were any. Otherwise the log is sealed and read to its end.
        """
        first = run = await self._read(self._flight.read.position)
        records, lingered = 0, False
        while run is not None:
            records += self._take_run(run)
            if self._is_at_end and not lingered:
                await self._gather()
                lingered = True
            if self._is_at_end or records >= ROUND_RECORDS or self._is_full:
                break
            run = await self._read(self._flight.read.position)
        self._send(self._gatherer.take_all())
        self._advance()
        if self._is_at_end:
            self._caught_up_at = trio.current_time()
        return first is not None

    async def _gather(self) -> None:
        """Let more records arrive."""
        await trio.sleep(GATHER_SECONDS)
        with trio.move_on_after(FLIGHT_SECONDS):
            while self._flight.messages:
                await self._changed.wait()

    async def _wait_sealed(self) -> None:
        while await self._read(self._log.end.position) is not None:
            pass

    async def _read(self, position: int) -> Run | None:
        while True:
            try:
                run = await self._log.read(position)
            except LogError as error:
                self._unreadable = f"the log cannot be read: {error}"
                log.error("log cannot be read", error=str(error))
                await trio.sleep(RETRY_SECONDS)
            else:
                self._unreadable = None
                return run

    def _take_run(self, run: Run) -> int:
        """Gather the records of a run.

        Returns:
            How many they are.
        """
        old = self._options.old if self._is_old(run.log_time) else "send"
        if old == "hold":
            self._hold(run.log_time)
            return 0
        self._flight.add_run(run.end_point, run.log_time, trio.current_time())
        if old == "drop":
            self.dropped_events += run.events
            log.error("old events are dropped, as SLUICE_OLD_EVENTS demands", events=run.events)
            return 0
        self._send(self._gatherer.add_run(run))
        return len(run.records)

    def _send(self, gathered: Sequence[GatheredMessage]) -> None:
        if not gathered or self._producer is None:
            return
        topic, flight = self._options.topic, self._flight
        self._producer.send_nowait(
            [
                Message(topic, message.partition, message.data, None, flight.send(message))
                for message in gathered
            ]
        )

    def _take_reports(self, flight: Flight, reports: Sequence[Report]) -> None:
        if flight is not self._flight:
            return  # of an earlier producer, whose messages are sent again
        for sent, _, failure in reports:
            if failure is None:
                flight.acknowledge(sent)
                self.forwarded_events += sent.events
                self._acknowledging.prove()
                self._problem, self._retry_seconds = None, RETRY_SECONDS
        self._advance()

    def _take_failure(self, flight: Flight, failure: KafkaFailure) -> None:
        if flight is self._flight:
            self._failure = failure
            self._life.cancel()

    def _advance(self) -> None:
        if self._flight.advance(self._gatherer.first):
            self.progress += 1
            self._acknowledging.acknowledged(self.acknowledged)
        self._changed.set()
        self._changed = trio.Event()

    async def _watch_for_ever(self) -> None:
        while True:
            self._watch()
            await trio.sleep(BEAT_SECONDS)

    def _watch(self) -> None:
        """See whether Kafka is away, and whether what waits has become too old."""
        if self._stopped is not None:
            return
        oldest = self._flight.oldest_log_time
        if oldest is not None and self._is_old(oldest) and self._options.old == "hold":
            self._hold(oldest)
            return
        now = trio.current_time()
        self._acknowledging.beat(
            self._flight.oldest_wait(now),
            caught_up=self._is_at_end or now - self._caught_up_at < BACK_SECONDS,
            backlog=self.backlog,
        )
        if self._acknowledging.away:
            self.progress += 1

    def _is_old(self, log_time: int) -> bool:
        return log_time <= self._clock.seconds() - OLD_SECONDS

    def _hold(self, log_time: int) -> None:
        self._stop(
            f"events have waited since {datetime.fromtimestamp(log_time, UTC):%Y-%m-%d %H:%M} UTC, "
            "longer than workers remember what they have. Start once with SLUICE_OLD_EVENTS=send: "
            "those that were sent just before the outage may be stored twice; or with "
            "SLUICE_OLD_EVENTS=drop"
        )

    def _stop(self, reason: str) -> None:
        log.critical("the forwarder has stopped, until it is started again", reason=reason)
        self._stopped = reason
        self._life.cancel()
        self._acknowledging.pause()

    async def _note_for_ever(self) -> None:
        while True:
            await trio.sleep(NOTE_SECONDS)
            await self._note()

    async def _note(self) -> None:
        """Note what Kafka has, and sync the log."""
        acknowledged = self._flight.acknowledged
        started = trio.current_time()
        try:
            if acknowledged > self._log.committed:
                await self._log.commit(acknowledged)
            else:
                await self._log.sync()
        except LogError as error:
            log.error("progress is not noted", error=str(error))
        self._metrics.journal_sync_seconds.observe(trio.current_time() - started)
        self._log.retire(acknowledged.position)

    def status(self) -> dict[str, object]:
        """The forwarder's part of the readiness report."""
        trouble = self.trouble
        down = self._stopped is not None or not self.accepting
        report: dict[str, object] = {
            "status": "down" if down else "ok" if trouble is None else "degraded",
            "forwards": trouble is None,
            "backlog_events": self.backlog,
            "messages_outstanding": self._flight.messages,
        }
        if trouble is not None:
            report["reason"] = trouble
        if self.dropped_events:
            report["events_dropped"] = self.dropped_events
        return report

    def figures(self) -> dict[str, float]:
        """Gauges by their names in `/metrics`."""
        return {
            "sluice_forwarder_backlog_events": self.backlog,
            "sluice_forwarder_messages_outstanding": self._flight.messages,
            "sluice_forwarder_stopped": self._stopped is not None,
            "sluice_forwarder_events_dropped": self.dropped_events,
        }
