"""The role `worker`: owns partitions of the cluster's events, and stores their rows."""

import secrets
from typing import Any, Final

import structlog
import trio

from actors.clock.wall_clock import Clock
from actors.cluster.control import Control
from actors.cluster.worker import Connection, Worker
from actors.keepers.heartbeat import Heartbeat
from ingest import __version__
from ingest.engine.cluster_figures import show_cluster
from ingest.engine.cluster_record import ClusterRecord
from ingest.engine.connection import (
    admin_options,
    consumer_options,
    group_consumer_options,
    producer_options,
    session_milliseconds,
)
from ingest.engine.topics import topic_names
from ingest.http.hypercorn.server import Server
from ingest.http.operator import Operator
from ingest.http.worker_app import create_worker_app
from ingest.request.client_address import TrustedProxies
from ingest.server.joining import join_cluster
from ingest.server.listening import listen, server_file
from ingest.server.member import Figures, Member, open_member_topics
from ingest.server.opened_store import opened_store
from ingest.server.running import EXIT_DRAINED, EXIT_FAILED, StopReason, run_until_stopped
from ingest.server.state_files import StateFiles
from ingest.settings import Settings
from ingest.telemetry.metrics import Metrics
from ingest.telemetry.readiness import worst_state

log = structlog.get_logger()

HOST: Final = "127.0.0.1"
PORT: Final = 8001
"""Where a worker listens unless `PORT` is set."""


async def run_worker(settings: Settings, files: StateFiles) -> int:
    """Run a worker.

    Returns:
        The process's exit code.

    Raises:
        StartError: The operator must fix something first.
    """
    record, retention = await join_cluster(settings, "worker")
    clock = Clock.system()
    given = "port" in settings.model_fields_set
    listeners = await listen(settings.host if given else HOST, settings.port if given else PORT)
    port = listeners[0].socket.getsockname()[1]
    async with opened_store(settings) as (store, opened), open_member_topics(settings) as topics:
        metrics = Metrics(lambda domain: True)
        worker = Worker(
            connection_of(settings),
            topic_names(settings.kafka_prefix),
            record,
            store,
            metrics,
            session_seconds=session_milliseconds(settings) / 1000,
            flush_rows=settings.flush_rows,
            flush_seconds=settings.flush_seconds,
            store_opened=opened,
        )
        member = Member(settings, "worker", record, clock, retention)

        def figures() -> Figures:
            return Figures(
                metrics.stored_events,
                worker.trouble,
                partitions=worker.lags,
                oldest_seconds=worker.oldest_seconds,
            )

        control = topics.join(member, figures)
        metrics.show(worker.figures)
        metrics.show(control.figures)
        show_cluster(metrics, lambda: member.cluster)
        command_token = secrets.token_urlsafe(32)
        trusted_proxies = TrustedProxies.parse(settings.trusted_proxies)
        app = create_worker_app(
            WorkerHealth(worker, record),
            metrics,
            Operator(settings.admin_token, command_token),
            __version__,
            trusted_proxies=trusted_proxies,
        )

        async def watch_worker(stop: StopReason) -> None:
            await worker.fatal.wait()
            stop.give(worker.reason or "the worker cannot go on")

        with server_file(files.server, port, command_token):
            await run_until_stopped(
                DrainedWorker(worker, control, Heartbeat(clock, metrics)),
                Server(app, listeners, metrics, trusted_proxies=trusted_proxies),
                settings.shutdown_seconds,
                port,
                watches=(watch_worker,),
            )
        exit_code = EXIT_FAILED if worker.fatal.is_set() else EXIT_DRAINED
    log.info("stopped", exit_code=exit_code)
    return exit_code


def connection_of(settings: Settings) -> Connection:
    """How a worker connects."""
    return Connection(
        group_consumer_options(settings),
        producer_options(settings),
        consumer_options(settings),
        admin_options(settings),
        settings.worker_id,
    )


class DrainedWorker:
    """Runs a worker, tells the cluster of it, and drains it in the way of a process."""

    def __init__(self, worker: Worker, control: Control, heartbeat: Heartbeat) -> None:
        """Run a worker.

        Args:
            worker: The worker.
            control: Tells the cluster of it.
            heartbeat: Keeps the clock of `control` right.
        """
        self._worker = worker
        self._control = control
        self._heartbeat = heartbeat
        self._draining = trio.Event()
        self._seconds = 0.0

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run the worker until it is drained."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self._worker.run)
            for keeper in (self._control, self._heartbeat):
                nursery.start_soon(self._worker.supervisor.supervise, keeper)
            task_status.started()
            await self._draining.wait()
            await self._worker.drain(self._seconds)
            await self._control.leave()
            nursery.cancel_scope.cancel()

    def drain(self, seconds: float) -> None:
        """Start the shutdown."""
        self._seconds = seconds
        self._draining.set()


class WorkerHealth:
    """Reports the state of a worker to the health routes."""

    def __init__(self, worker: Worker, record: ClusterRecord) -> None:
        """Watch a worker of a cluster."""
        self._worker = worker
        self._record = record

    @property
    def alive(self) -> bool:
        """Whether the process is alive and can go on."""
        return not self._worker.fatal.is_set()

    @property
    def liveness(self) -> str:
        """The same as text."""
        return "ok" if self.alive else "the worker cannot go on"

    def readiness(self, *, detailed: bool) -> tuple[bool, dict[str, Any]]:
        """See `HealthReport.readiness`."""
        report: dict[str, Any] = self._worker.status()
        overall = worst_state(report.values())
        if not detailed:
            report = {name: {"status": part["status"]} for name, part in report.items()}
        return overall != "down", {"status": overall, **report}

    def status(self) -> dict[str, Any]:
        """What `/api/status` shows."""
        _, report = self.readiness(detailed=True)
        return {"cluster_id": self._record.cluster_id, **report}
