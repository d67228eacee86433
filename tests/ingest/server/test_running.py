"""What signals do to a running process."""

import gc
import os
import signal
from collections.abc import Iterator

import pytest
import trio
import trio.testing

from ingest.http.hypercorn.server import Server
from ingest.rows.layout import Row, rows_of
from ingest.server.running import YOUNG_OBJECTS, StopReason, run_until_stopped
from ingest.server.signals import ignore_signals, stop_signals
from ingest.sessions.open_sessions import Transition
from ingest.sessions.session import begin
from ingest.telemetry.metrics import Metrics
from tests.examples import an_enriched_event


@pytest.fixture
def handlers() -> Iterator[None]:
    """Restores the handlers of signals."""
    numbers = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
    before = [signal.signal(number, signal.SIG_DFL) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.fixture
def thresholds() -> Iterator[None]:
    """Restores the garbage collector's settings."""
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


class Work:
    """Runs until it is drained."""

    def __init__(self) -> None:
        self.drained = trio.Event()

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        await self.drained.wait()

    def drain(self, seconds: float) -> None:
        self.drained.set()


async def answer(scope: object, receive: object, send: object) -> None:
    """Never called."""


async def run(work: Work, listening: trio.Event) -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")

    async def tell(stop: StopReason) -> None:
        listening.set()
        await trio.sleep_forever()

    server = Server(answer, listeners, Metrics(lambda domain: True))
    await run_until_stopped(work, server, 60, 0, watches=(tell,))


STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)


@pytest.mark.parametrize("number", STOPS)
async def test_signals_that_stop(number: signal.Signals, handlers: None) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    work, listening = Work(), trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run, work, listening)
        await listening.wait()
        os.kill(os.getpid(), number)
    assert work.drained.is_set()


@pytest.mark.parametrize(("terminal", "stops"), [(True, STOPS), (False, STOPS[:3])])
async def test_signals_that_are_ignored(
    monkeypatch: pytest.MonkeyPatch,
    handlers: None,
    terminal: bool,
    stops: tuple[signal.Signals, ...],
) -> None:
    monkeypatch.setattr(os, "isatty", lambda descriptor: terminal)
    ignore_signals()
    assert stop_signals() == stops
    work, listening = Work(), trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run, work, listening)
        await listening.wait()
        for ignored in {signal.SIGUSR1, signal.SIGUSR2, *STOPS} - {*stops}:
            os.kill(os.getpid(), ignored)
        await trio.testing.wait_all_tasks_blocked()
        assert not work.drained.is_set()
        os.kill(os.getpid(), signal.SIGTERM)


def test_what_nohup_ignores_stays_ignored(handlers: None) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    assert signal.SIGHUP not in stop_signals()


def test_handlers_that_were_set_before_stay(handlers: None) -> None:
    signal.signal(signal.SIGUSR1, signal.default_int_handler)
    ignore_signals()
    assert signal.getsignal(signal.SIGUSR1) is signal.default_int_handler
    assert signal.getsignal(signal.SIGUSR2) is signal.SIG_IGN


async def test_the_garbage_collector_never_meets_many_rows(thresholds: None) -> None:
    gc.set_threshold(100_000)
    work, listening = Work(), trio.Event()
    rows: list[Row] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run, work, listening)
        await listening.wait()
        await trio.testing.wait_all_tasks_blocked()
        for second in range(15_000):
            event = an_enriched_event(timestamp=second, props=(("plan", "free"),))
            made = rows_of(event, Transition(None, begin(event, second)))
            rows += (made.event, *made.sessions)
        os.kill(os.getpid(), signal.SIGTERM)
    # Those with properties are looked at again, after ten collections.
    assert len(rows) == 30_000
    assert sum(map(gc.is_tracked, rows)) <= 11 * YOUNG_OBJECTS
