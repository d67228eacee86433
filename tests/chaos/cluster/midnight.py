"""Midnight with Kafka away: the fronts cannot agree on a salt, and visits go on nevertheless."""

import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import time as day_time
from functools import partial
from pathlib import Path
from typing import Final

from tests.chaos.audit import audit
from tests.chaos.client import Crowd, Load
from tests.chaos.cluster.cluster import NAMES, Cluster
from tests.chaos.cluster.drain import await_outboxes, await_topic
from tests.chaos.cluster.faked_time import faked_time, next_day
from tests.chaos.cluster.lag import LagWatch
from tests.chaos.cluster.run import Result, note_processes
from tests.chaos.server import ServerError, SluiceProcess
from tests.chaos.stored import read_events, read_sessions
from tests.chaos.traffic import seeded, visit

BEFORE: Final = day_time(22, 40)
"""When the fronts agree on the day's salt. They propose the next one from 23:00 on."""

EVE: Final = day_time(23, 58)
SECONDS_BEFORE: Final = 120.0
"""From then until midnight."""

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
    cluster = Cluster(
        result.directory, seeded(seed, "midnight"), workers=1, outages=("journal", "journal")
    )
    with faked_time(next_day(BEFORE)):
        stack.enter_context(cluster)
        stack.callback(note_processes, cluster, result)
        _await("a salt for the day", lambda: all(map(_has_salt, cluster.fronts)))
        for process in cluster.processes:
            process.terminate()
        cluster.brokers.kill(*cluster.brokers.numbers)
    midnight = time.monotonic() + SECONDS_BEFORE
    with faked_time(next_day(EVE)):
        cluster.brokers.start(*cluster.brokers.numbers)
        for front in cluster.fronts:
            cluster.links[front.name].cut()
        for process in cluster.processes:
            process.start()
    watch = LagWatch(cluster.brokers, NAMES, cluster.follower)
    stack.callback(watch.close)
    load = Load(cluster.ports, seed, CROWD)
    stack.callback(load.stop)
    began = time.monotonic()
    load.start()
    _await_events(load, cluster)
    if time.monotonic() >= midnight:
        raise ServerError("the processes took too long to start: midnight has passed")
    time.sleep(midnight - time.monotonic())
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
    ids = int(cluster.query("SELECT uniqExact(user_id) AS ids FROM events_v2")[0]["ids"])
    if ids <= result.findings.visitors:
        result.account.failures.append(f"{ids} ids of visitors: the salt was not rotated")
    for process in cluster.processes:
        process.terminate()


def _has_salt(front: SluiceProcess) -> bool:
    return "salt agreed on" in front.log_text()


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
