"""Parses a body and its headers into a valid request, or a list of mistakes."""

from typing import Any

from ingest.model.event import ENGAGEMENT, EventRequest
from ingest.request.body import parse_body
from ingest.request.event_fields import Fields
from ingest.request.field_values import UNKNOWN_SCROLL_DEPTH
from ingest.request.fields import SYSTEM_EVENTS, read_fields
from ingest.request.invalid import InvalidRequest
from ingest.request.props import PropsTooLong, parse_props
from ingest.request.revenue import parse_revenue
from ingest.request.url import parse_url


def parse_request(
    content_type: str | None,
    body: bytes,
    *,
    timestamp: int,
    client_ip: str,
    user_agent: str | None,
    ip_type: str | None,
) -> EventRequest:
    """Parse and validate one request (spec/ingestion.md §1 to §9).

    Args:
        content_type: The header; None when absent.
        body: At most `ingest.request.body.BODY_LIMIT` bytes.
        timestamp: Unix seconds.
        client_ip: The visitor's address.
        user_agent: The header; None when absent.
        ip_type: What a trusted proxy says of the address.

    Raises:
        InvalidRequest: With every mistake found.
    """
    return parse_event(
        parse_body(content_type, body),
        timestamp=timestamp,
        client_ip=client_ip,
        user_agent=user_agent,
        ip_type=ip_type,
    )


def parse_event(
    params: dict[str, Any],
    *,
    timestamp: int,
    client_ip: str,
    user_agent: str | None,
    ip_type: str | None,
    received: int | None = None,
) -> EventRequest:
    """Validate the fields of one event (spec/ingestion.md §2 to §9).

    Args:
        params: By the keys of the wire.
        timestamp: Unix seconds.
        client_ip: The visitor's address.
        user_agent: None when unknown.
        ip_type: What a trusted proxy says of the address.
        received: As in `EventRequest`.

    Raises:
        InvalidRequest: With every mistake found.
    """
    fields, errors = read_fields(params)
    url = parse_url(fields.url)
    domains = fields.domains or ((url.host,) if url.host else ())
    if not domains:
        errors["domain"] = ["can't be blank"]
    pathname = url.pathname(with_fragment=True) if fields.hash_mode == 1 else url.path
    if not pathname:
        errors["pathname"] = ["can't be blank"]
    engagement = fields.event_name == ENGAGEMENT
    if engagement and _says_nothing(fields):
        errors.setdefault("event_name", []).append(
            "engagement event requires a valid integer value for at least one of 'sd' or 'e' fields"
        )
    try:
        props = parse_props(fields.props, fields.event_name, pathname)
    except PropsTooLong:
        props = ()
        errors["props"] = ["keys should have at most 300 bytes and values 2000 bytes"]
    if errors:
        raise InvalidRequest(errors)
    return EventRequest(  # by position, see `ingest.model.event`
        timestamp,
        fields.event_name,
        domains,
        url.hostname,
        pathname,
        url.query,
        fields.referrer,
        props,
        None if fields.revenue is None else parse_revenue(fields.revenue),
        fields.interactive or fields.event_name in SYSTEM_EVENTS,
        fields.scroll_depth if engagement else 0,
        fields.engagement_time if engagement else 0,
        fields.tracker_version,
        client_ip,
        user_agent,
        ip_type,
        received,
    )


def _says_nothing(fields: Fields) -> bool:
    return fields.scroll_depth == UNKNOWN_SCROLL_DEPTH and fields.engagement_time == 0
