"""Parses a body and its headers into a valid request, or a list of mistakes."""

from typing import Any

from pydantic_core import PydanticCustomError

from ingest.model.event import ENGAGEMENT, EventRequest, Props
from ingest.request.body import is_form, parse_body
from ingest.request.field_values import (
    UNKNOWN_SCROLL_DEPTH,
    read_engagement_time,
    read_scroll_depth,
    read_tracker_version,
)
from ingest.request.fields import SYSTEM_EVENTS, find_mistakes, read_fields, values_of
from ingest.request.invalid import InvalidRequest
from ingest.request.props import PATH_SYNCED_EVENTS, PropsTooLong, parse_props
from ingest.request.revenue import parse_revenue
from ingest.request.sent_event import SentEvent, decode, select


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
    # Most requests have the type that trackers send, and are spared the look.
    sent = decode(body) if content_type == "text/plain" or not is_form(content_type) else None
    if sent is None:
        sent = select(parse_body(content_type, body))
    return _parse(sent, timestamp, client_ip, user_agent, ip_type, None)


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
    return _parse(select(params), timestamp, client_ip, user_agent, ip_type, received)


def _parse(
    sent: SentEvent,
    timestamp: int,
    client_ip: str,
    user_agent: str | None,
    ip_type: str | None,
    received: int | None,
) -> EventRequest:
    errors: dict[str, list[str]] = {}
    try:
        values = read_fields(sent)
    except PydanticCustomError:
        fields, errors = find_mistakes(sent)
        values = values_of(fields)
    name, url, domains, referrer, hash_mode, sent_props, revenue, interactive = values
    if domains is None:
        domains = (url.host,) if url.host else ()
    if not domains:
        errors["domain"] = ["can't be blank"]
    pathname = url.pathname(with_fragment=True) if hash_mode == 1 else url.path
    if not pathname:
        errors["pathname"] = ["can't be blank"]
    scroll_depth = engagement_time = 0
    if name == ENGAGEMENT:
        scroll_depth = read_scroll_depth(sent.scroll_depth)
        engagement_time = read_engagement_time(sent.engagement_time)
        if scroll_depth == UNKNOWN_SCROLL_DEPTH and engagement_time == 0:
            errors.setdefault("event_name", []).append(
                "engagement event requires a valid integer value for at least one of 'sd' or 'e'"
                " fields"
            )
    props: Props = ()
    try:
        if sent_props is not None or name in PATH_SYNCED_EVENTS:
            props = parse_props(sent_props, name, pathname)
    except PropsTooLong:
        errors["props"] = ["keys should have at most 300 bytes and values 2000 bytes"]
    if errors:
        raise InvalidRequest(errors)
    return EventRequest(  # by position, see `ingest.model.event`
        timestamp,
        name,
        domains,
        url.hostname,
        pathname,
        url.query,
        referrer,
        props,
        None if revenue is None else parse_revenue(revenue),
        interactive or name in SYSTEM_EVENTS,
        scroll_depth,
        engagement_time,
        read_tracker_version(sent.tracker_version),
        client_ip,
        user_agent,
        ip_type,
        received,
    )
