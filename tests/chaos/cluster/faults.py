"""Inflicts the planned faults on a cluster, and undoes them."""

import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Final

from tests.chaos.client import Load
from tests.chaos.cluster.cluster import Cluster
from tests.chaos.cluster.lag import LagWatch
from tests.chaos.cluster.plan import Fault
from tests.chaos.server import ServerError, SluiceProcess
from tests.waiting import WAIT_SECONDS

RECOVERY_EVENTS: Final = 10
"""Number of events that each front must acknowledge after a fault."""

EXIT_GAVE_UP: Final = 70
"""Exit code of a worker whose consumer failed for good; its manager starts another."""

LONGEST_PAUSE: Final = 20.0
LONGEST_ABSENCE: Final = 25.0
"""Seconds. The brokers take partitions away from a worker that is silent for 15."""


@dataclass(slots=True)
class Account:
    """What was inflicted, and what came of it.

    Attributes:
        inflicted: Number of faults that were survived.
        moments: Steps at which a process was killed.
        failures: Faults that were not survived, each with a description.
        gave_up: How often a worker ended by itself with 70.
        tails_lost: Number of events that were cut off the outbox of a front.
        set_aside: Ids of the events in dead letters on lost disks.
        recoveries: Seconds from the end of a single worker until what was in the topic then was
            stored.
        longest: Longest time from a single fault to recovery in seconds, and the fault.
    """

    inflicted: Counter[Fault] = field(default_factory=Counter)
    moments: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    gave_up: int = 0
    tails_lost: int = 0
    set_aside: set[str] = field(default_factory=set)
    recoveries: list[float] = field(default_factory=list)
    longest: tuple[float, str] = (0.0, "none")


class Saboteur:
    """Inflicts faults, one at a time. Several can work at the same time, each on its own lane.

    Attributes:
        handlers: What to do for each fault.
        alone: Whether no other saboteur is at work, so that durations have a meaning.
    """

    handlers: dict[Fault, Callable[[], None]]

    def __init__(
        self, cluster: Cluster, load: Load, watch: LagWatch, account: Account, random: Random
    ) -> None:
        """Create the saboteur.

        Args:
            cluster: The running cluster.
            load: The load, used to detect recovery.
            watch: Knows what is stored.
            account: Takes the results.
            random: Determines victims, moments and durations.
        """
        self.cluster = cluster
        self.load = load
        self.watch = watch
        self.account = account
        self.random = random
        self.alone = True

    def inflict(self, fault: Fault) -> None:
        """Inflict a fault, undo it, and wait until the fronts acknowledge events.

        If there is no other fault, wait until all events are stored, too.
        """
        self.sleep(0.1, 1.0)
        began = time.monotonic()
        self.note(f"begin {fault.value}")
        try:
            self.handlers[fault]()
            self.await_fronts()
            if self.alone:
                self.watch.await_stored(WAIT_SECONDS)
        except (ServerError, RuntimeError) as error:
            self.account.failures.append(f"{fault.value}: {error}")
            self.note(f"failed {fault.value}: {error}")
            self.repair()
        else:
            self.account.inflicted[fault] += 1
            self.note(f"survived {fault.value}")
            if self.alone:
                self.account.longest = max(
                    self.account.longest, (time.monotonic() - began, fault.value)
                )

    def note(self, text: str) -> None:
        """Write to the log of faults, as proof of what happened when."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        with (self.cluster.directory / "faults.log").open("a") as log:
            log.write(f"{now} {text}\n")

    def repair(self) -> None:
        """Have all of this lane's processes run again."""

    def await_fronts(self) -> None:
        """Wait until each front acknowledges events.

        Raises:
            ServerError: It did not in time.
        """
        marks = self.load.marks()
        deadline = time.monotonic() + WAIT_SECONDS
        for front in self.cluster.fronts:
            while self.load.count_since(marks, front.port) < RECOVERY_EVENTS:
                if time.monotonic() > deadline:
                    raise ServerError(f"{front.name} acknowledges nothing\n{front.log_tail()}")
                time.sleep(0.05)

    def sleep(self, least: float, most: float) -> None:
        """Wait for a random time in seconds."""
        time.sleep(self.random.uniform(least, most))

    def pause(self, process: SluiceProcess) -> None:
        """Stop a process for some seconds."""
        self.note(f"{process.name} is stopped")
        process.signal(signal.SIGSTOP)
        try:
            self.sleep(3.0, LONGEST_PAUSE)
        finally:
            process.signal(signal.SIGCONT)

    def cut_off(
        self, process: SluiceProcess, *, hang: bool, meanwhile: Callable[[], None] | None = None
    ) -> None:
        """Cut a process off from the brokers for some seconds."""
        link = self.cluster.links[process.name]
        self.note(f"{process.name} is cut off")
        (link.hang if hang else link.cut)()
        try:
            self.sleep(2.0, LONGEST_PAUSE)
            if meanwhile is not None:
                meanwhile()
        finally:
            link.heal()

    def restart(self, process: SluiceProcess) -> None:
        """Start a process that has ended."""
        self.note(f"{process.name} starts")
        process.start(faulty=True)

    def roll(self, process: SluiceProcess) -> None:
        """Have a process end itself, and start it again."""
        process.terminate()
        self.restart(process)

    def crash(self, process: SluiceProcess) -> None:
        """Make calls of a process fail."""
        for _ in range(self.random.randint(1, 3)):
            process.signal(signal.SIGUSR1)
            self.sleep(0.1, 0.4)

    def kill_at(self, process: SluiceProcess, moment: str) -> None:
        """Make a process kill itself at a step, and start it again."""
        self.note(f"{process.name} dies {moment}")
        died = process.die_at(moment)
        self.account.moments[f"{process.role} {moment}"] += died
