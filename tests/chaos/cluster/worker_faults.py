"""Faults of workers."""

import shutil
from itertools import cycle
from typing import Any, Final

from tests.chaos.cluster.faults import EXIT_GAVE_UP, LONGEST_ABSENCE, Saboteur
from tests.chaos.cluster.plan import Fault
from tests.chaos.server import SluiceProcess

MOMENTS: Final = (
    "after prepare",
    "before insert",
    "after insert",
    "before commit",
    "after commit",
    "before checkpoint",
    "after checkpoint",
)


class WorkerSaboteur(Saboteur):
    """Inflicts faults on workers."""

    def __init__(self, *arguments: Any) -> None:
        """As the base class."""
        super().__init__(*arguments)
        self._moments = cycle(self.random.sample(MOMENTS, len(MOMENTS)))
        self.handlers = {
            Fault.WORKER_KILL: self._kill,
            Fault.WORKER_KILL_AT: self._kill_at,
            Fault.WORKER_PAUSE: lambda: self.pause(self._any),
            Fault.WORKER_CUT: lambda: self.cut_off(self._any, hang=False),
            Fault.WORKER_HANG: lambda: self.cut_off(self._any, hang=True),
            Fault.WORKER_DISK: self._lose_disk,
            Fault.WORKER_CRASH: lambda: self.crash(self._any),
            Fault.WORKERS_KILL: self._kill_all,
            Fault.WORKERS_ROLL: self._roll_all,
        }

    def inflict(self, fault: Fault) -> None:
        """As the base class; before and after it, start workers that gave up."""
        self.start_ended()
        super().inflict(fault)
        self.start_ended()

    def repair(self) -> None:
        """Heal the links, and start each worker that does not run."""
        for worker in self.cluster.workers:
            self.cluster.links[worker.name].heal()
        self.start_ended()

    def start_ended(self) -> None:
        """Do what a process manager does: start those that ended by themselves."""
        for worker in self.cluster.workers:
            if worker.exit_code == EXIT_GAVE_UP:
                self.account.gave_up += 1
            elif not worker.running:
                self.account.failures.append(
                    f"{worker.name} ended by itself with {worker.exit_code}\n{worker.log_tail()}"
                )
            if not worker.running:
                self.restart(worker)

    @property
    def _any(self) -> SluiceProcess:
        return self.random.choice(self.cluster.workers)

    def _measure(self) -> None:
        """Measure how long the partitions of a killed worker are not stored."""
        if self.alone:
            self.watch.expect(self.account.recoveries)

    def _kill(self) -> None:
        worker = self._any
        worker.kill()
        self._measure()
        self.sleep(0.0, LONGEST_ABSENCE)
        self.restart(worker)

    def _kill_at(self) -> None:
        worker = self._any
        self.kill_at(worker, next(self._moments))
        self._measure()
        self.restart(worker)

    def _lose_disk(self) -> None:
        worker = self._any
        worker.kill()
        self._measure()
        shutil.rmtree(worker.state)
        self.restart(worker)

    def _kill_all(self) -> None:
        for worker in self.cluster.workers:
            worker.kill()
        self.sleep(0.0, 5.0)
        for worker in self.cluster.workers:
            worker.launch(faulty=True)
        for worker in self.cluster.workers:
            worker.await_answer()

    def _roll_all(self) -> None:
        for worker in self.cluster.workers:
            self.roll(worker)
