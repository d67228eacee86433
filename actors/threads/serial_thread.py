"""A dedicated thread for blocking calls that cannot be interrupted and must not overlap."""

import os
import queue
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Generic, TypeVar

import trio

T = TypeVar("T")

GRACE_SECONDS = 3.0
"""How long to wait for the end of a cancelled call before it is abandoned.

If an insert hangs at the end of a drain, this time passes twice: for the insert and for closing the
store. With the default `SLUICE_SHUTDOWN_SECONDS` the process still ends within Heroku's 30 s."""

INTERRUPT_SECONDS = 0.05
"""Between two attempts to interrupt a call: the first may come before anything has begun."""


class _Call(Generic[T]):
    """A function call that is queued for the thread or runs in it."""

    def __init__(self, function: Callable[[], T], trio_token: trio.lowlevel.TrioToken) -> None:
        self.function = function
        self.done = trio.Event()
        self._trio_token = trio_token
        self._claim = threading.Lock()
        self._result: T
        self._error: BaseException | None = None

    def withdraw(self) -> bool:
        """Prevent it from running; returns False if it has already started."""
        return self._claim.acquire(blocking=False)

    def run(self) -> None:
        """Run it in the current thread, unless it was withdrawn."""
        if not self._claim.acquire(blocking=False):
            return
        try:
            self._result = self.function()
        except BaseException as error:
            self._error = error
        with suppress(trio.RunFinishedError):
            self._trio_token.run_sync_soon(self.done.set)

    def result(self) -> T:
        if self._error is not None:
            raise self._error
        return self._result


class SerialThread:
    """Runs functions one after the other in a thread that lives until `close`.

    Owns the thread and its queue. An abandoned function still blocks the next one: two functions
    never run at the same time. The thread is a daemon, so that a hanging disk cannot prevent the
    process from ending.
    """

    def __init__(self, name: str, *, nice: int = 0) -> None:
        """Start nothing yet.

        Args:
            name: Of the thread.
            nice: Niceness of the thread, as in `nice(1)`; inherited by threads that its functions
                start.
        """
        self._name = name
        self._nice = nice
        self._calls: queue.SimpleQueue[_Call[object] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._last: Callable[[], object] | None = None

    async def call(
        self,
        function: Callable[[], T],
        interrupt: Callable[[], Awaitable[object]] | None = None,
    ) -> T:
        """Run a function and return its result, or raise its exception.

        If cancelled before the function has started, it never runs. If cancelled later, the call
        waits for its end for `GRACE_SECONDS` and returns its result if it ends in time. Otherwise
        the function keeps running and its outcome is unknown. Ctrl-C is raised in any case.

        Args:
            function: What to run.
            interrupt: Asks the function to end when the call is cancelled, again and again until
                it does. Its result is then not wanted.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        call = _Call(function, trio.lowlevel.current_trio_token())
        self._calls.put(call)  # type: ignore[arg-type]
        try:
            await call.done.wait()
        except (trio.Cancelled, KeyboardInterrupt) as reason:
            if call.withdraw():
                raise
            with trio.move_on_after(GRACE_SECONDS, shield=True):
                while interrupt is not None and not call.done.is_set():
                    await interrupt()
                    with trio.move_on_after(INTERRUPT_SECONDS):
                        await call.done.wait()
                await call.done.wait()
            # A cancellation is repeated at the next checkpoint, an interrupt is not.
            interrupted = isinstance(reason, KeyboardInterrupt)
            if interrupted or interrupt is not None or not call.done.is_set():
                raise
        return call.result()

    def close(self, last: Callable[[], object] | None = None) -> None:
        """End the thread after the queued calls.

        Args:
            last: What the thread does before it ends, if it has started.
        """
        self._last = last
        self._calls.put(None)
        self._thread = None

    def _run(self) -> None:
        if self._nice:
            # On Linux niceness belongs to a thread; elsewhere it would apply to the whole process.
            with suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), self._nice)
        while (call := self._calls.get()) is not None:
            call.run()
            del call
        if self._last is not None:
            self._last()
