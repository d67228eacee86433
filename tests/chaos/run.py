"""One run against one store: load, faults, drain, audit."""

import http.client
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.audit import Findings, audit
from tests.chaos.client import Load
from tests.chaos.disk import SmallDisk
from tests.chaos.events import Sent
from tests.chaos.faults import Saboteur
from tests.chaos.plan import Fault
from tests.chaos.rude import RudeClients
from tests.chaos.server import ServerError, SluiceProcess
from tests.chaos.stored import letters_of_rows, read_events, read_sessions, set_aside
from tests.chaos.traffic import seeded
from tests.end_to_end.clickhouse_server import ClickHouseServer, free_port
from tests.waiting import WAIT_SECONDS


@dataclass(slots=True)
class Result:
    """The result of a run.

    Attributes:
        store: `chdb` or `clickhouse`.
        directory: Directory of the run; deleted if the run passed.
        inflicted: Survived faults.
        skipped: Faults that were not possible on this machine.
        moments: Steps at which the server was killed.
        longest: Longest time to recovery in seconds, and the fault.
        failures: Other failures.
        notes: Notes on the circumstances of the run.
        findings: Result of the audit; None if there was no audit.
        put_back: Number of dead letters of rows that were redriven before the audit.
        rude: Number of connections of misbehaving clients.
        generations: Number of started processes.
        peak_kb: Largest resident memory of any process.
        load_seconds: Duration of the load.
        seconds: Duration of the whole run.
    """

    store: str
    directory: Path
    inflicted: Counter[Fault] = field(default_factory=Counter)
    skipped: Counter[Fault] = field(default_factory=Counter)
    moments: Counter[str] = field(default_factory=Counter)
    longest: tuple[float, str] = (0.0, "none")
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    findings: Findings | None = None
    put_back: int = 0
    rude: int = 0
    generations: int = 0
    peak_kb: int = 0
    load_seconds: float = 0.0
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether there were no failures and violations."""
        return not self.failures and self.findings is not None and self.findings.passed


def run(store: str, seed: int, plan: Iterable[Fault], seconds: float) -> Result:
    """Run against a fresh store.

    Args:
        store: `chdb` or `clickhouse`.
        seed: Determines traffic, faults and their moments.
        plan: The faults, in order.
        seconds: Maximum duration of the load, even if the plan is not complete.
    """
    began = time.monotonic()
    result = Result(store, Path(tempfile.mkdtemp(prefix=f"sluice-chaos-{store}-")))
    try:
        with ExitStack() as stack:
            _run(result, seed, plan, seconds, stack)
    except (ServerError, RuntimeError) as error:
        result.failures.append(str(error))
    except KeyboardInterrupt:
        shutil.rmtree(result.directory, ignore_errors=True)
        raise
    result.seconds = time.monotonic() - began
    if result.passed:
        shutil.rmtree(result.directory, ignore_errors=True)
    return result


def _run(
    result: Result, seed: int, plan: Iterable[Fault], seconds: float, stack: ExitStack
) -> None:
    random = seeded(seed, "run", result.store)
    clickhouse = None
    url = "chdb://chdb"
    if result.store == "clickhouse":
        clickhouse = ClickHouseServer(result.directory / "clickhouse")
        stack.enter_context(clickhouse)
        url = clickhouse.url("chaos")
    disk = stack.enter_context(_small_disk(result))
    server = SluiceProcess(
        result.directory, result.directory / "state", free_port(), {"CLICKHOUSE_URL": url}
    )
    stack.callback(_note_server, server, result)
    server.start()
    load, rude = Load((server.port,), seed), RudeClients((server.port,), seed)
    stack.callback(load.stop)
    stack.callback(rude.stop)
    load.start()
    rude.start()
    saboteur = Saboteur(server, clickhouse, disk, load, random)
    result.inflicted, result.skipped = saboteur.inflicted, saboteur.skipped
    result.failures, result.moments = saboteur.failures, saboteur.moments
    began = time.monotonic()
    saboteur.await_recovery()
    for fault in plan:
        if time.monotonic() - began >= seconds:
            break
        saboteur.inflict(fault)
    result.longest = saboteur.longest
    sent = [*load.stop(), *rude.stop()]
    result.load_seconds, result.rude = time.monotonic() - began, rude.connections
    result.findings, result.put_back = audit_server(server, sent)


def audit_server(server: SluiceProcess, sent: list[Sent]) -> tuple[Findings, int]:
    """Wait for the server to drain, restart it, run the audit, and stop it.

    Returns:
        The findings, and the number of dead letters of rows that were redriven before.
    """
    _await_stored(server)
    server.terminate()
    server.start()
    letters = letters_of_rows(server.state)
    if letters:
        server.command("dead-letters", "replay", *letters)
    _await_stored(server)
    findings = audit(
        sent, read_events(server.query), read_sessions(server.query), set_aside(server.state)
    )
    server.terminate()
    return findings, len(letters)


def _await_stored(server: SluiceProcess) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        server.check_alive()
        waiting = "no answer"
        with suppress(OSError, http.client.HTTPException):
            report = server.ready()
            events = report["journal"].get("backlog_events", report["store"]["rows_waiting"])
            letters = sum(1 for _ in (server.state / "dead-letters").glob("*.replay"))
            if events == letters == 0:
                return
            waiting = f"{events} events and {letters} letters"
        if time.monotonic() > deadline:
            raise ServerError(
                f"{waiting} not stored within {WAIT_SECONDS:g} s\n{server.log_tail()}"
            )
        time.sleep(0.1)


def _note_server(server: SluiceProcess, result: Result) -> None:
    server.close()
    result.generations, result.peak_kb = server.generations, server.peak_kb


@contextmanager
def _small_disk(result: Result) -> Iterator[SmallDisk | None]:
    state = result.directory / "state"
    try:
        disk = SmallDisk(state)
    except OSError as error:
        result.notes.append(f"the disk cannot be filled, since no small one can be made: {error}")
        yield None
        return
    try:
        yield disk
    finally:
        interrupted = isinstance(sys.exc_info()[1], KeyboardInterrupt)
        gone = result.passed or interrupted
        disk.unmount(keep_in=None if gone else result.directory / "state-kept")
