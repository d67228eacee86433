"""Builds the HTTP server of a collector."""

import secrets
from collections.abc import Callable, Sequence
from typing import Any

import trio
from quart_trio import QuartTrio

from actors.keepers.file_watcher import FileWatcher
from actors.keepers.other_servers import OtherServers
from actors.pipeline.topology import Collector
from actors.stores.store import Store
from ingest import __version__
from ingest.engine.cluster import Cluster
from ingest.engine.cluster_figures import show_cluster
from ingest.http.access_log import AccessLog
from ingest.http.app import create_app
from ingest.http.batch_endpoint import BatchEndpoint
from ingest.http.event_endpoint import EventEndpoint
from ingest.http.fast_path.server import FastPath
from ingest.http.flood import FloodGuard
from ingest.http.health import Health, SitesKeeper
from ingest.http.hypercorn.connection import IDLE_SECONDS, LINGER_SECONDS
from ingest.http.hypercorn.server import Server
from ingest.http.live.status import LiveStatus
from ingest.http.operator import Operator
from ingest.http.request_observers import RequestObserver
from ingest.request.client_address import TrustedProxies
from ingest.setting_display import shown_settings
from ingest.settings import Settings


class Web:
    """A collector's application and what serves it.

    Attributes:
        app: The application; further routes may be added before it is served.
        operator: Checks the clients of the operator's routes.
        command_token: With which this machine's command line reaches the server.
    """

    def __init__(
        self,
        settings: Settings,
        collector: Collector,
        sites: SitesKeeper,
        geo: FileWatcher[Any] | None,
        others: OtherServers | None,
        store: Store | None,
        telemetry: RequestObserver | None,
        cluster: Callable[[], Cluster] | None = None,
        member: str = "",
    ) -> None:
        """Build the application.

        Args:
            settings: The server's settings.
            collector: Receives the events.
            sites: Keeps the registry up to date.
            geo: Keeps the geo database up to date; None without one.
            others: Finds other servers of the database; None if this process does not look.
            store: Asked by queries; None if this process has none.
            telemetry: Traces requests; None to disable traces.
            cluster: Returns the current view of the cluster; None if the process is in none.
            member: The process's id in the cluster.
        """
        self._observers: list[RequestObserver] = []
        if settings.access_log != "off":
            self._observers.append(AccessLog(settings.access_log))
        if telemetry is not None:
            self._observers.append(telemetry)
        self._fast = settings.fast_path == "on"
        self._metrics = collector.metrics
        self.command_token = secrets.token_urlsafe(32)
        self.operator = Operator(settings.admin_token, self.command_token)
        self._endpoint = EventEndpoint(
            collector,
            TrustedProxies.parse(settings.trusted_proxies),
            flood_guard(settings.flood_requests_per_minute),
            self.operator,
        )
        if cluster is not None:
            show_cluster(collector.metrics, cluster)
        self._batches = BatchEndpoint(
            collector,
            self._endpoint,
            admin_token=self.operator.token,
            past_days=settings.past_days,
        )
        health = Health(collector, sites, geo, others)
        self.app: QuartTrio = create_app(
            collector,
            health,
            endpoint=self._endpoint,
            batches=self._batches,
            operator=self.operator,
            live=LiveStatus(
                collector, health, shown_settings(settings), __version__, cluster, member
            ),
            store=store,
            version=__version__,
            observers=self._observers,
        )

    def server(self, listeners: Sequence[trio.SocketListener]) -> Server:
        """The server of the application.

        Args:
            listeners: Where it listens.
        """
        fast_path = None
        if self._fast:
            fast_path = FastPath(
                self._endpoint,
                self._batches,
                self._metrics,
                idle_seconds=IDLE_SECONDS,
                linger_seconds=LINGER_SECONDS,
                observers=self._observers,
            )
        return Server(
            self.app,
            list(listeners),
            self._metrics,
            fast_path,
            trusted_proxies=self._endpoint.trusted_proxies,
        )


def flood_guard(requests_per_minute: int) -> FloodGuard | None:
    """Create the limit for requests of one address; None for 0."""
    if not requests_per_minute:
        return None
    return FloodGuard(requests_per_minute, secrets.token_bytes(32))
