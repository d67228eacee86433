"""One run of a cluster: load, faults, drain, audit."""

import shutil
import tempfile
import threading
import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.chaos.audit import Findings, audit
from tests.chaos.client import Load
from tests.chaos.cluster.cluster import NAMES, Cluster
from tests.chaos.cluster.drain import await_outboxes, await_topic
from tests.chaos.cluster.faults import Account, Saboteur
from tests.chaos.cluster.front_faults import FrontSaboteur
from tests.chaos.cluster.lag import LagWatch
from tests.chaos.cluster.newer_message import check_newer_message
from tests.chaos.cluster.plan import Fault, Lane, lane_faults, lane_of, short_faults, single_faults
from tests.chaos.cluster.server_faults import ServerSaboteur
from tests.chaos.cluster.traffic import HOT, USUAL, LargeRequests
from tests.chaos.cluster.worker_faults import WorkerSaboteur
from tests.chaos.events import Sent
from tests.chaos.rude import RudeClients
from tests.chaos.server import ServerError
from tests.chaos.stored import read_events, read_sessions, set_aside
from tests.chaos.traffic import UID, seeded

WORKERS: Final = 3
SHORT_WORKERS: Final = 2
SINGLE_SHARE: Final = 0.5
"""Share of the time in which there is one fault at a time."""

_SABOTEURS: Final = {
    Lane.FRONTS: FrontSaboteur,
    Lane.WORKERS: WorkerSaboteur,
    Lane.SERVERS: ServerSaboteur,
}


@dataclass(slots=True)
class Result:
    """The result of a run.

    Attributes:
        directory: Directory of the run; deleted if the run passed.
        account: The faults and their consequences.
        findings: Result of the audit; None if there was no audit.
        copies: Number of events that a front sent to the topic again.
        longest_lag: Longest time in seconds in which a partition had lag and no progress.
        peaks: Peak memory of each process in kB, by name.
        generations: Number of started processes.
        rude: Number of connections of misbehaving clients.
        load_seconds: Duration of the load.
        seconds: Duration of the whole run.
    """

    directory: Path
    account: Account = field(default_factory=Account)
    findings: Findings | None = None
    copies: int = 0
    longest_lag: float = 0.0
    peaks: dict[str, int] = field(default_factory=dict)
    generations: int = 0
    rude: int = 0
    load_seconds: float = 0.0
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether there were no failures and violations."""
        return not self.account.failures and self.findings is not None and self.findings.passed


def run(seed: int, seconds: float | None) -> Result:
    """Run on new brokers and a new store.

    Args:
        seed: Determines traffic and faults.
        seconds: Duration of the faults; None for the short run.
    """
    began = time.monotonic()
    result = Result(Path(tempfile.mkdtemp(prefix="sluice-chaos-cluster-")))
    try:
        with ExitStack() as stack:
            _run(result, seed, seconds, stack)
    except (ServerError, RuntimeError) as error:
        result.account.failures.append(str(error))
    except KeyboardInterrupt:
        shutil.rmtree(result.directory, ignore_errors=True)
        raise
    result.seconds = time.monotonic() - began
    if result.passed:
        shutil.rmtree(result.directory, ignore_errors=True)
    return result


def _run(result: Result, seed: int, seconds: float | None, stack: ExitStack) -> None:
    count = SHORT_WORKERS if seconds is None else WORKERS
    cluster = stack.enter_context(Cluster(result.directory, count))
    stack.callback(note_processes, cluster, result)
    watch = LagWatch(cluster.brokers, NAMES, cluster.follower)
    stack.callback(watch.close)
    load = Load(cluster.ports, seed, USUAL)
    others: list[Load | LargeRequests | RudeClients] = [
        Load(cluster.ports, seed, HOT),
        LargeRequests(cluster.ports, seed),
        rude := RudeClients(cluster.ports, seed),
    ]
    for sender in (load, *others):
        stack.callback(sender.stop)
        sender.start()
    saboteurs = {
        lane: kind(cluster, load, watch, result.account, seeded(seed, "cluster", lane.name))
        for lane, kind in _SABOTEURS.items()
    }
    began = time.monotonic()
    saboteurs[Lane.SERVERS].await_fronts()
    if seconds is None:
        _storm(saboteurs, {lane: short_faults(lane, seed) for lane in Lane}, None)
    else:
        for fault in single_faults(seed):
            if time.monotonic() - began >= seconds * SINGLE_SHARE:
                break
            saboteurs[lane_of(fault)].inflict(fault)
        _storm(saboteurs, {lane: lane_faults(lane, seed) for lane in Lane}, began + seconds)
    sent = [event for sender in (load, *others) for event in sender.stop()]
    result.load_seconds, result.rude = time.monotonic() - began, rude.connections
    workers = saboteurs[Lane.WORKERS]
    assert isinstance(workers, WorkerSaboteur)
    await_outboxes(cluster)
    await_topic(cluster, watch, workers.start_ended)
    _audit(cluster, watch, sent, seed, result)


def _storm(
    saboteurs: dict[Lane, Saboteur], plans: dict[Lane, Iterable[Fault]], until: float | None
) -> None:
    """Inflict the faults of all lanes at the same time."""

    def inflict(saboteur: Saboteur, faults: Iterable[Fault]) -> None:
        saboteur.alone = False
        for fault in faults:
            if until is not None and time.monotonic() >= until:
                break
            saboteur.inflict(fault)

    threads = [
        threading.Thread(target=inflict, args=(saboteurs[lane], plan), daemon=True)
        for lane, plan in plans.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _audit(cluster: Cluster, watch: LagWatch, sent: list[Sent], seed: int, result: Result) -> None:
    """Run the audit when everything is stored, and end all processes."""
    result.longest_lag = watch.longest
    letters = set(result.account.set_aside)
    for letter in cluster.letters():
        letters |= {match[0] for match in UID.finditer(letter.decode(errors="replace"))}
    for front in cluster.fronts:
        letters |= set_aside(front.state)
    record = cluster.follower.record
    result.copies = record.copies
    result.account.failures += record.problems[:5]
    result.findings = audit(
        sent, read_events(cluster.query), read_sessions(cluster.query), letters, record.positions
    )
    check_newer_message(cluster, watch, seed)
    for process in cluster.processes:
        process.terminate()


def note_processes(cluster: Cluster, result: Result) -> None:
    """Note what the processes took."""
    for process in cluster.processes:
        result.peaks[process.name] = process.peak_kb
        result.generations += process.generations
