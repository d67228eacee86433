"""Midnight with Kafka away: the fronts cannot agree on a salt, and visits go on nevertheless."""

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final
from unittest.mock import patch

from tests.chaos.audit import audit
from tests.chaos.client import Crowd, Load
from tests.chaos.cluster.cluster import NAMES, Cluster
from tests.chaos.cluster.drain import await_outboxes, await_topic
from tests.chaos.cluster.lag import LagWatch
from tests.chaos.cluster.run import Result, note_processes
from tests.chaos.server import ServerError, SluiceProcess
from tests.chaos.stored import read_events, read_sessions
from tests.chaos.traffic import visit
from tests.end_to_end.moved_clock import VARIABLE, move_clock

BEFORE: Final = "22:40:00"
"""When the fronts agree on the day's salt. They propose the next one from 23:00 on."""

EVE: Final = "23:58:00"
AFTER: Final = "00:00:20"

AGREED: Final = "salt agreed on"

CROWD: Final = Crowd(
    connections=6,
    visitors=10,
    events_per_second=40.0,
    first=600_000,
    visits=partial(visit, length=1_000),
)
EVENTS: Final = 150
WAIT_SECONDS: Final = 180.0


def run_midnight(seed: int) -> Result:
    """Run on new brokers and a new store, shortly before a midnight to come."""
    began = time.monotonic()
    result = Result(Path(tempfile.mkdtemp(prefix="sluice-chaos-midnight-")))
    try:
        with ExitStack() as stack:
            _run(result, seed, stack)
    except (ServerError, RuntimeError) as error:
        result.account.failures.append(str(error))
    except KeyboardInterrupt:
        shutil.rmtree(result.directory, ignore_errors=True)
        raise
    result.seconds = time.monotonic() - began
    if result.passed:
        shutil.rmtree(result.directory, ignore_errors=True)
    return result


def _run(result: Result, seed: int, stack: ExitStack) -> None:
    clock = result.directory / "clock"
    move_clock(clock, BEFORE)
    # The processes take over the environment when they are created.
    stack.enter_context(patch.dict(os.environ, {VARIABLE: str(clock)}))
    cluster = Cluster(result.directory, workers=1, outages=("journal", "journal"))
    stack.enter_context(cluster)
    stack.callback(note_processes, cluster, result)
    _await("a salt for the day", lambda: all(map(_has_salt, cluster.fronts)))
    for front in cluster.fronts:
        cluster.links[front.name].cut()
    _move(cluster, clock, EVE, steps=1)
    watch = LagWatch(cluster.brokers, NAMES, cluster.follower)
    stack.callback(watch.close)
    load = Load(cluster.ports, seed, CROWD)
    stack.callback(load.stop)
    began = time.monotonic()
    load.start()
    _await_events(load, cluster)
    _move(cluster, clock, AFTER, days=1, steps=2)
    _await_events(load, cluster)
    for front in cluster.fronts:
        cluster.links[front.name].heal()
    await_outboxes(cluster)
    _await_events(load, cluster)
    sent = load.stop()
    result.load_seconds = time.monotonic() - began
    await_outboxes(cluster)
    await_topic(cluster, watch)
    result.findings = audit(
        sent,
        read_events(cluster.query),
        read_sessions(cluster.query),
        set(),
        cluster.follower.record.positions,
    )
    result.account.failures += cluster.follower.record.problems[:5]
    if any(front.log_text().count(AGREED) < 2 for front in cluster.fronts):
        result.account.failures.append("the fronts have not agreed on a salt for the new day")
    for process in cluster.processes:
        process.terminate()


def _move(cluster: Cluster, clock: Path, moment: str, *, steps: int, days: int = 0) -> None:
    """Move the clock of all processes, and wait until they have followed."""
    move_clock(clock, moment, days=days)
    _await(
        f"it is {moment}",
        lambda: all(
            process.log_text().count("followed a step") >= steps for process in cluster.processes
        ),
    )


def _has_salt(front: SluiceProcess) -> bool:
    return AGREED in front.log_text()


def _await_events(load: Load, cluster: Cluster) -> None:
    """Wait until each front has acknowledged further events."""
    marks = load.marks()
    _await(
        "events are acknowledged",
        lambda: all(load.count_since(marks, port) >= EVENTS for port in cluster.ports),
    )


def _await(what: str, is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not is_true():
        if time.monotonic() > deadline:
            raise ServerError(f"{what}: not within {WAIT_SECONDS:g} s")
        time.sleep(0.1)
