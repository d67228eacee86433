"""Faults of the brokers and of ClickHouse."""

from typing import Any, Final

from tests.chaos.cluster.cluster import NAMES, PARTITIONS
from tests.chaos.cluster.faults import Saboteur
from tests.chaos.cluster.plan import Fault

LONGEST_OUTAGE: Final = 10.0


class ServerSaboteur(Saboteur):
    """Inflicts faults on what Sluice needs."""

    def __init__(self, *arguments: Any) -> None:
        """As the base class."""
        super().__init__(*arguments)
        self._brokers, self._clickhouse = self.cluster.brokers, self.cluster.clickhouse
        self.handlers = {
            Fault.LEADER_KILL: self._kill_leader,
            Fault.COORDINATOR_KILL: self._kill_coordinator,
            Fault.BROKERS_KILL: lambda: self._kill(*self._brokers.numbers),
            Fault.BROKER_PAUSE: self._pause_broker,
            Fault.STORE_KILL: self._kill_store,
            Fault.STORE_PAUSE: self._pause_store,
        }

    def _kill_leader(self) -> None:
        partition = self.random.randrange(PARTITIONS)
        self._kill(self._brokers.leader(NAMES.events, partition))

    def _kill_coordinator(self) -> None:
        self._kill(self._brokers.coordinator(NAMES.workers))

    def _kill(self, *numbers: int) -> None:
        self._brokers.kill(*numbers)
        try:
            self.sleep(0.0, LONGEST_OUTAGE)
        finally:
            self._brokers.start(*numbers)

    def _pause_broker(self) -> None:
        number = self.random.choice(self._brokers.numbers)
        self._brokers.pause(number)
        try:
            self.sleep(3.0, LONGEST_OUTAGE)
        finally:
            self._brokers.resume(number)

    def _kill_store(self) -> None:
        self._clickhouse.kill()
        try:
            self.sleep(0.0, LONGEST_OUTAGE)
        finally:
            self._clickhouse.start()

    def _pause_store(self) -> None:
        self._clickhouse.pause()
        try:
            self.sleep(0.5, LONGEST_OUTAGE)
        finally:
            self._clickhouse.resume()
