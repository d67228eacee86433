"""Plausible's routes beside the events', for existing monitors (spec/ingestion.md §12)."""

from typing import Final

from quart import Response
from quart_trio import QuartTrio

from ingest.http.health import Health
from ingest.http.responses import empty, json_response
from ingest.pipeline.reference import Reference

HEALTH: Final = "/api/health"
READY: Final = "/api/system/health/ready"
LIVE: Final = "/api/system/health/live"
SYSTEM: Final = "/api/system"
ERROR: Final = "/api/error"


def add_plausible_routes(
    app: QuartTrio, health: Health, reference: Reference, version: str
) -> None:
    """Add the routes.

    Args:
        app: The application.
        health: What the health routes report.
        reference: Has the geo database.
        version: The program's version.
    """

    @app.get(HEALTH)
    @app.get(READY)
    async def plausible_health() -> Response:
        report = health.plausible()
        return json_response(500 if "error" in report.values() else 200, report)

    @app.get(LIVE)
    async def plausible_liveness() -> Response:
        return json_response(200 if health.alive else 500, {"ok": health.alive})

    @app.get(SYSTEM)
    async def system() -> Response:
        geo_database = reference.geo.type or "(not configured)"
        return json_response(200, {"geo_database": geo_database, "build": {"version": version}})

    @app.get(ERROR)
    async def script_error() -> Response:
        """Answer a script's report of an error; nothing is kept of it."""
        return empty(200, {})
