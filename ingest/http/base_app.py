"""What the applications of all roles share: limits, headers, errors and observers."""

import time
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import structlog
import trio
from quart import Response, g, request
from quart_trio import QuartTrio
from quart_trio.wrappers.request import TrioRequest
from werkzeug.exceptions import HTTPException

from ingest.http.answer import CORS_HEADERS, FIRST_ERROR
from ingest.http.asgi_request import first_headers, peer_of
from ingest.http.batch_endpoint import ROUTE as BATCH_ROUTE
from ingest.http.body_budget import (
    BodyBudget,
    BodyBudgetExceededError,
    BodyInPiecesError,
    BoundedConnection,
    CountedBody,
)
from ingest.http.event_endpoint import OVERLOADED, ROUTE
from ingest.http.plausible_routes import ERROR, HEALTH, LIVE, READY, SYSTEM
from ingest.http.request_observers import CompletedRequest, RequestObserver
from ingest.http.responses import error, preflight, respond
from ingest.http.tracker.script import ROUTE as SCRIPT_ROUTE
from ingest.http.trusted_headers import new_request_id, traceparent
from ingest.request.batch import BATCH_BYTES
from ingest.request.body import BODY_LIMIT
from ingest.request.client_address import TrustedProxies
from ingest.telemetry.logs import stack_of
from ingest.telemetry.metrics import Metrics
from ingest.telemetry.request_id import CURRENT, HEADER

log = structlog.get_logger()

NO_ROUTE: Final = "(none)"

OPEN_ROUTES: Final = frozenset(
    {
        *(ROUTE, BATCH_ROUTE, SCRIPT_ROUTE, NO_ROUTE),
        *("/health", "/ready", HEALTH, READY, LIVE, SYSTEM, ERROR),
    }
)
"""Routes open to every origin. All other routes are the operator's."""

QUERY_STRING_BYTES: Final = 2_000
"""Parameters of the operator's routes. The open routes read none."""

OPERATOR_HEADERS: Final = (
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


def create_base_app(
    metrics: Metrics,
    trusted_proxies: TrustedProxies,
    observers: Sequence[RequestObserver] = (),
) -> QuartTrio:
    """Create an application without routes.

    Args:
        metrics: Count requests.
        trusted_proxies: Proxies whose request ids and trace parents are taken.
        observers: Called for each request.
    """
    app = QuartTrio("sluice", static_folder=None)
    app.request_class = BoundedRequest
    app.asgi_http_class = partial(BoundedConnection, BodyBudget())  # type: ignore[assignment]
    app.config["MAX_CONTENT_LENGTH"] = BODY_LIMIT
    # `//health` is not a route: a redirect would go to the host that the client has sent.
    app.url_map.merge_slashes = False

    @app.before_request
    async def begin() -> Response | None:
        g.started = time.perf_counter()
        g.id = new_request_id(trusted_proxies, peer_of(request.scope))
        g.id.begin(first_headers(request.scope))
        CURRENT.set(g.id)
        route = _route()
        if request.method == "OPTIONS" and route in OPEN_ROUTES:
            takes_events = route in (ROUTE, BATCH_ROUTE)
            return preflight(first_headers(request.scope).get("origin") if takes_events else None)
        if len(request.query_string) > QUERY_STRING_BYTES and route not in OPEN_ROUTES:
            return error(
                414, "request", f"Must have at most {QUERY_STRING_BYTES} bytes after the ?"
            )
        return None

    @app.after_request
    async def finish(response: Response) -> Response:
        route, status, seconds = _route(), response.status_code, time.perf_counter() - g.started
        if route in OPEN_ROUTES:
            for name, value in CORS_HEADERS:
                response.headers.setdefault(name, value)
        else:
            for name, value in OPERATOR_HEADERS:
                response.headers.setdefault(name, value)
        metrics.observe_request(route, status, seconds)
        if status >= FIRST_ERROR:
            response.headers[HEADER] = g.id.text
            if route in (ROUTE, BATCH_ROUTE):
                metrics.history.refuse(status)
        if observers:
            headers, peer = first_headers(request.scope), peer_of(request.scope)
            parent = traceparent(trusted_proxies, headers, peer)
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

    @app.errorhandler(BodyInPiecesError)
    async def in_pieces(_: BodyInPiecesError) -> Response:
        message = "The body comes in too many small chunks"
        return error(400, "request", message, {"connection": "close"})

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


def _route() -> str:
    """Return the pattern of the current request's route; `NO_ROUTE` if none matched."""
    return NO_ROUTE if request.url_rule is None else request.url_rule.rule
