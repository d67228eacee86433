"""The web application: turns requests into events, and verdicts into responses."""

import secrets
import time
from collections.abc import Mapping
from typing import Any

import structlog
import trio
from pydantic import SecretStr
from quart import Response, g, request
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from actors.collector import Collector
from actors.intake import RETRY_AFTER_SECONDS, OverloadedError
from actors.stores.store import QueryRefused, StoreUnavailable
from ingest.http.admin import bears, may_administer
from ingest.http.flood import FloodGuard
from ingest.http.health import Health
from ingest.http.responses import (
    PREFLIGHT_HEADERS,
    accepts_json,
    empty,
    error,
    json_response,
    text,
)
from ingest.log import stack_of
from ingest.request.body import BODY_LIMIT, reads_raw
from ingest.request.client_address import (
    JOINED_HEADERS,
    ClientAddress,
    TrustedProxies,
    resolve_client_ip,
)
from ingest.request.invalid import UNPARSABLE, InvalidRequest
from ingest.request.parse import parse_request
from ingest.request.schema import openapi_document

log = structlog.get_logger()

BODY_SECONDS = 10.0
"""How long a client may take to send a body."""


def create_app(
    collector: Collector,
    health: Health,
    *,
    trusted_proxies: TrustedProxies,
    admin_token: SecretStr | None,
    query_token: str,
    version: str,
    flood_requests_per_minute: int = 0,
) -> QuartTrio:
    """Make the application that serves one collector.

    Args:
        collector: Where events go.
        health: What the health routes answer from.
        trusted_proxies: Whose headers are believed.
        admin_token: For the operator's routes; None: they answer on loopback only.
        query_token: For `POST /api/query`, known to this machine's command line.
        version: The program's, for `/openapi.json`.
        flood_requests_per_minute: Events that one address may send; 0: any number.
    """
    app = QuartTrio("sluice", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = BODY_LIMIT
    # No redirects to where the client believes the server to be: `//health` is no route.
    app.url_map.merge_slashes = False
    token = None if admin_token is None else admin_token.get_secret_value()
    openapi = openapi_document(version)
    metrics = collector.metrics
    flood = None
    if flood_requests_per_minute:
        flood = FloodGuard(flood_requests_per_minute, secrets.token_bytes(32))

    @app.post("/api/event")
    async def event() -> Response:
        headers = first_headers(request.scope)
        if not accepts_json(headers.get("accept")):
            return error(406, "request", "Must accept application/json")
        if not collector.accepting:
            raise OverloadedError
        client = client_of(request.scope, headers, trusted_proxies)
        if flood is not None and (wait := flood.seconds_to_wait(client.ip, trio.current_time())):
            metrics.requests_refused.labels("flood").inc()
            message = "Too many requests from this address"
            return error(429, "request", message, {"retry-after": str(wait)})
        try:
            body = await read_body()
        except RequestEntityTooLarge:
            if reads_raw(headers.get("content-type")):
                return refuse(UNPARSABLE)
            return error(413, "request", f"Must be at most {BODY_LIMIT} bytes")
        try:
            event_request = parse_request(
                headers.get("content-type"),
                body,
                timestamp=collector.clock.seconds(),
                client_ip=client.ip,
                user_agent=headers.get("user-agent"),
                ip_type=client.ip_type,
            )
        except InvalidRequest as invalid:
            return refuse(invalid.errors)
        verdicts = await collector.intake.submit(event_request)
        dropped = sum(not verdict.accepted for verdict in verdicts)
        return text(202, "ok", {"x-plausible-dropped": str(dropped)} if dropped else {})

    def refuse(errors: Mapping[str, list[str]]) -> Response:
        for field in errors:
            metrics.validation_errors.labels(field).inc()
        return json_response(400, {"errors": dict(errors)})

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
        response.headers["access-control-allow-origin"] = "*"
        response.headers["access-control-expose-headers"] = "x-plausible-dropped, retry-after"
        seconds = time.perf_counter() - g.started
        route = "(none)" if request.url_rule is None else request.url_rule.rule
        metrics.requests.labels(route, str(response.status_code)).observe(seconds)
        return response

    @app.errorhandler(trio.TooSlowError)
    async def too_slow(_: trio.TooSlowError) -> Response:
        return error(408, "request", "The body did not arrive in time", {"connection": "close"})

    @app.errorhandler(OverloadedError)
    async def overloaded(_: OverloadedError) -> Response:
        message = "Cannot take events now, try again later"
        return error(503, "request", message, {"retry-after": str(RETRY_AFTER_SECONDS)})

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


def client_of(scope: Any, headers: Mapping[str, str], trusted: TrustedProxies) -> ClientAddress:
    """Where a request came from.

    Args:
        scope: The request's.
        headers: Its `first_headers`.
        trusted: Whose headers are believed.
    """
    lists = joined_headers(scope) if trusted.listed else None
    return resolve_client_ip(headers, peer_of(scope), trusted, lists)


def peer_of(scope: Any) -> str:
    """The address of the connection's other end; empty when it has none."""
    client = scope.get("client")
    return "" if client is None else str(client[0])
