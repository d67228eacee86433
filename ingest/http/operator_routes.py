"""The routes for the operator's tools: metrics, the description of the routes, queries."""

from functools import partial

from quart import Response, request
from quart_trio import QuartTrio

from actors.pipeline.topology import Collector
from actors.stores.store import QueryRefused, StoreUnavailable
from ingest.http.asgi_request import read_body
from ingest.http.interruption import UnwantedError, while_wanted
from ingest.http.openapi.event_schema import openapi_document
from ingest.http.operator import Operator
from ingest.http.responses import error, json_response, text


def add_operator_routes(
    app: QuartTrio, collector: Collector, operator: Operator, version: str
) -> None:
    """Add the routes.

    Args:
        app: The application.
        collector: Provides the metrics and the store.
        operator: Checks the client.
        version: The program's version, for `/openapi.json`.
    """
    openapi = openapi_document(version)

    @app.get("/metrics")
    async def figures() -> Response:
        exposition = "text/plain; version=0.0.4; charset=utf-8"
        return operator.refusal() or text(200, collector.metrics.exposition(), {}, exposition)

    @app.get("/openapi.json")
    async def description() -> Response:
        return operator.refusal() or json_response(200, openapi)

    @app.post("/api/query")
    async def query() -> Response:
        if not operator.is_authorized_command():
            return operator.denial()
        try:
            sql = (await read_body()).decode("utf-8", "replace")
            rows = await while_wanted(request.scope, partial(collector.store.query, sql))
        except QueryRefused as refused:
            return error(400, "query", str(refused))
        except (StoreUnavailable, UnwantedError) as unavailable:
            return error(503, "query", str(unavailable))
        return text(200, "".join(f"{row}\n" for row in rows), {}, "application/x-ndjson")
