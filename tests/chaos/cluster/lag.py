"""Watches how far the workers are behind the topic."""

import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from confluent_kafka import Consumer, KafkaException, TopicPartition

from ingest.engine.topics import TopicNames
from tests.chaos.cluster.topic_record import TopicFollower
from tests.chaos.server import ServerError
from tests.cluster.brokers import Brokers

SAMPLE_SECONDS: Final = 0.3
ANSWER_SECONDS: Final = 10.0
TOPIC_SECONDS: Final = 60.0


@dataclass(slots=True)
class _Expectation:
    ends: dict[int, int]
    began: float
    seconds: list[float]


class LagWatch:
    """A thread that samples the committed offsets of the workers' group.

    Attributes:
        longest: The longest time in seconds that a partition had lag and no progress.
    """

    def __init__(self, brokers: Brokers, names: TopicNames, follower: TopicFollower) -> None:
        """Start to watch.

        Args:
            brokers: They may be away at times.
            names: The names of the events topic and the workers' group.
            follower: Knows the ends of the partitions.
        """
        self.longest = 0.0
        # It never joins the group. (The administrator's requests about groups can abort the
        # process while a coordinator is away.)
        self._consumer = Consumer({**brokers.options(), "group.id": names.workers, "log_level": 0})
        self._places = [
            TopicPartition(names.events, partition) for partition in range(follower.partitions)
        ]
        self._follower = follower
        self._committed: dict[int, int] = {}
        self._progress: dict[int, float] = {}
        self._expectations: list[_Expectation] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop watching."""
        self._stopping.set()
        self._thread.join(60)
        self._consumer.close()

    def true_ends(self) -> dict[int, int]:
        """Ask for the end of each partition.

        Raises:
            ServerError: The brokers do not answer.
        """
        try:
            return {
                place.partition: int(
                    self._consumer.get_watermark_offsets(place, timeout=TOPIC_SECONDS)[1]
                )
                for place in self._places
            }
        except KafkaException as error:
            raise ServerError(f"the ends of the events topic are not known: {error}") from None

    def ends(self) -> dict[int, int]:
        """Return the end of each partition, as far as the follower has read."""
        return dict(self._follower.record.next)

    def lag(self, ends: Mapping[int, int] | None = None) -> dict[int, int]:
        """Return the number of messages before these ends that are not stored, where any are."""
        behind = {
            partition: end - self._committed.get(partition, 0)
            for partition, end in (self.ends() if ends is None else ends).items()
        }
        return {partition: messages for partition, messages in behind.items() if messages > 0}

    def committed(self, partition: int) -> int:
        """Return the offset that is committed for a partition."""
        return self._committed.get(partition, 0)

    def expect(self, seconds: list[float]) -> None:
        """Append to a list how long it takes until everything that is in the topic now is stored.

        The list gets the duration in seconds when it is known.
        """
        self._expectations.append(_Expectation(self.ends(), time.monotonic(), seconds))

    def await_stored(self, seconds: float) -> None:
        """Wait until everything that is in the topic now is stored.

        Raises:
            ServerError: It was not stored in time.
        """
        ends, deadline = self.ends(), time.monotonic() + seconds
        while lag := self.lag(ends):
            if time.monotonic() > deadline:
                raise ServerError(f"not stored within {seconds:g} s; messages by partition: {lag}")
            time.sleep(0.1)

    def _run(self) -> None:
        while not self._stopping.wait(SAMPLE_SECONDS):
            # The brokers may be away.
            with suppress(KafkaException):
                self._sample()

    def _sample(self) -> None:
        ends = self.ends()
        places = self._consumer.committed(self._places, timeout=ANSWER_SECONDS)
        now = time.monotonic()
        for place in places:
            if place.error is None and place.offset >= 0:
                if place.offset > self._committed.get(place.partition, -1):
                    self._progress[place.partition] = now
                self._committed[place.partition] = place.offset
        for partition in ends:
            if partition not in self.lag(ends):
                self._progress[partition] = now
            self.longest = max(self.longest, now - self._progress.setdefault(partition, now))
        for expected in list(self._expectations):
            if not self.lag(expected.ends):
                expected.seconds.append(now - expected.began)
                self._expectations.remove(expected)
