"""The web application of a worker: how it is, its metrics, and nothing else."""

from collections.abc import Sequence
from typing import Any, Protocol

from quart import Response
from quart_trio import QuartTrio

from ingest.http.base_app import create_base_app
from ingest.http.health_routes import HealthReport, add_health_routes
from ingest.http.operator import Operator
from ingest.http.operator_routes import add_metrics_route
from ingest.http.request_observers import RequestObserver
from ingest.http.responses import json_response
from ingest.request.client_address import TrustedProxies
from ingest.telemetry.metrics import Metrics


class WorkerReport(HealthReport, Protocol):
    """How a worker is."""

    def status(self) -> dict[str, Any]:
        """Return what `/api/status` shows besides the version: figures, partitions, reasons."""


def create_worker_app(
    report: WorkerReport,
    metrics: Metrics,
    operator: Operator,
    version: str,
    *,
    trusted_proxies: TrustedProxies,
    observers: Sequence[RequestObserver] = (),
) -> QuartTrio:
    """Create the application of a worker.

    Args:
        report: Tells how the worker is.
        metrics: Shown by `/metrics`, and count requests.
        operator: Checks the clients of the operator's routes.
        version: The program's version.
        trusted_proxies: Proxies whose request ids are taken.
        observers: Called for each request.
    """
    app = create_base_app(metrics, trusted_proxies, observers)
    add_health_routes(app, report, operator)
    add_metrics_route(app, metrics, operator)

    @app.get("/api/status")
    async def status() -> Response:
        return operator.refusal() or json_response(200, {"version": version, **report.status()})

    return app
