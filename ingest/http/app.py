"""The web application: turns requests into events, and verdicts into responses."""

import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import structlog
import trio
from quart import Response, g, request
from quart_trio import QuartTrio
from quart_trio.wrappers.request import TrioRequest
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from actors.pipeline.topology import Collector
from actors.stores.store import Store
from ingest.http.answer import CORS_HEADERS, FIRST_ERROR, Answer
from ingest.http.asgi_request import first_headers, joined_headers, peer_of, read_body
from ingest.http.batch_endpoint import ROUTE as BATCH_ROUTE
from ingest.http.batch_endpoint import BatchEndpoint
from ingest.http.body_budget import (
    BodyBudget,
    BodyBudgetExceededError,
    BoundedConnection,
    CountedBody,
)
from ingest.http.event_endpoint import OVERLOADED, ROUTE, EventEndpoint
from ingest.http.health import Health
from ingest.http.live.page import add_live_page
from ingest.http.live.status import LiveStatus
from ingest.http.observation_routes import add_observation_routes
from ingest.http.operator import Operator
from ingest.http.operator_routes import add_operator_routes
from ingest.http.request_observers import CompletedRequest, RequestObserver
from ingest.http.responses import (
    PREFLIGHT_HEADERS,
    empty,
    error,
    json_response,
    respond,
)
from ingest.http.tracker.script import ROUTE as SCRIPT_ROUTE
from ingest.http.tracker.script import add_tracker_script
from ingest.http.validation import add_validation_route
from ingest.request.batch import BATCH_BYTES
from ingest.request.body import BODY_LIMIT
from ingest.telemetry.logs import stack_of
from ingest.telemetry.request_id import CURRENT, HEADER

log = structlog.get_logger()

NO_ROUTE = "(none)"

OPEN_ROUTES = frozenset(
    {ROUTE, BATCH_ROUTE, SCRIPT_ROUTE, "/health", "/ready", "/api/health", NO_ROUTE}
)
"""Routes open to every origin. All other routes are the operator's."""

OPERATOR_HEADERS = (
    ("cache-control", "no-store"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ("cross-origin-resource-policy", "same-origin"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
)
"""Default headers of answers to the operator: no other page may read or show them."""


class BoundedRequest(TrioRequest):
    """A request whose body has its route's limit and is charged to the budget of all bodies."""

    body_class = CountedBody

    def __init__(
        self, method: str, scheme: str, path: str, *arguments: Any, **options: Any
    ) -> None:
        """Take Quart's arguments. The route has not been looked up yet."""
        if path == BATCH_ROUTE:
            options["max_content_length"] = BATCH_BYTES
        super().__init__(method, scheme, path, *arguments, **options)


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
        version: The program's version, for `/openapi.json`.
        observers: Called for each request.
    """
    app = QuartTrio("sluice", static_folder=None)
    app.request_class = BoundedRequest
    app.asgi_http_class = partial(BoundedConnection, BodyBudget())  # type: ignore[assignment]
    app.config["MAX_CONTENT_LENGTH"] = BODY_LIMIT
    # `//health` is not a route: a redirect would go to the host that the client has sent.
    app.url_map.merge_slashes = False
    metrics = collector.metrics

    @app.post(ROUTE)
    async def event() -> Response:
        scope = request.scope
        headers = first_headers(scope)
        lists = joined_headers(scope) if endpoint.trusted_proxies.listed else None
        client = endpoint.client_of(headers, lists, peer_of(scope))
        refusal = endpoint.refusal(headers, client)
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
        try:
            body = await read_body()
        except RequestEntityTooLarge:
            return error(413, "request", f"Must be at most {BATCH_BYTES} bytes")
        return _respond(await batches.answer(headers, client, body))

    @app.get("/health")
    async def liveness() -> Response:
        return json_response(200 if health.alive else 503, {"status": health.liveness})

    @app.get("/ready")
    async def readiness() -> Response:
        ready, report = health.readiness(detailed=operator.is_authorized())
        return json_response(200 if ready else 503, report)

    @app.get("/api/health")
    async def plausible_health() -> Response:
        report = health.plausible()
        healthy = all(state == "ok" for state in report.values())
        return json_response(200 if healthy else 500, report)

    add_tracker_script(app)
    add_live_page(app, operator, live)
    add_operator_routes(app, metrics, store, operator, version)
    add_observation_routes(app, collector.broadcast, collector.reference, operator)
    add_validation_route(app, collector, endpoint, operator)

    @app.before_request
    async def begin() -> Response | None:
        g.started = time.perf_counter()
        g.id = endpoint.request_id(peer_of(request.scope))
        g.id.begin(first_headers(request.scope))
        CURRENT.set(g.id)
        if request.method == "OPTIONS" and _route() in OPEN_ROUTES:
            return empty(204, PREFLIGHT_HEADERS)
        return None

    @app.after_request
    async def finish(response: Response) -> Response:
        route, status, seconds = _route(), response.status_code, time.perf_counter() - g.started
        if route in OPEN_ROUTES:
            response.headers.update(CORS_HEADERS)
        else:
            for name, value in OPERATOR_HEADERS:
                response.headers.setdefault(name, value)
        metrics.observe_request(route, status, seconds)
        if status >= FIRST_ERROR:
            response.headers[HEADER] = g.id.text
            if route in (ROUTE, BATCH_ROUTE):
                metrics.history.refuse(status)
        if observers:
            parent = endpoint.traceparent(first_headers(request.scope), peer_of(request.scope))
            reasons = g.get("reasons", ())
            completed = CompletedRequest(request.method, route, status, seconds, reasons, parent)
            for observe in observers:
                observe(completed)
        return response

    @app.errorhandler(trio.TooSlowError)
    async def too_slow(_: trio.TooSlowError) -> Response:
        return error(408, "request", "The body did not arrive in time", {"connection": "close"})

    @app.errorhandler(BodyBudgetExceededError)
    async def budget_exceeded(_: BodyBudgetExceededError) -> Response:
        metrics.requests_refused.labels("bodies").inc()
        return respond(OVERLOADED)

    @app.errorhandler(HTTPException)
    async def http_error(failure: HTTPException) -> Response:
        allowed = getattr(failure, "valid_methods", None)
        headers = {"allow": ", ".join(sorted(allowed))} if allowed else {}
        return error(failure.code or 400, "request", failure.name, headers)

    @app.errorhandler(Exception)
    async def unexpected(failure: Exception) -> Response:
        log.error(
            "request failed",
            path=request.path,
            error=type(failure).__name__,
            stack=stack_of(failure),
        )
        return error(500, "request", "Internal error")

    return app


def _respond(answer: Answer) -> Response:
    """Return an answer as a Quart response, and keep its drop reasons for observers."""
    g.reasons = answer.reasons
    return respond(answer)


def _route() -> str:
    """Return the pattern of the current request's route; `NO_ROUTE` if none matched."""
    return NO_ROUTE if request.url_rule is None else request.url_rule.rule
