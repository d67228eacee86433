"""How long a partition waits after its worker was killed."""

import os
import signal
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from benchmarks.members import Members, Servers, folding, owned, until
from benchmarks.memory import event
from ingest.engine.gatherer import GatheredMessage, Gatherer
from ingest.model.event import EnrichedEvent
from ingest.records.run import Run

FLUSH_SECONDS: Final = 1
OUTAGE_EVENTS: Final = 1_000
"""Events that arrive after the kill; all is over when they are stored."""

LOOK_SECONDS: Final = 0.05
RUN_EVENTS: Final = 1_000
SOURCE: Final = 1


@dataclass(frozen=True, slots=True)
class Recovery:
    """What happened, in seconds.

    Attributes:
        visits: Number of open visits in the checkpoint.
        replayed: Number of stored events behind it.
        session: From the kill until another worker owned the partition.
        load: From there until it had loaded the checkpoint.
        replay: From there until new events were stored.
    """

    visits: int
    replayed: int
    session: float
    load: float
    replay: float

    @property
    def seconds(self) -> float:
        """All together."""
        return self.session + self.load + self.replay


class Visits:
    """The messages of a front: pageviews of many visitors, in rounds.

    Attributes:
        sent: Number of events so far.
    """

    def __init__(self, visits: int) -> None:
        """Begin with no events.

        Args:
            visits: Number of visitors. Each has one visit, which goes on in each round.
        """
        self.sent = 0
        self._visits = visits
        self._gatherer = Gatherer(1)

    def messages(self, events: int) -> list[GatheredMessage]:
        """Return the messages of the next events."""
        gathered: list[GatheredMessage] = []
        now = int(time.time())
        records = list(self._events(events, now))
        for begin in range(0, events, RUN_EVENTS):
            first = self.sent + begin
            run = Run(SOURCE, first, first, now, records[begin : begin + RUN_EVENTS])
            gathered += self._gatherer.add_run(run)
        self.sent += events
        return gathered + self._gatherer.take_all()

    def _events(self, count: int, now: int) -> Iterator[EnrichedEvent]:
        for number in range(self.sent, self.sent + count):
            yield event(number % self._visits, now)


def measure_recovery(servers: Servers, visits: int, replayed: int) -> Recovery:
    """Kill the worker of one partition, and see when another one has stored what came since.

    Args:
        servers: The brokers and the store.
        visits: Number of open visits in the partition's checkpoint.
        replayed: Number of events that were stored since the checkpoint.
    """
    members = Members(servers, "recovery", 1)
    traffic = Visits(visits)
    settings = {"SLUICE_FLUSH_SECONDS": str(FLUSH_SECONDS)}

    def stored() -> int:
        port, database = servers.clickhouse.http_port, members.database
        url = f"http://127.0.0.1:{port}/?database={database}"
        with urllib.request.urlopen(url, b"SELECT count() FROM events_v2") as answer:
            return int(answer.read())

    def send(events: int) -> None:
        members.produce(traffic.messages(events))

    def wait_stored() -> None:
        until(lambda: stored() == traffic.sent, LOOK_SECONDS)

    with members.worker(**settings) as worker:
        until(lambda: folding(worker))
        send(visits)
        wait_stored()
    # It was told to end, and so has left a checkpoint with all visits.
    left = members.checkpoint(0)
    with members.worker(**settings) as first, members.worker(**settings) as second:
        until(lambda: folding(first) or folding(second))
        worker, standby = (first, second) if folding(first) else (second, first)
        # The first partition saves a checkpoint soon after a takeover, and the next one much later.
        until(lambda: members.checkpoint(0) != left)
        send(replayed)
        wait_stored()
        os.kill(worker.pid, signal.SIGKILL)
        killed_at = time.monotonic()
        send(OUTAGE_EVENTS)
        until(lambda: owned(standby), LOOK_SECONDS)
        owned_at = time.monotonic()
        until(lambda: folding(standby), LOOK_SECONDS)
        loaded_at = time.monotonic()
        wait_stored()
        over_at = time.monotonic()
    return Recovery(
        visits, replayed, owned_at - killed_at, loaded_at - owned_at, over_at - loaded_at
    )
