"""The faults of a cluster, and the plan of a run, determined by the seed."""

from collections.abc import Iterator, Mapping
from enum import Enum
from itertools import count
from typing import Final

from tests.chaos.traffic import seeded


class Lane(Enum):
    """What a fault hits. In a storm each lane has a fault at a time, whatever the others do."""

    FRONTS = "fronts"
    WORKERS = "workers"
    SERVERS = "servers"


class Fault(Enum):
    """A fault of a process or its environment; the value is its name in the report."""

    FRONT_KILL = "front: kill -9"
    FRONT_KILL_AT = "front: kill -9 at a chosen step"
    FRONT_PAUSE = "front: SIGSTOP for 3 to 20 s"
    FRONT_CUT = "front: cut off from Kafka"
    FRONT_HANG = "front: bytes to and from Kafka held back"
    FRONT_CUT_KILL = "front: cut off from Kafka, kill -9 meanwhile"
    FRONT_CUT_ROLL = "front: cut off from Kafka, SIGTERM meanwhile"
    FRONT_FULL = "front: cut off from Kafka until its outbox is full"
    FRONT_POWER = "front: kill -9, unsynced tail lost"
    FRONT_DISK = "front: kill -9, disk lost"
    FRONT_CRASH = "front: actors fail, 1 to 3 times"
    FRONTS_ROLL = "fronts: SIGTERM and start, one after the other"
    WORKER_KILL = "worker: kill -9"
    WORKER_KILL_AT = "worker: kill -9 at a chosen step"
    WORKER_PAUSE = "worker: SIGSTOP for 3 to 20 s"
    WORKER_CUT = "worker: cut off from Kafka"
    WORKER_HANG = "worker: bytes to and from Kafka held back"
    WORKER_DISK = "worker: kill -9, disk lost"
    WORKER_CRASH = "worker: actors fail, 1 to 3 times"
    WORKERS_KILL = "workers: kill -9, all at once"
    WORKERS_ROLL = "workers: SIGTERM and start, one after the other"
    LEADER_KILL = "broker: kill -9 of a partition's leader"
    COORDINATOR_KILL = "broker: kill -9 of the coordinator"
    BROKERS_KILL = "brokers: kill -9, all at once"
    BROKER_PAUSE = "broker: SIGSTOP"
    STORE_KILL = "ClickHouse: kill -9"
    STORE_PAUSE = "ClickHouse: hangs"


_SERVERS: Final = ("LEADER_", "COORDINATOR_", "BROKER", "STORE_")

_DECKS: Final[Mapping[Lane, Mapping[Fault, int]]] = {
    Lane.FRONTS: {
        Fault.FRONT_KILL: 2,
        Fault.FRONT_KILL_AT: 4,
        Fault.FRONT_PAUSE: 1,
        Fault.FRONT_CUT: 2,
        Fault.FRONT_HANG: 2,
        Fault.FRONT_CUT_KILL: 1,
        Fault.FRONT_CUT_ROLL: 1,
        Fault.FRONT_FULL: 1,
        Fault.FRONT_POWER: 2,
        Fault.FRONT_DISK: 1,
        Fault.FRONT_CRASH: 1,
        Fault.FRONTS_ROLL: 1,
    },
    Lane.WORKERS: {
        Fault.WORKER_KILL: 2,
        Fault.WORKER_KILL_AT: 5,
        Fault.WORKER_PAUSE: 3,
        Fault.WORKER_CUT: 1,
        Fault.WORKER_HANG: 2,
        Fault.WORKER_DISK: 1,
        Fault.WORKER_CRASH: 1,
        Fault.WORKERS_KILL: 1,
        Fault.WORKERS_ROLL: 1,
    },
    Lane.SERVERS: {
        Fault.LEADER_KILL: 2,
        Fault.COORDINATOR_KILL: 2,
        Fault.BROKERS_KILL: 1,
        Fault.BROKER_PAUSE: 1,
        Fault.STORE_KILL: 2,
        Fault.STORE_PAUSE: 2,
    },
}

_SHORT: Final[Mapping[Lane, tuple[Fault, ...]]] = {
    Lane.FRONTS: (Fault.FRONT_KILL, Fault.FRONT_HANG, Fault.FRONT_POWER, Fault.FRONT_CUT),
    Lane.WORKERS: (Fault.WORKER_KILL, Fault.WORKER_KILL_AT, Fault.WORKER_PAUSE),
    Lane.SERVERS: (Fault.STORE_KILL, Fault.COORDINATOR_KILL),
}


def lane_of(fault: Fault) -> Lane:
    """Return what a fault hits."""
    if fault.name.startswith(_SERVERS):
        return Lane.SERVERS
    return Lane.FRONTS if fault.name.startswith("FRONT") else Lane.WORKERS


def lane_faults(lane: Lane, seed: int) -> Iterator[Fault]:
    """Yield faults of a lane endlessly, each kind with its planned frequency, in random order."""
    for number in count():
        random = seeded(seed, "cluster", lane.value, number)
        deck = [fault for fault, times in _DECKS[lane].items() for _ in range(times)]
        random.shuffle(deck)
        yield from deck


def single_faults(seed: int) -> Iterator[Fault]:
    """Yield faults of all lanes endlessly, for one fault at a time; each kind equally often."""
    for number in count():
        deck = list(Fault)
        seeded(seed, "cluster", "single", number).shuffle(deck)
        yield from deck


def short_faults(lane: Lane, seed: int) -> list[Fault]:
    """Return the faults of a lane in the short run, in random order."""
    plan = list(_SHORT[lane])
    seeded(seed, "cluster", "short", lane.value).shuffle(plan)
    return plan
