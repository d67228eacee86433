"""Waits until everything that was acknowledged is stored."""

import http.client
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from tests.chaos.cluster.cluster import Cluster
from tests.chaos.cluster.lag import LagWatch
from tests.chaos.server import ServerError, SluiceProcess
from tests.waiting import WAIT_SECONDS


def await_outboxes(cluster: Cluster) -> None:
    """Wait until the topic has everything that the fronts have.

    Raises:
        ServerError: It took too long.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    for front in cluster.fronts:
        while waiting := _backlog(front):
            front.check_alive()
            if time.monotonic() > deadline:
                raise ServerError(f"{front.name} keeps {waiting} events\n{front.log_tail()}")
            time.sleep(0.1)


def await_topic(
    cluster: Cluster, watch: LagWatch, start_ended: Callable[[], None] | None = None
) -> None:
    """Wait until the workers have stored and committed everything that the topic has.

    Args:
        cluster: The cluster.
        watch: Knows what is committed.
        start_ended: Starts workers that ended by themselves meanwhile.

    Raises:
        ServerError: It took too long.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    ends = watch.true_ends()
    while any(watch.ends().get(partition, 0) < end for partition, end in ends.items()):
        if time.monotonic() > deadline:
            raise ServerError(f"the topic was read to {watch.ends()} and ends at {ends}")
        time.sleep(0.1)
    while lag := watch.lag(ends):
        if start_ended is not None:
            start_ended()
        if time.monotonic() > deadline:
            logs = "\n".join(worker.log_tail() for worker in cluster.workers)
            raise ServerError(f"messages are not stored, by partition: {lag}\n{logs}")
        time.sleep(0.1)


def _backlog(front: SluiceProcess) -> int:
    """Return the number of events in an outbox; -1 if it is not known."""
    with suppress(OSError, http.client.HTTPException, ValueError):
        return sum(_backlogs(front.ready()))
    return -1


def _backlogs(report: object) -> Iterator[int]:
    if isinstance(report, dict):
        for name, value in report.items():
            if name == "backlog_events":
                yield int(value)
            else:
                yield from _backlogs(value)
