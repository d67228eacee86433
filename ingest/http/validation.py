"""`POST /api/event/validate`: reports how an event would be processed, and why."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from quart import Response, request
from quart_trio import QuartTrio
from werkzeug.exceptions import RequestEntityTooLarge

from actors.pipeline.topology import Collector
from ingest.http.answer import Answer, answer_error, answer_json
from ingest.http.asgi_request import first_headers, joined_headers, peer_of, read_body
from ingest.http.drop_reasons import HEADER, header_value
from ingest.http.event_endpoint import (
    NOT_ACCEPTABLE,
    OVERLOADED,
    ROUTE,
    TOO_LARGE,
    EventEndpoint,
)
from ingest.http.operator import Operator
from ingest.http.responses import accepts_json, respond
from ingest.model.event import Event, EventRequest
from ingest.observation.address import describe_client
from ingest.observation.event_trace import EventTrace
from ingest.observation.request_summary import (
    describe_body,
    describe_keys,
    describe_mistakes,
    describe_request,
)
from ingest.request.body import reads_raw
from ingest.request.client_address import ClientAddress
from ingest.request.invalid import UNPARSABLE, InvalidRequest
from ingest.request.parse import parse_request

VALIDATE_ROUTE: Final = f"{ROUTE}/validate"

VALIDATED_BYTES: Final = 100_000
"""Maximum size of a body that is traced. It is parsed several times, and its texts are returned, so
a trace takes three times as long as the event itself."""

TOO_LARGE_TO_TRACE: Final = answer_error(
    413, "request", f"Events of at most {VALIDATED_BYTES} bytes are validated"
)


def add_validation_route(
    app: QuartTrio, collector: Collector, endpoint: EventEndpoint, operator: Operator
) -> None:
    """Add the route.

    Args:
        app: The application.
        collector: Its pipeline traces the events.
        endpoint: Its rules for requests apply.
        operator: Checks the client.
    """

    @app.post(VALIDATE_ROUTE)
    async def validate() -> Response:
        refusal = operator.refusal()
        if refusal is not None:
            return refusal
        scope = request.scope
        headers = first_headers(scope)
        if not accepts_json(headers.get("accept")):
            return respond(NOT_ACCEPTABLE)
        try:
            body = await read_body()
        except RequestEntityTooLarge:
            raw = reads_raw(headers.get("content-type"))
            return respond(answer_json(400, {"errors": dict(UNPARSABLE)}) if raw else TOO_LARGE)
        if len(body) > VALIDATED_BYTES:
            return respond(TOO_LARGE_TO_TRACE)
        lists = joined_headers(scope) if endpoint.trusted_proxies.listed else None
        client = endpoint.client_of(headers, lists, peer_of(scope))
        sender = describe_client(client, headers, peer_of(scope), endpoint.trusted_proxies)
        return respond(_answer(collector, headers, client, sender, body))


def _answer(
    collector: Collector,
    headers: Mapping[str, str],
    client: ClientAddress,
    sender: dict[str, Any],
    body: bytes,
) -> Answer:
    content_type, agent = headers.get("content-type"), headers.get("user-agent")
    about = {"client": sender, "user_agent": {"characters": len(agent or "")}}
    try:
        event_request = parse_request(
            content_type,
            body,
            timestamp=collector.clock.seconds(),
            client_ip=client.ip,
            user_agent=agent,
            ip_type=client.ip_type,
        )
    except InvalidRequest as invalid:
        understood = describe_mistakes(content_type, body, invalid.errors)
        report = {"errors": dict(invalid.errors), "understood": {"request": understood, **about}}
        return answer_json(400, report)
    traces = _traces(collector, event_request)
    return answer_json(
        200,
        {
            "answer": _expected_answer(collector, traces),
            "request": {
                **describe_body(content_type, body),
                **describe_keys(content_type, body),
                "fields": describe_request(event_request),
            },
            **about,
            "domains": [msgspec.to_builtins(trace) for trace in traces],
        },
    )


def _traces(collector: Collector, event_request: EventRequest) -> list[EventTrace]:
    """Return a trace for each domain; a trace does not affect the next one."""
    return [
        collector.trace(Event(0, position, domain, event_request))
        for position, domain in enumerate(event_request.domains)
    ]


def _expected_answer(collector: Collector, traces: list[EventTrace]) -> dict[str, Any]:
    """Return the answer that the event's sender would get, without the flood limit."""
    if not collector.accepting:
        return {"status": OVERLOADED.status, "headers": dict(OVERLOADED.headers)}
    dropped = [
        (trace.domain, trace.reason, trace.rule) for trace in traces if trace.reason is not None
    ]
    if not dropped:
        return {"status": 202, "headers": {}}
    return {
        "status": 202,
        "headers": {"x-plausible-dropped": str(len(dropped)), HEADER: header_value(dropped)},
    }
