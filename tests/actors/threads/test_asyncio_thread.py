import asyncio
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial

import pytest
import trio
import trio.testing

from actors.threads.asyncio_thread import AsyncioThread


@pytest.fixture
def thread() -> Iterator[AsyncioThread]:
    thread = AsyncioThread("loop")
    yield thread
    thread.close()


class Visit:
    """A coroutine that notes what becomes of it."""

    def __init__(self, *, swallow: int = 0) -> None:
        self.notes: list[str] = []
        self.begun = threading.Event()
        self._swallow = swallow

    async def __call__(self) -> str:
        self.notes.append("begun")
        self.begun.set()
        try:
            await self._sleep()
        except asyncio.CancelledError:
            # The end takes time, and the caller must see it. Not asyncio's time, which would be cut
            # short by another cancellation.
            time.sleep(0.01)  # noqa: ASYNC251
            self.notes.append("cancelled")
            raise
        self.notes.append("ended")
        return "well"

    async def _sleep(self) -> None:
        for _ in range(self._swallow):
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                self.notes.append("swallowed")
        if self._swallow < 5:
            await asyncio.sleep(60)


async def begun(visit: Visit) -> None:
    assert await trio.to_thread.run_sync(visit.begun.wait, 60)


async def test_results_and_errors(thread: AsyncioThread) -> None:
    async def name() -> str:
        await asyncio.sleep(0)
        return threading.current_thread().name

    async def fail() -> None:
        raise LookupError("no")

    assert await thread.run(name, limit=5) == "loop"
    with pytest.raises(LookupError, match="no"):
        await thread.run(fail, limit=5)


@pytest.mark.parametrize("swallow", [0, 2])
async def test_cancellation_waits_for_the_real_end(thread: AsyncioThread, swallow: int) -> None:
    visit = Visit(swallow=swallow)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(thread.run, visit, limit=60))
        await begun(visit)
        nursery.cancel_scope.cancel()
    assert visit.notes == ["begun", *["swallowed"] * swallow, "cancelled"]


async def test_cancelled_too_late_it_ends_well(thread: AsyncioThread) -> None:
    visit = Visit(swallow=5)
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:

            async def cancel() -> None:
                with trio.CancelScope(shield=True):
                    await begun(visit)
                    scope.cancel()

            nursery.start_soon(cancel)
            assert await thread.run(visit, limit=60) == "well"
    assert not scope.cancelled_caught


async def test_cancelled_before_it_was_asked(thread: AsyncioThread) -> None:
    visit = Visit()
    with trio.CancelScope() as scope:
        scope.cancel()
        await thread.run(visit, limit=60)
    assert visit.notes == []


async def test_cancelled_while_the_loop_is_busy(thread: AsyncioThread) -> None:
    busy, free = threading.Event(), threading.Event()

    async def occupy() -> None:
        busy.set()
        assert free.wait(60)

    visit = Visit()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(thread.run, occupy, limit=60))
        assert await trio.to_thread.run_sync(busy.wait, 60)
        with trio.CancelScope() as scope:

            async def cancel() -> None:
                await trio.testing.wait_all_tasks_blocked()
                scope.cancel()
                free.set()

            nursery.start_soon(cancel)
            await thread.run(visit, limit=60)
    assert scope.cancelled_caught
    assert "ended" not in visit.notes


@pytest.mark.parametrize("swallow", [0, 1])
async def test_limit(thread: AsyncioThread, swallow: int) -> None:
    visit = Visit(swallow=swallow)
    with pytest.raises(TimeoutError, match=r"no answer within 0\.02 s"):
        await thread.run(visit, limit=0.02)
    assert visit.notes[-1] == "cancelled"


async def test_limit_does_not_outlive_its_visit(thread: AsyncioThread) -> None:
    async def quick() -> int:
        return 1

    async def slower() -> int:
        await asyncio.sleep(0.05)
        return 2

    assert await thread.run(quick, limit=0.02) == 1
    assert await thread.run(slower, limit=5) == 2


async def test_closing_ends_what_runs(thread: AsyncioThread) -> None:
    visit = Visit()

    async def run() -> None:
        with pytest.raises(ConnectionAbortedError):
            await thread.run(visit, limit=60)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        await begun(visit)
        thread.close()
    assert visit.notes == ["begun", "cancelled"]


async def test_it_may_run_again_after_closing(thread: AsyncioThread) -> None:
    async def number() -> int:
        return 7

    thread.close()
    assert await thread.run(number, limit=5) == 7
    thread.close()
    thread.close()
    assert await thread.run(number, limit=5) == 7


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_is_not_lost(thread: AsyncioThread) -> None:
    async def interrupted() -> str:
        os.kill(os.getpid(), signal.SIGINT)
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        return "a result nevertheless"

    results: list[str] = []

    async def main() -> None:
        results.append(await thread.run(interrupted, limit=60))

    with pytest.raises(KeyboardInterrupt):
        trio.run(main)
    assert results == []
