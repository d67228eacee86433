"""The web application: turns requests into events, and verdicts into responses."""

from collections.abc import Sequence

from quart import Response, g, request
from quart_trio import QuartTrio
from werkzeug.exceptions import RequestEntityTooLarge

from actors.pipeline.topology import Collector
from actors.stores.store import Store
from ingest.http.answer import Answer
from ingest.http.asgi_request import first_headers, joined_headers, peer_of, read_body
from ingest.http.base_app import create_base_app
from ingest.http.batch_endpoint import ROUTE as BATCH_ROUTE
from ingest.http.batch_endpoint import BatchEndpoint, is_small
from ingest.http.event_endpoint import OVERLOADED, ROUTE, EventEndpoint
from ingest.http.health import Health
from ingest.http.health_routes import add_health_routes
from ingest.http.live.page import add_live_page
from ingest.http.live.status import LiveStatus
from ingest.http.observation_routes import add_observation_routes
from ingest.http.operator import Operator
from ingest.http.operator_routes import add_metrics_route, add_operator_routes
from ingest.http.plausible_routes import add_plausible_routes
from ingest.http.request_observers import RequestObserver
from ingest.http.responses import error, respond
from ingest.http.stats import add_stats_page
from ingest.http.tracker.script import add_tracker_script
from ingest.http.turns import NEW
from ingest.http.validation import add_validation_route
from ingest.request.batch import BATCH_BYTES


def create_app(
    collector: Collector,
    health: Health,
    *,
    endpoint: EventEndpoint,
    batches: BatchEndpoint,
    operator: Operator,
    live: LiveStatus,
    store: Store | None,
    version: str,
    observers: Sequence[RequestObserver] = (),
) -> QuartTrio:
    """Create the application that serves one collector.

    Args:
        collector: Receives the events.
        health: Provides the reports of the health routes.
        endpoint: Answers events.
        batches: Answers batches of events.
        operator: Checks the clients of the operator's routes.
        live: The data that the live page shows.
        store: Asked by queries; None if this process has none.
        version: The program's version.
        observers: Called for each request.
    """
    metrics = collector.metrics
    app = create_base_app(metrics, endpoint.trusted_proxies, observers)

    @app.post(ROUTE)
    async def event() -> Response:
        scope = request.scope
        headers = first_headers(scope)
        lists = joined_headers(scope) if endpoint.trusted_proxies.listed else None
        client = endpoint.client_of(headers, lists, peer_of(scope))
        refusal = await endpoint.refusal_after_wait(headers, client)
        if refusal is not None:
            return _respond(refusal)
        try:
            body = await read_body()
        except RequestEntityTooLarge:
            return _respond(endpoint.too_large(headers))
        return _respond(await endpoint.answer(headers, client, body))

    @app.post(BATCH_ROUTE)
    async def events() -> Response:
        scope = request.scope
        headers = first_headers(scope)
        lists = joined_headers(scope) if endpoint.trusted_proxies.listed else None
        client = endpoint.client_of(headers, lists, peer_of(scope))
        refusal = await endpoint.refusal_after_wait(headers, client)
        if refusal is not None:
            return _respond(refusal)
        if not is_small(headers):
            async with batches.turns.turn(NEW) as has_come:
                if not has_come:
                    return _respond(OVERLOADED)
        try:
            body = await read_body()
        except RequestEntityTooLarge:
            return error(413, "request", f"Must be at most {BATCH_BYTES} bytes")
        return _respond(await batches.answer(headers, client, body))

    add_health_routes(app, health, operator)
    add_plausible_routes(app, health, collector.reference, version)
    add_tracker_script(app, collector)
    add_live_page(app, operator, live)
    add_stats_page(app, operator, store, collector.reference, collector.clock)
    add_metrics_route(app, metrics, operator)
    add_operator_routes(app, store, operator, version)
    add_observation_routes(app, collector.broadcast, collector.reference, operator)
    add_validation_route(app, collector, endpoint, operator)

    return app


def _respond(answer: Answer) -> Response:
    """Return an answer as a Quart response, and keep its drop reasons for observers."""
    g.reasons = answer.reasons
    return respond(answer)
