"""Faults of fronts."""

import shutil
import time
from itertools import cycle
from typing import Any, Final

from tests.chaos.cluster.faults import Saboteur
from tests.chaos.cluster.plan import Fault
from tests.chaos.events import Outcome
from tests.chaos.power_loss import lose_unsynced
from tests.chaos.server import ServerError, SluiceProcess
from tests.chaos.stored import set_aside
from tests.waiting import WAIT_SECONDS

MOMENTS: Final = (
    "before append",
    "after append",
    "before commit",
    "after commit",
    "before retire",
    "after retire",
)
REFUSALS: Final = 5
"""Number of refused events after which an outbox counts as full."""


class FrontSaboteur(Saboteur):
    """Inflicts faults on fronts."""

    def __init__(self, *arguments: Any) -> None:
        """As the base class."""
        super().__init__(*arguments)
        self._moments = cycle(self.random.sample(MOMENTS, len(MOMENTS)))
        self.handlers = {
            Fault.FRONT_KILL: self._kill,
            Fault.FRONT_KILL_AT: self._kill_at,
            Fault.FRONT_PAUSE: lambda: self.pause(self._any),
            Fault.FRONT_CUT: lambda: self.cut_off(self._any, hang=False),
            Fault.FRONT_HANG: lambda: self.cut_off(self._any, hang=True),
            Fault.FRONT_CUT_KILL: self._cut_and_kill,
            Fault.FRONT_CUT_ROLL: self._cut_and_roll,
            Fault.FRONT_FULL: self._fill,
            Fault.FRONT_POWER: self._lose_tail,
            Fault.FRONT_DISK: self._lose_disk,
            Fault.FRONT_CRASH: lambda: self.crash(self._any),
            Fault.FRONTS_ROLL: self._roll_all,
        }

    @property
    def _any(self) -> SluiceProcess:
        return self.random.choice(self.cluster.fronts)

    @property
    def _refusing(self) -> SluiceProcess:
        """The front that answers only what Kafka has, and so may lose its disk."""
        return self.cluster.fronts[1]

    def repair(self) -> None:
        """Heal the links, and start each front that does not run."""
        for front in self.cluster.fronts:
            self.cluster.links[front.name].heal()
            if not front.running:
                self.restart(front)

    def _kill(self) -> None:
        front = self._any
        front.kill()
        self.sleep(0.0, 3.0)
        self.restart(front)

    def _kill_at(self) -> None:
        front = self._any
        self.kill_at(front, next(self._moments))
        self.restart(front)

    def _cut_and_kill(self) -> None:
        front = self._any

        def meanwhile() -> None:
            front.kill()
            self.restart(front)
            self.sleep(0.0, 3.0)

        self.cut_off(front, hang=self.random.random() < 0.5, meanwhile=meanwhile)

    def _cut_and_roll(self) -> None:
        front = self._any
        self.cut_off(front, hang=self.random.random() < 0.5, meanwhile=lambda: self.roll(front))

    def _fill(self) -> None:
        front = self.cluster.fronts[0]
        link = self.cluster.links[front.name]
        marks, deadline = self.load.marks(), time.monotonic() + WAIT_SECONDS
        link.cut()
        try:
            while self.load.count_since(marks, front.port, Outcome.REFUSED) < REFUSALS:
                if time.monotonic() > deadline:
                    raise ServerError(f"its outbox does not fill\n{front.log_tail()}")
                time.sleep(0.1)
        finally:
            link.heal()

    def _lose_tail(self) -> None:
        front = self._refusing
        front.kill()
        self.account.tails_lost += lose_unsynced(front.state)
        self.restart(front)

    def _lose_disk(self) -> None:
        front = self._refusing
        front.kill()
        self.account.set_aside |= set_aside(front.state)
        shutil.rmtree(front.state)
        self.restart(front)

    def _roll_all(self) -> None:
        for front in self.cluster.fronts:
            self.roll(front)
