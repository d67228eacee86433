"""Assembles the server and runs it until a signal or a failure ends it."""

import contextlib
import errno
import gc
import json
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import structlog
import trio

from actors.clock.wall_clock import Clock
from actors.files.atomic import StateDirectoryBusyError, locked_directory, write_state
from actors.keepers.salt_keeper import SaltKeeper
from actors.pipeline.front_half import FrontHalf
from actors.pipeline.storing import FlushLimits, Storing
from actors.pipeline.topology import SPILL_SECONDS, Collector
from actors.stores.open import open_store
from actors.stores.store import Store, StoreMisconfigured, StoreUnavailable
from actors.supervision.actor import Actor
from actors.supervision.supervisor import Supervisor
from ingest import __version__
from ingest.http.access_log import AccessLog
from ingest.http.app import create_app
from ingest.http.batch_endpoint import BatchEndpoint
from ingest.http.event_endpoint import EventEndpoint
from ingest.http.fast_path.server import FastPath
from ingest.http.flood import FloodGuard
from ingest.http.health import Health
from ingest.http.hypercorn.server import IDLE_SECONDS, LINGER_SECONDS, Server
from ingest.http.import_routes import add_import_routes
from ingest.http.live.status import LiveStatus
from ingest.http.operator import Operator
from ingest.http.request_observers import RequestObserver
from ingest.request.client_address import TrustedProxies
from ingest.server.durability import DurabilityError, open_kept_events
from ingest.server.imports import open_import_service
from ingest.server.start_files import StartError, load_reference, reloads
from ingest.server.state_files import StateFiles
from ingest.server.traces import open_telemetry
from ingest.settings import Settings, shown_settings

log = structlog.get_logger()

STORE_SECONDS = 10.0
"""How long the server waits for the store before it starts without it."""

GRACE_SHARE = 0.4
"""Share of the shutdown time for current requests; the rest is for draining."""

SWITCH_SECONDS = 0.001
"""The interpreter's switch interval; Python's default of 5 ms delays answers noticeably."""

GARBAGE_OBJECTS = 50_000
"""New objects after which the garbage collector runs. Events leave hardly any cyclic garbage, and
with Python's default of 700 it would run every few events."""

EXIT_DRAINED = 0
EXIT_ACTORS_FAILED = 70
"""EX_SOFTWARE of sysexits.h: the process manager should start a new process."""
EXIT_LOG_BROKEN = 74
"""EX_IOERR of sysexits.h: the log could not be trusted to keep acknowledged events."""

LOG_SECONDS = 1.0
"""Interval of checks whether the log can be trusted."""


def serve(settings: Settings) -> int:
    """Run the server.

    Returns:
        The process's exit code: 0 after a drain, 70 when actors failed too often, 74 when the log
        could not be trusted.

    Raises:
        StartError: The operator must fix something first.
    """
    files = StateFiles(settings.state_dir)
    try:
        with locked_directory(files.directory):
            # The writer's thread must release the interpreter's lock within a millisecond.
            sys.setswitchinterval(SWITCH_SECONDS)
            gc.set_threshold(GARBAGE_OBJECTS)
            return trio.run(_serve, settings, files)
    except StateDirectoryBusyError as error:
        raise StartError(str(error)) from None
    except DurabilityError as error:
        raise StartError(str(error)) from None
    except PermissionError as error:
        raise StartError(f"SLUICE_STATE_DIR: {error.strerror}: {error.filename}") from None


async def _serve(settings: Settings, files: StateFiles) -> int:
    clock = Clock.system()
    reference = load_reference(settings, files, clock)
    listeners = await _listen(settings.host, settings.port)
    async with (
        open_telemetry(settings) as telemetry,
        _store(settings) as (store, opened),
        contextlib.AsyncExitStack() as stack,
    ):
        sites, geo = reloads(settings, reference)
        keepers: list[Actor] = [SaltKeeper(files.salts, reference, clock), sites]
        if geo is not None:
            keepers.append(geo)
        kept = stack.enter_context(open_kept_events(settings, files, clock))
        front = FrontHalf(reference, clock, kept.log, files.dead_letters)
        storing = Storing(
            kept.log,
            kept.state,
            store,
            clock,
            front.verdicts,
            front.letters,
            front.metrics,
            FlushLimits(settings.flush_rows, settings.flush_seconds),
            checkpoints=kept.checkpoints,
            predecessor=kept.predecessor,
            store_opened=opened,
            tracing=telemetry,
        )
        collector = Collector(front, storing, keepers=keepers, tracing=telemetry)
        observers: list[RequestObserver] = []
        if settings.access_log != "off":
            observers.append(AccessLog(settings.access_log))
        if telemetry is not None:
            observers.append(telemetry)
        command_token = secrets.token_urlsafe(32)
        operator = Operator(settings.admin_token, command_token)
        endpoint = EventEndpoint(
            collector,
            TrustedProxies.parse(settings.trusted_proxies),
            flood_guard(settings.flood_requests_per_minute),
            operator,
        )
        health = Health(collector, sites, geo)
        app = create_app(
            collector,
            health,
            endpoint=endpoint,
            batches=BatchEndpoint(
                collector,
                endpoint,
                admin_token=operator.token,
                past_days=settings.past_days,
            ),
            operator=operator,
            live=LiveStatus(collector, health, shown_settings(settings), __version__),
            store=store,
            version=__version__,
            observers=observers,
        )
        add_import_routes(app, open_import_service(settings, files, collector, store), operator)
        fast_path = None
        if settings.fast_path == "on":
            fast_path = FastPath(
                endpoint,
                collector.metrics,
                idle_seconds=IDLE_SECONDS,
                linger_seconds=LINGER_SECONDS,
                observers=observers,
            )
        server = Server(app, listeners, collector.metrics, fast_path)
        port = listeners[0].socket.getsockname()[1]
        with _server_file(files.server, port, command_token):
            exit_code = await _run(collector, server, settings.shutdown_seconds, port)
    log.info("stopped", exit_code=exit_code)
    return exit_code


async def _run(collector: Collector, server: Server, seconds: float, port: int) -> int:
    """Run until a signal or a fatal failure, then drain within `seconds`."""
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with trio.open_nursery() as watching:
            stop = StopReason()
            watching.start_soon(stop.watch_signals, signals)
            watching.start_soon(stop.watch_supervisor, collector.supervisor)
            watching.start_soon(stop.watch_log, collector)
            async with trio.open_nursery() as pipeline:
                await pipeline.start(collector.run)
                async with trio.open_nursery() as serving:
                    await serving.start(server.run)
                    # The current objects stay, so later garbage collections can skip them.
                    gc.collect()
                    gc.freeze()
                    log.info("listening", port=port)
                    await stop.given.wait()
                    deadline = trio.current_time() + seconds
                    log.info("draining", reason=stop.reason, seconds=seconds)
                    collector.broadcast.close()
                    server.stop(seconds * GRACE_SHARE)
                collector.drain(deadline - trio.current_time())
            watching.cancel_scope.cancel()
    if collector.log.broken is not None:
        if collector.backlog:
            log.critical(
                "the log could not be trusted, and the store has not taken all of it",
                reason=collector.log.broken,
                events_at_risk=collector.backlog,
            )
        return EXIT_LOG_BROKEN
    return EXIT_DRAINED if collector.supervisor.healthy else EXIT_ACTORS_FAILED


class StopReason:
    """The reason for which the server stops; only the first one counts."""

    def __init__(self) -> None:
        """Start without a reason."""
        self.given = trio.Event()
        self.reason = ""

    def _give(self, reason: str) -> None:
        if self.given.is_set():
            log.warning("already draining", reason=reason)
            return
        self.reason = reason
        self.given.set()

    async def watch_signals(self, signals: AsyncIterator[int]) -> None:
        """Stop at the first signal; further ones do not cut the drain short."""
        async for number in signals:
            self._give(signal.Signals(number).name)

    async def watch_supervisor(self, supervisor: Supervisor) -> None:
        """Stop when actors fail too often."""
        await supervisor.fatal.wait()
        self._give("actors failed too often")

    async def watch_log(self, collector: Collector) -> None:
        """Stop when the log cannot be trusted and the store has taken all readable events of it."""
        while collector.log.broken is None or collector.backlog:  # noqa: ASYNC110 - no event for it
            await trio.sleep(LOG_SECONDS)
        self._give(f"the log cannot be trusted: {collector.log.broken}")


def flood_guard(requests_per_minute: int) -> FloodGuard | None:
    """Create the limit for requests of one address; None for 0."""
    if not requests_per_minute:
        return None
    return FloodGuard(requests_per_minute, secrets.token_bytes(32))


@contextlib.asynccontextmanager
async def _store(settings: Settings) -> AsyncIterator[tuple[Store, bool]]:
    """Yield the store, and whether it could be opened.

    The store is closed even if opening it has failed, because a process that leaves chDB open may
    end with a segmentation fault instead of its exit code.
    """
    try:
        store = open_store(settings.clickhouse_url)
    except StoreMisconfigured as error:
        raise StartError(f"CLICKHOUSE_URL: {error}") from None
    try:
        opened = await _opened(store)
        for finding in store.findings:
            log.info("store", finding=finding)
        yield store, opened
    finally:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + SPILL_SECONDS):
            await store.aclose()


async def _opened(store: Store) -> bool:
    try:
        with trio.fail_after(STORE_SECONDS):
            await store.open()
    except StoreMisconfigured as error:
        raise StartError(f"CLICKHOUSE_URL: {error}") from None
    except (StoreUnavailable, trio.TooSlowError) as error:
        log.error("store unavailable, starting without it", error=str(error))
        return False
    return True


async def _listen(host: str, port: int) -> list[trio.SocketListener]:
    try:
        return await trio.open_tcp_listeners(port, host=host, backlog=1024)
    except OSError as error:
        reason = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used: {error}"
        raise StartError(f"PORT {port} on HOST {host} {reason}") from None


@contextlib.contextmanager
def _server_file(path: Path, port: int, token: str) -> Iterator[None]:
    """Write, while the server runs, the file with which this machine's command line reaches it."""
    content = {"pid": os.getpid(), "port": port, "token": token}
    try:
        write_state(path, json.dumps(content).encode())
    except OSError as error:
        log.error("the command line cannot reach this server", error=error.strerror)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
