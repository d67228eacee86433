"""Faults of the brokers and of ClickHouse."""

from typing import Any, Final

from tests.chaos.cluster.cluster import NAMES, PARTITIONS
from tests.chaos.cluster.faults import Saboteur
from tests.chaos.cluster.plan import Fault
from tests.cluster.node import OFFSETS_PARTITIONS

LONGEST_OUTAGE: Final = 10.0
OFFSETS: Final = "__consumer_offsets"


class ServerSaboteur(Saboteur):
    """Inflicts faults on what Sluice needs."""

    def __init__(self, *arguments: Any) -> None:
        """As the base class."""
        super().__init__(*arguments)
        self._brokers, self._clickhouse = self.cluster.brokers, self.cluster.clickhouse
        self.handlers = {
            Fault.LEADER_KILL: self._kill_leader,
            Fault.COORDINATOR_KILL: lambda: self._kill(self._coordinator()),
            Fault.BROKERS_KILL: lambda: self._kill(*self._brokers.numbers),
            Fault.BROKER_PAUSE: self._pause_broker,
            Fault.STORE_KILL: self._kill_store,
            Fault.STORE_PAUSE: self._pause_store,
        }

    def _kill_leader(self) -> None:
        partition = self.random.randrange(PARTITIONS)
        self._kill(self._brokers.leader(NAMES.events, partition))

    def _coordinator(self) -> int:
        """Return the broker that coordinates the group of the workers."""
        return self._brokers.leader(OFFSETS, java_hash(NAMES.workers) % OFFSETS_PARTITIONS)

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


def java_hash(text: str) -> int:
    """Return Java's hash of a text, as a broker uses it for the name of a group."""
    value = 0
    for character in text:
        value = (31 * value + ord(character)) & 0x7FFFFFFF
    return value
