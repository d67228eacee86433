"""A process as a member of its cluster: what its heartbeats say, and its view of the others."""

import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from typing import Final, NamedTuple

import trio

from actors.clock.wall_clock import Clock
from actors.cluster.control import Control
from actors.cluster.failure import Options
from actors.cluster.producer_thread import Message, ProducerThread
from actors.cluster.topic_reader import TopicReader
from ingest import __version__
from ingest.engine.cluster import Cluster
from ingest.engine.cluster_record import ClusterRecord
from ingest.engine.connection import consumer_options, producer_options
from ingest.engine.heartbeat import Heartbeat, Role, cluster_mac, new_member
from ingest.engine.topics import topic_names
from ingest.settings import Settings
from ingest.sites.rate_limit import RateLimiter

PASSING: Final[Options] = {"enable.gapless.guarantee": False, "message.timeout.ms": 10_000}
"""Heartbeats and proposals stand alone, and lose their meaning soon."""

RATE_SECONDS: Final = 10.0
"""Interval over which the rate of events is measured."""


class Figures(NamedTuple):
    """What a member says of itself, besides who it is.

    Attributes:
        events: Number of events since the start.
        trouble: As in `Heartbeat`, as the others are.
        backlog: As above.
        partitions: As above.
        oldest_seconds: As above.
    """

    events: float
    trouble: str = ""
    backlog: int = 0
    partitions: dict[int, int] = {}  # noqa: RUF012 - never changed
    oldest_seconds: float | None = None


class Member:
    """This process's identity in the cluster.

    Attributes:
        id: Random id of the process.
        cluster: What the control topic has said so far.
    """

    def __init__(
        self,
        settings: Settings,
        role: Role,
        record: ClusterRecord,
        clock: Clock,
        retention_seconds: float | None = None,
    ) -> None:
        """Choose an id.

        Args:
            settings: The process's settings.
            role: What it does.
            record: The cluster's.
            clock: The process's time.
            retention_seconds: How long the events topic keeps messages; None for the usual time.
        """
        secret = settings.cluster_secret
        text = None if secret is None else secret.get_secret_value()
        self.id = new_member()
        self.cluster = Cluster(text)
        if retention_seconds is not None:
            self.cluster.retention_seconds = retention_seconds
        self._mac = "" if text is None else cluster_mac(text, record.cluster_id)
        self._role = role
        self._clock = clock
        self._host = socket.gethostname()
        self._measured = (trio.current_time(), 0.0)
        self._rate = 0.0

    def heartbeat(self, figures: Figures) -> Heartbeat:
        """The process's heartbeat, now."""
        at, events = self._measured
        now = trio.current_time()
        if now >= at + RATE_SECONDS:
            self._rate = max(0.0, figures.events - events) / (now - at)
            self._measured = now, figures.events
        return Heartbeat(
            member=self.id,
            role=self._role,
            host=self._host,
            version=__version__,
            sent_at=self._clock.now(),
            events_per_second=round(self._rate, 1),
            mac=self._mac,
            trouble=figures.trouble,
            backlog=figures.backlog,
            partitions=figures.partitions,
            oldest_seconds=figures.oldest_seconds,
        )


class MemberTopics(NamedTuple):
    """What a member needs of the cluster's small topics.

    Attributes:
        settings: The process's settings.
        producer: Sends to them.
        control: Reads the control topic.
    """

    settings: Settings
    producer: ProducerThread
    control: TopicReader

    def join(
        self,
        member: Member,
        figures: Callable[[], Figures],
        limiter: RateLimiter | None = None,
    ) -> Control:
        """The actor that tells the cluster of this process.

        Args:
            member: Who the process is.
            figures: What it says of itself.
            limiter: A front's, whose limits are shared among fronts.
        """
        return Control(
            member.cluster,
            lambda: member.heartbeat(figures()),
            self.control,
            self.send,
            topic_names(self.settings.kafka_prefix).control,
            limiter,
        )

    async def send(self, message: Message) -> int:
        """Send a message; see `ProducerThread.send`."""
        return await self.producer.send(message)


@contextlib.asynccontextmanager
async def open_member_topics(settings: Settings) -> AsyncIterator[MemberTopics]:
    """Connect to the small topics, and disconnect at the end."""
    producer = ProducerThread({**producer_options(settings), **PASSING}, name="member-producer")
    reader = TopicReader(
        consumer_options(settings), topic_names(settings.kafka_prefix).control, name="control"
    )
    producer.start()
    try:
        yield MemberTopics(settings, producer, reader)
    finally:
        producer.close()
        reader.close()
