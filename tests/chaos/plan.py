"""The plan of faults, determined by the seed before the run."""

from collections.abc import Iterator
from enum import Enum
from itertools import count, islice
from typing import Final

from tests.chaos.traffic import seeded


class Fault(Enum):
    """A fault of the server or its environment; the value is its name in the report."""

    KILL = "server: kill -9"
    KILL_IN_START = "server: kill -9, and again while it starts"
    KILL_AT = "server: kill -9 at a chosen step"
    KILL_IN_DRAIN = "server: kill -9 after SIGTERM"
    KILL_TORN = "server: kill -9, journal ends within a write"
    ROLL = "server: SIGTERM and start"
    CRASH = "actors fail, 1 to 3 times"
    GIVE_UP = "actors fail until exit 70"
    DISK_FULL = "disk full"
    DISK_FULL_KILL = "disk full, server: kill -9 and start meanwhile"
    STORE_KILL = "ClickHouse: kill -9"
    STORE_PAUSE = "ClickHouse: hangs"
    STORE_PAUSE_KILL = "ClickHouse: hangs, server: kill -9 meanwhile"
    STORE_KILL_KILL = "ClickHouse: kill -9, server: kill -9 meanwhile"
    STORE_KILL_ROLL = "ClickHouse: kill -9, server: SIGTERM meanwhile"
    STORE_KILL_CRASH = "ClickHouse: kill -9, actors fail meanwhile"


SERVER_KILLS: Final = {
    Fault.KILL: 1,
    Fault.KILL_AT: 1,
    Fault.KILL_IN_START: 2,
    Fault.KILL_IN_DRAIN: 1,
    Fault.KILL_TORN: 1,
    Fault.DISK_FULL_KILL: 1,
    Fault.STORE_PAUSE_KILL: 1,
    Fault.STORE_KILL_KILL: 1,
}
"""How often each fault kills the server."""

STORE_OUTAGES: Final = frozenset(fault for fault in Fault if fault.name.startswith("STORE_"))
DISK_FAULTS: Final = frozenset({Fault.DISK_FULL, Fault.DISK_FULL_KILL})

_DECKS: Final = {
    "chdb": {
        Fault.KILL: 4,
        Fault.KILL_AT: 7,
        Fault.KILL_IN_START: 1,
        Fault.KILL_IN_DRAIN: 1,
        Fault.KILL_TORN: 1,
        Fault.ROLL: 2,
        Fault.CRASH: 2,
        Fault.DISK_FULL: 1,
        Fault.DISK_FULL_KILL: 1,
    },
    "clickhouse": {
        Fault.KILL: 2,
        Fault.KILL_AT: 5,
        Fault.KILL_IN_DRAIN: 1,
        Fault.ROLL: 1,
        Fault.CRASH: 1,
        Fault.DISK_FULL: 1,
        Fault.STORE_KILL: 3,
        Fault.STORE_PAUSE: 2,
        Fault.STORE_PAUSE_KILL: 1,
        Fault.STORE_KILL_KILL: 2,
        Fault.STORE_KILL_ROLL: 1,
        Fault.STORE_KILL_CRASH: 1,
    },
}
_SHORT: Final = {
    "chdb": (
        Fault.KILL,
        *(Fault.KILL_AT,) * 3,
        Fault.KILL_IN_START,
        Fault.DISK_FULL,
        Fault.CRASH,
        Fault.ROLL,
    ),
    "clickhouse": (
        Fault.KILL,
        *(Fault.KILL_AT,) * 2,
        Fault.STORE_KILL,
        Fault.STORE_PAUSE,
        Fault.STORE_KILL_KILL,
        Fault.CRASH,
    ),
}
FULL_DECKS: Final = 4


def faults(store: str, seed: int) -> Iterator[Fault]:
    """Yield faults endlessly, each kind with its planned frequency, in random order.

    Args:
        store: `chdb` or `clickhouse`.
        seed: Seed of the run.
    """
    for number in count():
        random = seeded(seed, "plan", store, number)
        deck = [fault for fault, times in _DECKS[store].items() for _ in range(times)]
        if number % FULL_DECKS == 0:
            deck.append(Fault.GIVE_UP)
        random.shuffle(deck)
        yield from deck


def short_plan(store: str, seed: int) -> list[Fault]:
    """Return a few faults of the most important kinds."""
    plan = list(_SHORT[store])
    seeded(seed, "short", store).shuffle(plan)
    return plan


def full_plan(store: str, seed: int) -> list[Fault]:
    """Return the faults of the full run."""
    length = FULL_DECKS * sum(_DECKS[store].values()) + 1
    return list(islice(faults(store, seed), length))
