"""Tells the cluster of this process, and follows what its members tell."""

from collections.abc import Callable
from typing import Final

import structlog
import trio

from actors.cluster.failure import KafkaFailure
from actors.cluster.producer_thread import Message
from actors.cluster.salt_agreement import Send, TopicReading
from actors.supervision.actor import Actor
from ingest.engine.cluster import CLOCK_SECONDS, Cluster
from ingest.engine.cluster_findings import cluster_findings
from ingest.engine.heartbeat import INTERVAL_SECONDS, Heartbeat, encode_heartbeat
from ingest.sites.rate_limit import RateLimiter

log = structlog.get_logger()

RETRY_SECONDS: Final = 5.0
"""Delay before reading the topic is tried again."""

LEAVE_SECONDS: Final = 2.0
"""How long Kafka may take to accept that this process has ended."""


class Control(Actor):
    """The actor that owns a process's heartbeat, and its view of the cluster.

    Every few seconds it writes a heartbeat to the control topic, and all the time it reads the
    topic. A front's limits of sites follow the number of fronts. Heartbeats of members that ended
    long ago are deleted. A restart continues.

    Attributes:
        cluster: What the topic has said so far.
    """

    name = "control"

    def __init__(
        self,
        cluster: Cluster,
        heartbeat: Callable[[], Heartbeat],
        reader: TopicReading,
        send: Send,
        topic: str,
        limiter: RateLimiter | None = None,
    ) -> None:
        """Use a reader and a producer, which the caller closes.

        Args:
            cluster: To be filled.
            heartbeat: Returns this process's heartbeat.
            reader: Reads the topic from its beginning.
            send: Sends heartbeats.
            topic: The control topic.
            limiter: That of a front; None in a worker.
        """
        self.cluster = cluster
        self._heartbeat = heartbeat
        self._reader = reader
        self._send = send
        self._topic = topic
        self._limiter = limiter
        self._problem: str | None = None
        self._member = heartbeat().member

    async def run(self) -> None:
        """Tell and follow forever."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._follow_for_ever)
            nursery.start_soon(self._beat_for_ever)

    async def leave(self) -> None:
        """Tell the cluster that this process has ended. A failure is only logged."""
        await self._tell(Message(self._topic, 0, None, self._heartbeat().key), LEAVE_SECONDS)

    async def _read(self) -> None:
        for message in await self._reader.read():
            self.cluster.apply(message.key or b"", message.value, message.timestamp)
        if self._limiter is not None and self._reader.caught_up:
            self._limiter.fronts = self.cluster.fronts

    async def _follow_for_ever(self) -> None:
        while True:
            try:
                await self._read()
            except KafkaFailure as failure:
                log.error("control topic cannot be read", error=str(failure))
                await trio.sleep(RETRY_SECONDS)

    async def _beat_for_ever(self) -> None:
        while True:
            beat = self._heartbeat()
            own = Message(self._topic, 0, encode_heartbeat(beat), beat.key)
            if await self._tell(own, INTERVAL_SECONDS):
                for key in self.cluster.forgotten:
                    await self._tell(Message(self._topic, 0, None, key), INTERVAL_SECONDS)
            await trio.sleep(INTERVAL_SECONDS)

    async def _tell(self, message: Message, seconds: float) -> bool:
        """Send a message.

        Returns:
            Whether Kafka has it.
        """
        try:
            with trio.fail_after(seconds):
                await self._send(message)
        except (KafkaFailure, trio.TooSlowError) as error:
            problem = str(error) or "Kafka does not answer"
            if self._problem is None:
                log.error("the cluster cannot be told of this process", error=problem)
            self._problem = problem
            return False
        self._problem = None
        return True

    @property
    def caught_up(self) -> bool:
        """Whether the topic was read to its end at least once."""
        return self._reader.caught_up

    @property
    def clock_difference(self) -> float:
        """Seconds by which this machine's clock is behind the broker's; 0 if it is not known."""
        for member in self.cluster.members:
            if member.heartbeat.member == self._member:
                return member.clock_difference
        return 0.0

    def status(self) -> dict[str, object]:
        """The cluster's part of the readiness report.

        A cluster record that cannot be used makes it `down`. Other severe findings make it
        `degraded`: a mistake in one member must not end the service of all. Of the rest only those
        that concern this process count.
        """
        findings = cluster_findings(self.cluster)
        severe = [finding.text for finding in findings if finding.severe]
        own = [] if self._problem is None else [self._problem]
        difference = self.clock_difference
        if abs(difference) > CLOCK_SECONDS:
            own.append(f"this machine's clock and the broker's differ by {abs(difference):.0f} s")
        report: dict[str, object] = {
            "status": (
                "down" if self.cluster.record_trouble else "degraded" if severe or own else "ok"
            ),
            "fronts": sum(member.heartbeat.role == "front" for member in self.cluster.members),
            "workers": sum(member.heartbeat.role == "worker" for member in self.cluster.members),
        }
        if severe or own:
            report["reason"] = "; ".join([*severe, *own])
        if findings:
            report["findings"] = [finding.text for finding in findings]
        return report

    def figures(self) -> dict[str, float]:
        """Gauges by their names in `/metrics`."""
        return {"sluice_clock_difference_seconds": self.clock_difference}
