import os
import signal
import threading
from collections.abc import Callable, Iterator
from functools import partial

import pytest
import trio
import trio.testing

from actors.threads import serial_thread
from actors.threads.serial_thread import SerialThread


@pytest.fixture
def thread() -> Iterator[SerialThread]:
    thread = SerialThread("serial")
    yield thread
    thread.close()


class Gate:
    """A function that blocks until it is let through."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.open = threading.Event()

    def __call__(self) -> str:
        self.begun.set()
        assert self.open.wait(60)
        return "through"


def recorder(calls: list[str], name: str) -> Callable[[], None]:
    return lambda: calls.append(f"{name} in {threading.current_thread().name}")


async def begun(gate: Gate) -> None:
    assert await trio.to_thread.run_sync(gate.begun.wait, 60)


async def left_to_itself(thread: SerialThread, gate: Gate) -> bool:
    """Cancel a call once it has begun; whether it was given up."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(thread.call, gate)
        await begun(gate)
        nursery.cancel_scope.cancel()
    return nursery.cancel_scope.cancelled_caught


async def test_results_and_errors(thread: SerialThread) -> None:
    def fail() -> None:
        raise LookupError("no")

    assert await thread.call(lambda: 5) == 5
    with pytest.raises(LookupError, match="no"):
        await thread.call(fail)
    assert await thread.call(lambda: threading.current_thread().name) == "serial"


async def test_calls_follow_each_other(thread: SerialThread) -> None:
    calls: list[str] = []
    gate = Gate()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(thread.call, gate)
        await begun(gate)
        nursery.start_soon(thread.call, recorder(calls, "second"))
        await trio.testing.wait_all_tasks_blocked()
        assert calls == []
        gate.open.set()
    assert calls == ["second in serial"]


async def test_cancelled_before_its_turn_it_never_runs(thread: SerialThread) -> None:
    calls: list[str] = []
    gate = Gate()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(thread.call, gate)
        await begun(gate)
        with trio.move_on_after(0.01) as scope:
            await thread.call(recorder(calls, "withdrawn"))
        assert scope.cancelled_caught
        gate.open.set()
    await thread.call(recorder(calls, "next"))
    assert calls == ["next in serial"]


async def test_cancelled_before_it_was_asked(thread: SerialThread) -> None:
    calls: list[str] = []
    with trio.CancelScope() as scope:
        scope.cancel()
        await thread.call(recorder(calls, "never"))
    assert scope.cancelled_caught
    assert calls == []


async def test_cancelled_too_late_it_ends_well(thread: SerialThread) -> None:
    gate = Gate()
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:

            async def cancel() -> None:
                with trio.CancelScope(shield=True):
                    await begun(gate)
                    scope.cancel()
                    await trio.testing.wait_all_tasks_blocked()
                    gate.open.set()

            nursery.start_soon(cancel)
            result = await thread.call(gate)
            assert result == "through"


async def test_left_to_itself_it_holds_up_the_next(
    thread: SerialThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serial_thread, "GRACE_SECONDS", 0.01)
    calls: list[str] = []
    gate = Gate()
    assert await left_to_itself(thread, gate)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(thread.call, recorder(calls, "next"))
        await trio.testing.wait_all_tasks_blocked()
        assert calls == []
        gate.open.set()
    assert calls == ["next in serial"]


def test_an_end_that_nobody_waits_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serial_thread, "GRACE_SECONDS", 0.01)
    thread = SerialThread("orphan")
    gate = Gate()

    async def main() -> None:
        assert await left_to_itself(thread, gate)

    trio.run(main)
    (orphan,) = (each for each in threading.enumerate() if each.name == "orphan")
    thread.close()
    gate.open.set()
    orphan.join(60)
    assert not orphan.is_alive()


def test_closed_without_a_call() -> None:
    thread = SerialThread("idle")
    thread.close()
    assert "idle" not in {each.name for each in threading.enumerate()}


async def test_a_cancelled_call_is_interrupted_until_it_ends(
    thread: SerialThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serial_thread, "GRACE_SECONDS", 60)
    gate, attempts = Gate(), []

    async def interrupt() -> None:
        attempts.append(gate.open.is_set())
        if len(attempts) == 3:
            gate.open.set()
        await trio.lowlevel.checkpoint()

    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(thread.call, gate, interrupt=interrupt))
            await begun(gate)
            scope.cancel()
    assert scope.cancelled_caught
    # There may be more until the thread has noticed.
    assert attempts[:3] == [False] * 3
    assert await thread.call(lambda: 5) == 5


async def test_a_call_that_ends_by_itself_is_not_interrupted(thread: SerialThread) -> None:
    async def interrupt() -> None:
        raise AssertionError

    assert await thread.call(lambda: 5, interrupt=interrupt) == 5


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_is_not_lost(thread: SerialThread, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = threading.Event()

    def withdraw(call: serial_thread._Call[object]) -> bool:
        seen.set()
        return False

    def interrupted() -> str:
        os.kill(os.getpid(), signal.SIGINT)
        assert seen.wait(60)
        return "a result in time"

    monkeypatch.setattr(serial_thread._Call, "withdraw", withdraw)
    with pytest.raises(KeyboardInterrupt):
        trio.run(thread.call, interrupted)
