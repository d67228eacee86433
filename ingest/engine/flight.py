"""A front's messages that Kafka has not acknowledged yet."""

import heapq
from collections import deque
from itertools import count
from typing import NamedTuple

from ingest.engine.gatherer import GatheredMessage
from ingest.records.run import LogPoint


class _ReadRun(NamedTuple):
    """A run of the front's log that was read.

    Attributes:
        end: The point after it.
        log_time: When it entered the log, Unix seconds.
        read_at: When it was read, on the caller's clock.
    """

    end: LogPoint
    log_time: int
    read_at: float


class SentMessage:
    """A message on its way.

    Attributes:
        size: Its bytes.
        events: How many of its records are events.
    """

    __slots__ = ("acknowledged", "events", "first", "size")

    def __init__(self, message: GatheredMessage) -> None:
        """Note what is needed of a message once its bytes are handed over."""
        self.first = message.first
        self.size = len(message.data)
        self.events = message.events
        self.acknowledged = False


class Flight:
    """What one producer was given, and which runs it came from.

    Messages of several partitions overlap, so the acknowledged records have gaps. `acknowledged` is
    the end of the last run before which there is none.

    Attributes:
        acknowledged: All records before it are in Kafka.
        read: All records before it were read.
        messages: Number of messages on their way.
        bytes: Their size.
    """

    def __init__(self, start: LogPoint) -> None:
        """Start with nothing on its way.

        Args:
            start: Where reading starts. All records before it are in Kafka.
        """
        self.acknowledged = self.read = start
        self.messages = self.bytes = 0
        self._runs: deque[_ReadRun] = deque()
        self._sent: list[tuple[int, int, SentMessage]] = []
        self._numbers = count()

    def add_run(self, end: LogPoint, log_time: int, now: float) -> None:
        """Note that a run was read, whose records will be sent.

        Args:
            end: The point after it.
            log_time: When it entered the log, Unix seconds.
            now: On any clock that does not step back.
        """
        self.read = end
        self._runs.append(_ReadRun(end, log_time, now))

    def send(self, message: GatheredMessage) -> SentMessage:
        """Note that a message was handed over."""
        sent = SentMessage(message)
        heapq.heappush(self._sent, (sent.first, next(self._numbers), sent))
        self.messages += 1
        self.bytes += sent.size
        return sent

    def acknowledge(self, sent: SentMessage) -> None:
        """Note that Kafka has a message."""
        sent.acknowledged = True
        self.messages -= 1
        self.bytes -= sent.size

    def advance(self, waiting: int | None) -> bool:
        """Move `acknowledged`.

        Args:
            waiting: Lowest position of the read records that are not sent yet; None if all are.

        Returns:
            Whether it has moved.
        """
        while self._sent and self._sent[0][2].acknowledged:
            heapq.heappop(self._sent)
        lowest = self._sent[0][0] if self._sent else None
        if waiting is not None and (lowest is None or waiting < lowest):
            lowest = waiting
        before = self.acknowledged
        while self._runs and (lowest is None or self._runs[0].end.position <= lowest):
            self.acknowledged = self._runs.popleft().end
        return self.acknowledged != before

    def oldest_wait(self, now: float) -> float:
        """For how long the oldest run that is not acknowledged has been read; 0 if there is none.

        Args:
            now: On the clock of `add_run`.
        """
        return now - self._runs[0].read_at if self._runs else 0.0

    @property
    def oldest_log_time(self) -> int | None:
        """When the oldest run that is not acknowledged entered the log; None if there is none."""
        return self._runs[0].log_time if self._runs else None
