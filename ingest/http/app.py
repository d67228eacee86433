"""The web application: turns requests into events, and verdicts into responses."""

import time
from typing import Any

import structlog
import trio
from pydantic import SecretStr
from quart import Response, g, request
from quart_trio import QuartTrio
from quart_trio.wrappers.request import TrioRequest
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from actors.collector import Collector
from actors.stores.store import QueryRefused, StoreUnavailable
from ingest.http.admin import bears, may_administer
from ingest.http.answer import CORS_HEADERS
from ingest.http.batch_endpoint import ROUTE as BATCH_ROUTE
from ingest.http.batch_endpoint import BatchEndpoint
from ingest.http.event_endpoint import ROUTE, EventEndpoint
from ingest.http.health import Health
from ingest.http.responses import (
    PREFLIGHT_HEADERS,
    empty,
    error,
    json_response,
    respond,
    text,
)
from ingest.log import stack_of
from ingest.request.batch import BATCH_BYTES
from ingest.request.body import BODY_LIMIT
from ingest.request.client_address import JOINED_HEADERS
from ingest.request.schema import openapi_document

log = structlog.get_logger()

BODY_SECONDS = 10.0
"""How long a client may take to send a body."""


class BoundedRequest(TrioRequest):
    """A request whose body has the limit of its route."""

    def __init__(
        self, method: str, scheme: str, path: str, *arguments: Any, **options: Any
    ) -> None:
        """As Quart makes it, before it looks for the route."""
        if path == BATCH_ROUTE:
            options["max_content_length"] = BATCH_BYTES
        super().__init__(method, scheme, path, *arguments, **options)


def create_app(
    collector: Collector,
    health: Health,
    *,
    endpoint: EventEndpoint,
    batches: BatchEndpoint,
    admin_token: SecretStr | None,
    query_token: str,
    version: str,
) -> QuartTrio:
    """Make the application that serves one collector.

    Args:
        collector: Where events go.
        health: What the health routes answer from.
        endpoint: Answers events.
        batches: Answers batches of events.
        admin_token: For the operator's routes; None: they answer on loopback only.
        query_token: For `POST /api/query`, known to this machine's command line.
        version: The program's, for `/openapi.json`.
    """
    app = QuartTrio("sluice", static_folder=None)
    app.request_class = BoundedRequest
    app.config["MAX_CONTENT_LENGTH"] = BODY_LIMIT
    # No redirects to where the client believes the server to be: `//health` is no route.
    app.url_map.merge_slashes = False
    token = None if admin_token is None else admin_token.get_secret_value()
    openapi = openapi_document(version)
    metrics = collector.metrics

    @app.post(ROUTE)
    async def event() -> Response:
        scope = request.scope
        headers = first_headers(scope)
        lists = joined_headers(scope) if endpoint.trusted_proxies.listed else None
        client = endpoint.client_of(headers, lists, peer_of(scope))
        refusal = endpoint.refusal(headers, client)
        if refusal is not None:
            return respond(refusal)
        try:
            body = await read_body()
        except RequestEntityTooLarge:
            return respond(endpoint.too_large(headers))
        return respond(await endpoint.answer(headers, client, body))

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
        return respond(await batches.answer(headers, client, body))

    @app.get("/health")
    async def liveness() -> Response:
        return json_response(200 if health.alive else 503, {"status": health.liveness})

    @app.get("/ready")
    async def readiness() -> Response:
        ready, report = health.readiness(detailed=is_admin())
        return json_response(200 if ready else 503, report)

    @app.get("/api/health")
    async def plausible_health() -> Response:
        report = health.plausible()
        healthy = all(state == "ok" for state in report.values())
        return json_response(200 if healthy else 500, report)

    @app.get("/metrics")
    async def figures() -> Response:
        if not is_admin():
            return forbidden()
        return text(200, metrics.exposition(), {}, "text/plain; version=0.0.4; charset=utf-8")

    @app.get("/openapi.json")
    async def description() -> Response:
        return json_response(200, openapi) if is_admin() else forbidden()

    @app.post("/api/query")
    async def query() -> Response:
        if not bears(first_headers(request.scope), query_token):
            return forbidden()
        try:
            sql = (await read_body()).decode("utf-8", "replace")
            rows = await collector.store.query(sql)
        except QueryRefused as refused:
            return error(400, "query", str(refused))
        except StoreUnavailable as unavailable:
            return error(503, "query", str(unavailable))
        return text(200, "".join(f"{row}\n" for row in rows), {}, "application/x-ndjson")

    def is_admin() -> bool:
        return may_administer(first_headers(request.scope), peer_of(request.scope), token)

    def forbidden() -> Response:
        if token is None:
            return error(403, "request", "Answered on loopback only; set SLUICE_ADMIN_TOKEN")
        return error(401, "request", "Needs the admin token", {"www-authenticate": "Bearer"})

    @app.before_request
    async def begin() -> Response | None:
        g.started = time.perf_counter()
        return empty(204, PREFLIGHT_HEADERS) if request.method == "OPTIONS" else None

    @app.after_request
    async def finish(response: Response) -> Response:
        response.headers.update(CORS_HEADERS)
        route = "(none)" if request.url_rule is None else request.url_rule.rule
        metrics.observe_request(route, response.status_code, time.perf_counter() - g.started)
        return response

    @app.errorhandler(trio.TooSlowError)
    async def too_slow(_: trio.TooSlowError) -> Response:
        return error(408, "request", "The body did not arrive in time", {"connection": "close"})

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


async def read_body() -> bytes:
    """The request's body.

    Raises:
        RequestEntityTooLarge: It has more than `BODY_LIMIT` bytes; it is not read any further.
        trio.TooSlowError: It did not arrive in time.
    """
    with trio.fail_after(BODY_SECONDS):
        body: bytes = await request.body
    return body


def first_headers(scope: Any) -> dict[str, str]:
    """The first occurrence of each header, by lower-case name."""
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        headers.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))
    return headers


def joined_headers(scope: Any) -> dict[str, str]:
    """Headers that are lists, by lower-case name: all their occurrences, joined in their order."""
    lists: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        if name in JOINED_HEADERS:
            lists[name] = f"{lists[name]},{value}" if name in lists else value
    return lists


def peer_of(scope: Any) -> str:
    """The address of the connection's other end; empty when it has none."""
    client = scope.get("client")
    return "" if client is None else str(client[0])
