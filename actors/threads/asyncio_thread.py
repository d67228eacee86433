"""A thread with an asyncio loop, for libraries that need one.

trio-asyncio is not an alternative: importing it anywhere breaks plain asyncio loops.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Generic, TypeVar

import outcome
import trio

T = TypeVar("T")

CANCEL_AGAIN_SECONDS = 0.05
"""Before Python 3.12 `asyncio.wait_for` may swallow a cancellation, so it is repeated at this
interval."""


class _Visit(Generic[T]):
    """A coroutine that runs in the loop while a trio task waits for it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, limit: float) -> None:
        self._loop = loop
        self._limit = limit
        self._waiting = trio.lowlevel.current_task()
        self._trio_token = trio.lowlevel.current_trio_token()
        self._task: asyncio.Task[T]
        self._timer: asyncio.TimerHandle
        self._raise_cancel: Callable[[], Any] | None = None
        self._timed_out = False

    def begin(self, function: Callable[[], Coroutine[Any, Any, T]]) -> None:
        """Start the coroutine; called in the loop's thread."""
        self._task = self._loop.create_task(function())
        self._task.add_done_callback(self._ended)
        self._timer = self._loop.call_later(self._limit, self._time_out, self._task)

    def abort(self, raise_cancel: Callable[[], Any]) -> trio.lowlevel.Abort:
        """Cancel the coroutine and keep waiting for its end; called in trio's thread."""
        self._raise_cancel = raise_cancel
        # Runs after `begin`, which was scheduled before. A closed loop has ended the task.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(lambda: self._cancel(self._task))
        return trio.lowlevel.Abort.FAILED

    def _time_out(self, task: asyncio.Task[T]) -> None:
        self._timed_out = True
        self._cancel(task)

    def _cancel(self, task: asyncio.Task[T]) -> None:
        if not task.done():
            task.cancel()
            self._loop.call_later(CANCEL_AGAIN_SECONDS, self._cancel, task)

    def _ended(self, task: asyncio.Task[T]) -> None:
        self._timer.cancel()
        with suppress(trio.RunFinishedError):
            self._trio_token.run_sync_soon(
                trio.lowlevel.reschedule, self._waiting, self._outcome(task)
            )

    def _outcome(self, task: asyncio.Task[T]) -> outcome.Outcome[T]:
        if self._raise_cancel is not None:
            cancelled: outcome.Outcome[T] = outcome.capture(self._raise_cancel)
            # A cancellation is repeated at the next checkpoint, an interrupt is not.
            interrupted = isinstance(getattr(cancelled, "error", None), KeyboardInterrupt)
            if interrupted or task.cancelled():
                return cancelled
        if not task.cancelled():
            error = task.exception()
            return outcome.Value(task.result()) if error is None else outcome.Error(error)
        if self._timed_out:
            return outcome.Error(TimeoutError(f"no answer within {self._limit:g} s"))
        return outcome.Error(ConnectionAbortedError("the connection was closed"))


class AsyncioThread:
    """Owns a thread and its asyncio loop, from the first `run` until `close`."""

    def __init__(self, name: str) -> None:
        """Create the bridge without starting the thread.

        Args:
            name: Of the thread.
        """
        self._name = name
        self._loop: asyncio.AbstractEventLoop | None = None

    async def run(self, function: Callable[[], Coroutine[Any, Any, T]], *, limit: float) -> T:
        """Run a coroutine function in the loop; return its result, or raise its exception.

        If cancelled, the coroutine is cancelled and awaited until it has ended. If it succeeds
        nevertheless, its result is returned; Ctrl-C is raised in any case.

        Args:
            function: Called in the loop's thread. Must end soon after a cancellation.
            limit: Seconds of real time after which the coroutine is cancelled.

        Raises:
            TimeoutError: The limit has passed.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            threading.Thread(
                target=_run_loop, args=(self._loop,), name=self._name, daemon=True
            ).start()
        visit: _Visit[T] = _Visit(self._loop, limit)
        self._loop.call_soon_threadsafe(visit.begin, function)
        result: T = await trio.lowlevel.wait_task_rescheduled(visit.abort)
        return result

    def close(self) -> None:
        """Cancel all running coroutines and end the thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._loop = None


def _run_loop(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_forever()
    loop.run_until_complete(_cancel_all())
    loop.close()


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
