"""Runs a server's process until a signal or a failure ends it, then drains it."""

import gc
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Final, Protocol

import structlog
import trio

from actors.pipeline.topology import Collector
from ingest.http.hypercorn.server import Server
from ingest.server.signals import stop_signals

log = structlog.get_logger()

GRACE_SHARE = 0.4
"""Share of the shutdown time for current requests; the rest is for draining."""

EXIT_DRAINED = 0
EXIT_FAILED = 70
"""EX_SOFTWARE of sysexits.h: the process manager should start a new process."""
EXIT_LOG_BROKEN = 74
"""EX_IOERR of sysexits.h: the log could not be trusted to keep acknowledged events."""

LOG_SECONDS = 1.0
"""Interval of checks whether the log can be trusted."""

YOUNG_OBJECTS: Final = 1_000
"""New objects after which the garbage collector looks at them, once the server listens. At first or
second sight it finds that a row refers only to plain values, and never looks at it again. If it ran
less often, it would hold the event loop for longer: for 100 ms with 100,000 rows that wait for a
slow store."""

FULL_COLLECTION: Final = 100_000
"""The collector looks at all objects after this many times ten collections: hours under full load.
With a million open visits it takes 25 ms."""


class Drainable(Protocol):
    """What a process runs beside its HTTP server."""

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Run until drained."""

    def drain(self, seconds: float) -> None:
        """Start the shutdown; `run` returns within that many seconds."""


class StopReason:
    """The reason for which the process stops; only the first one counts."""

    def __init__(self) -> None:
        """Start without a reason."""
        self.given = trio.Event()
        self.reason = ""

    def give(self, reason: str) -> None:
        """Stop, unless it already stops."""
        if self.given.is_set():
            log.warning("already draining", reason=reason)
            return
        self.reason = reason
        self.given.set()

    async def watch_signals(self, signals: AsyncIterator[int]) -> None:
        """Stop at the first signal; further ones do not cut the drain short."""
        async for number in signals:
            self.give(signal.Signals(number).name)


Watch = Callable[[StopReason], Awaitable[None]]
"""Waits for a reason to stop, and gives it."""


def keep_collections_short() -> None:
    """Let the garbage collector skip the current objects, and see few new ones at a time."""
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 10, FULL_COLLECTION)


async def run_until_stopped(
    work: Drainable,
    server: Server,
    seconds: float,
    port: int,
    *,
    watches: Sequence[Watch] = (),
    on_stop: Callable[[], None] = lambda: None,
) -> None:
    """Run until a signal or one of the watches stops it, then drain within `seconds`.

    Args:
        work: Runs beside the server, and is drained after it has stopped.
        server: The HTTP server.
        seconds: For the whole shutdown.
        port: Logged.
        watches: Give further reasons to stop.
        on_stop: Called before the server stops.
    """
    with trio.open_signal_receiver(*stop_signals()) as signals:
        async with trio.open_nursery() as watching:
            stop = StopReason()
            watching.start_soon(stop.watch_signals, signals)
            for watch in watches:
                watching.start_soon(watch, stop)
            async with trio.open_nursery() as working:
                await working.start(work.run)
                async with trio.open_nursery() as serving:
                    await serving.start(server.run)
                    keep_collections_short()
                    log.info("listening", port=port)
                    await stop.given.wait()
                    deadline = trio.current_time() + seconds
                    log.info("draining", reason=stop.reason, seconds=seconds)
                    on_stop()
                    server.stop(seconds * GRACE_SHARE)
                work.drain(deadline - trio.current_time())
            watching.cancel_scope.cancel()


async def run_collector(collector: Collector, server: Server, seconds: float, port: int) -> None:
    """Run a collector and its server; see `run_until_stopped`."""

    async def watch_supervisor(stop: StopReason) -> None:
        await collector.supervisor.fatal.wait()
        stop.give("actors failed too often")

    async def watch_log(stop: StopReason) -> None:
        """Stop once all readable events of a log that cannot be trusted were taken onwards."""
        while collector.log.broken is None or collector.backlog:  # noqa: ASYNC110 - no event for it
            await trio.sleep(LOG_SECONDS)
        stop.give(f"the log cannot be trusted: {collector.log.broken}")

    await run_until_stopped(
        collector,
        server,
        seconds,
        port,
        watches=(watch_supervisor, watch_log),
        on_stop=collector.broadcast.close,
    )


def exit_code_of(collector: Collector) -> int:
    """The exit code of a collector that was drained: 0, 70 or 74."""
    if collector.log.broken is not None:
        if collector.backlog:
            log.critical(
                "the log could not be trusted, and not all of it was taken onwards",
                reason=collector.log.broken,
                events_at_risk=collector.backlog,
            )
        return EXIT_LOG_BROKEN
    return EXIT_DRAINED if collector.supervisor.healthy else EXIT_FAILED
