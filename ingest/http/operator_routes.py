"""The routes for the operator's tools: metrics, the description of the routes, queries."""

from functools import partial
from typing import Final

from quart import Response, request
from quart_trio import QuartTrio

from actors.stores.store import QueryRefused, Store, StoreUnavailable
from ingest.http.asgi_request import read_body
from ingest.http.interruption import UnwantedError, while_wanted
from ingest.http.openapi.event_schema import openapi_document
from ingest.http.operator import Operator
from ingest.http.responses import error, json_response, text
from ingest.telemetry.metrics import Metrics

NO_STORE: Final = "This front has no store; set CLICKHOUSE_URL to ask one here"


def add_metrics_route(app: QuartTrio, metrics: Metrics, operator: Operator) -> None:
    """Add `/metrics`.

    Args:
        app: The application.
        metrics: What it shows.
        operator: Checks the client.
    """

    @app.get("/metrics")
    async def figures() -> Response:
        exposition = "text/plain; version=0.0.4; charset=utf-8"
        return operator.refusal() or text(200, metrics.exposition(), {}, exposition)


def add_operator_routes(
    app: QuartTrio, store: Store | None, operator: Operator, version: str
) -> None:
    """Add the description of the routes, and queries.

    Args:
        app: The application.
        store: Asked by queries; None if this process has none.
        operator: Checks the client.
        version: The program's version, for `/openapi.json`.
    """
    openapi = openapi_document(version)

    @app.get("/openapi.json")
    async def description() -> Response:
        return operator.refusal() or json_response(200, openapi)

    @app.post("/api/query")
    async def query() -> Response:
        if not operator.is_authorized_command():
            return operator.denial()
        if store is None:
            return error(503, "query", NO_STORE)
        try:
            sql = (await read_body()).decode("utf-8", "replace")
            rows = await while_wanted(request.scope, partial(store.query, sql))
        except QueryRefused as refused:
            return error(400, "query", str(refused))
        except (StoreUnavailable, UnwantedError) as unavailable:
            return error(503, "query", str(unavailable))
        return text(200, "".join(f"{row}\n" for row in rows), {}, "application/x-ndjson")
