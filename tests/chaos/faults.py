"""Inflicts the planned faults on the server, and waits until it has recovered."""

import signal
import time
from collections import Counter
from itertools import cycle
from random import Random
from typing import Final

from tests.chaos.client import Load
from tests.chaos.disk import SmallDisk
from tests.chaos.moments import MOMENTS
from tests.chaos.plan import DISK_FAULTS, STORE_OUTAGES, Fault
from tests.chaos.server import ServerError, SluiceProcess
from tests.end_to_end.clickhouse_server import ClickHouseServer
from tests.waiting import WAIT_SECONDS

RECOVERY_EVENTS: Final = 40
"""Number of events that must be acknowledged after a fault, before the next one."""

CRASHES_PER_PROCESS: Final = 6
"""Maximum number of crashes; the supervisor gives up at eleven restarts in a minute."""

EXIT_ACTORS_FAILED: Final = 70

FAULTY_SHARE: Final = 0.5
"""Share of processes that support internal faults. The others run the unmodified server."""


class Saboteur:
    """Inflicts faults on one server and its store.

    Attributes:
        inflicted: Number of survived faults, by fault.
        skipped: Number of faults that are not possible on this machine, by fault.
        moments: Steps at which the server was killed.
        longest: Longest time from a fault to recovery in seconds, and the fault.
        failures: Faults that were not survived, each with a description.
    """

    def __init__(
        self,
        server: SluiceProcess,
        clickhouse: ClickHouseServer | None,
        disk: SmallDisk | None,
        load: Load,
        random: Random,
    ) -> None:
        """Create the saboteur.

        Args:
            server: The running server.
            clickhouse: Its running store; None if it is embedded.
            disk: The disk of its state directory; None if no disk could be created.
            load: The load, used to detect recovery.
            random: Determines times and durations.
        """
        self._server = server
        self._clickhouse = clickhouse
        self._disk = disk
        self._load = load
        self._random = random
        self._crashes_left = 0
        self._moments = cycle(random.sample(MOMENTS, len(MOMENTS)))
        self.inflicted: Counter[Fault] = Counter()
        self.skipped: Counter[Fault] = Counter()
        self.moments: Counter[str] = Counter()
        self.longest = (0.0, "none")
        self.failures: list[str] = []

    def inflict(self, fault: Fault) -> None:
        """Inflict a fault, undo it, and wait for recovery.

        Raises:
            ServerError: The server could not be restarted.
        """
        if fault in DISK_FAULTS and self._disk is None:
            self.skipped[fault] += 1
            return
        self._sleep(0.1, 1.2)
        began = time.monotonic()
        try:
            self._server.check_alive()
            if fault in STORE_OUTAGES:
                self._break_store(fault)
            else:
                self._break_server(fault)
            self.await_recovery()
        except ServerError as error:
            self.failures.append(f"{fault.value}: {error}")
            self._repair()
        else:
            self.inflicted[fault] += 1
            self.longest = max(self.longest, (time.monotonic() - began, fault.value))

    def _repair(self) -> None:
        if self._disk is not None:
            self._disk.free()
        if self._server.running:
            self._server.kill()
        self._start()
        self.await_recovery()

    def await_recovery(self) -> None:
        """Wait until the server acknowledges events again.

        Raises:
            ServerError: The server did not recover in time.
        """
        marks = self._load.marks()
        deadline = time.monotonic() + WAIT_SECONDS
        while self._load.count_since(marks, self._server.port) < RECOVERY_EVENTS:
            self._server.check_alive()
            if time.monotonic() > deadline:
                raise ServerError(
                    f"no recovery within {WAIT_SECONDS:g} s\n{self._server.log_tail()}"
                )
            time.sleep(0.05)

    def _break_server(self, fault: Fault) -> None:
        match fault:
            case Fault.KILL:
                self._kill()
                self._sleep(0.0, 0.5)
                self._start()
            case Fault.KILL_IN_START:
                self._kill()
                self._server.launch()
                self._sleep(0.3, 2.5)
                self._server.check_alive()
                self._kill()
                self._start()
            case Fault.KILL_AT:
                self._kill_at(next(self._moments))
            case Fault.KILL_IN_DRAIN:
                self._server.signal(signal.SIGTERM)
                self._sleep(0.0, 0.4)
                if self._server.running:
                    self._kill()
                self._start()
            case Fault.KILL_TORN:
                self._kill()
                self._tear_journal()
                self._start()
            case Fault.ROLL:
                self._roll()
            case Fault.CRASH:
                self._crash()
            case Fault.GIVE_UP:
                self._give_up()
            case Fault.DISK_FULL | Fault.DISK_FULL_KILL:
                self._fill_disk(kill=fault is Fault.DISK_FULL_KILL)
            case _:
                raise AssertionError(fault)

    def _break_store(self, fault: Fault) -> None:
        clickhouse = self._clickhouse
        assert clickhouse is not None
        if fault in (Fault.STORE_PAUSE, Fault.STORE_PAUSE_KILL):
            clickhouse.pause()
            try:
                self._sleep(0.5, 4.0)
                if fault is Fault.STORE_PAUSE_KILL:
                    self._kill()
                    self._server.launch()
                    self._crashes_left = 0
                    self._sleep(0.0, 2.0)
            finally:
                clickhouse.resume()
            self._server.await_answer()
            return
        if fault is Fault.STORE_KILL_CRASH:
            self._have_faulty_server()
        clickhouse.kill()
        try:
            self._sleep(0.0, 4.0)
            if fault is Fault.STORE_KILL_KILL:
                self._kill()
                self._start()
                self._sleep(0.0, 1.0)
            elif fault is Fault.STORE_KILL_ROLL:
                self._roll()
            elif fault is Fault.STORE_KILL_CRASH:
                self._crash()
        finally:
            clickhouse.start()

    def _kill(self) -> None:
        self._server.kill()

    def _kill_at(self, moment: str) -> None:
        """Make the server kill itself at a step of the pipeline, at the latest while draining."""
        self._have_faulty_server()
        died = self._server.die_at(moment)
        self._start()
        self.moments[moment] += died

    def _tear_journal(self) -> None:
        """Append the beginning of an unacknowledged run, as after a power failure."""
        files = [path for path in (self._server.state / "journal").iterdir() if path.is_file()]
        segments = [path for path in files if path.suffix == ".journal"]
        if segments:
            newest = max(segments, key=lambda path: path.stat().st_mtime_ns)
            with newest.open("ab") as segment:
                segment.write(self._random.randbytes(self._random.randint(1, 600)))

    def _start(self, *, faulty: bool | None = None) -> None:
        if faulty is None:
            faulty = self._random.random() < FAULTY_SHARE
        self._server.start(faulty=faulty)
        self._crashes_left = CRASHES_PER_PROCESS if faulty else 0

    def _roll(self, *, faulty: bool | None = None) -> None:
        self._server.terminate()
        self._start(faulty=faulty)

    def _have_faulty_server(self) -> None:
        if self._crashes_left < 3:
            self._roll(faulty=True)
            self.await_recovery()

    def _crash(self) -> None:
        self._have_faulty_server()
        for _ in range(self._random.randint(1, 3)):
            self._server.signal(signal.SIGUSR1)
            self._crashes_left -= 1
            self._sleep(0.1, 0.4)

    def _give_up(self) -> None:
        self._have_faulty_server()
        self._server.signal(signal.SIGUSR2)
        code = self._server.wait()
        self._start()
        if code != EXIT_ACTORS_FAILED:
            raise ServerError(f"exit code {code} after too many restarts")

    def _fill_disk(self, *, kill: bool) -> None:
        assert self._disk is not None
        self._disk.fill()
        try:
            self._sleep(0.5, 2.0)
            if kill:
                self._kill()
                self._start()
                self._sleep(0.0, 1.0)
        finally:
            self._disk.free()

    def _sleep(self, least: float, most: float) -> None:
        time.sleep(self._random.uniform(least, most))
