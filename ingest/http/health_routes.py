"""The routes that tell whether the process is alive and ready."""

from typing import Any, Protocol

from quart import Response
from quart_trio import QuartTrio

from ingest.http.operator import Operator
from ingest.http.responses import json_response


class HealthReport(Protocol):
    """How a process is."""

    @property
    def alive(self) -> bool:
        """Whether the process is alive and its actors run."""

    @property
    def liveness(self) -> str:
        """The same as text."""

    def readiness(self, *, detailed: bool) -> tuple[bool, dict[str, Any]]:
        """Return whether the process does its work, and a report on its parts.

        Args:
            detailed: Whether to include reasons, which may name files and hosts.
        """


def add_health_routes(app: QuartTrio, health: HealthReport, operator: Operator) -> None:
    """Add `/health` and `/ready`.

    Args:
        app: The application.
        health: What they report.
        operator: Decides who sees the reasons.
    """

    @app.get("/health")
    async def liveness() -> Response:
        return json_response(200 if health.alive else 503, {"status": health.liveness})

    @app.get("/ready")
    async def readiness() -> Response:
        ready, report = health.readiness(detailed=operator.is_authorized())
        return json_response(200 if ready else 503, report)
