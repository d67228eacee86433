"""Tests do not depend on how busy the machine is; those of a cluster share their brokers."""

import math
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
import trio
from hypothesis import HealthCheck, settings
from trio.testing import MockClock

from actors.threads.serial_thread import SerialThread

if TYPE_CHECKING:
    from tests.cluster.brokers import Brokers

settings.register_profile("steady", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")


class _Threads:
    """Holds a clock for as long as threads work for tasks."""

    def __init__(self, clock: MockClock) -> None:
        self._clock = clock
        self._working = 0

    def around(self, function: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def held(*arguments: Any, **keywords: Any) -> Any:
            self._count(1)
            try:
                return await function(*arguments, **keywords)
            finally:
                self._count(-1)

        return held

    def within(self, run: Callable[..., Any]) -> Callable[..., Any]:
        """Calls from a thread into trio: meanwhile the thread does not work."""

        def call(function: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
            async def waited() -> Any:
                self._count(-1)
                try:
                    return await function(*arguments)
                finally:
                    self._count(1)

            return run(waited)

        return call

    def _count(self, change: int) -> None:
        self._working += change
        self._clock.autojump_threshold = math.inf if self._working else 0


def jumping_clock(patch: pytest.MonkeyPatch) -> MockClock:
    """As trio's, but it does not jump while a thread works: trio takes that for idleness."""
    clock = MockClock(autojump_threshold=0)
    threads = _Threads(clock)
    patch.setattr(SerialThread, "call", threads.around(SerialThread.call))
    patch.setattr(trio.to_thread, "run_sync", threads.around(trio.to_thread.run_sync))
    patch.setattr(trio.from_thread, "run", threads.within(trio.from_thread.run))
    return clock


@pytest.fixture
def autojump_clock(monkeypatch: pytest.MonkeyPatch) -> MockClock:
    return jumping_clock(monkeypatch)


@pytest.fixture(scope="session")
def brokers(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Brokers]":
    """Three nodes with all listeners. A test that kills or pauses one leaves all running."""
    # Most runs need no Kafka, and thus not its client.
    from tests.cluster.brokers import Brokers, require_kafka

    require_kafka()
    with Brokers(tmp_path_factory.mktemp("kafka"), secure=True) as running:
        yield running
