"""Events for tests: ordinary in every respect but those that a test names."""

from typing import Any

from ingest.model.event import (
    Attribution,
    Device,
    EnrichedEvent,
    Event,
    EventRequest,
    Place,
    Visitor,
)
from ingest.pipeline.ticketed_event import TicketedEvent

NOON = 1_790_078_400
"""A Tuesday, 12:00 UTC, when nothing rotates."""


def a_request(**changes: Any) -> EventRequest:
    fields: dict[str, Any] = {
        "timestamp": NOON,
        "name": "pageview",
        "domains": ("example.com",),
        "hostname": "example.com",
        "pathname": "/",
        "query": {},
        "referrer": None,
        "props": (),
        "revenue": None,
        "interactive": True,
        "scroll_depth": 0,
        "engagement_time": 0,
        "tracker_version": 0,
        "client_ip": "203.0.113.9",
        "user_agent": (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_13_4) AppleWebKit/537.36 "
            "(KHTML, like Gecko) Chrome/70.0.3538.110 Safari/537.36"
        ),
        "ip_type": None,
    }
    return EventRequest(**(fields | changes))


def an_event(*, ticket: int = 0, position: int = 0, **changes: Any) -> Event:
    request = a_request(**changes)
    return Event(ticket, position, request.domains[position], request)


def an_enriched_event(**changes: Any) -> EnrichedEvent:
    fields: dict[str, Any] = {
        "domain": "example.com",
        "tracker_version": 0,
        "site_id": 1,
        "visitor": Visitor(1001, None),
        "timestamp": NOON,
        "received": NOON,
        "name": "pageview",
        "hostname": "example.com",
        "pathname": "/",
        "props": (),
        "interactive": True,
        "scroll_depth": 0,
        "engagement_time": 0,
        "place": Place(),
        "device": Device(browser="Chrome"),
        "attribution": Attribution(),
        "revenue": None,
        "nonce": 77,
    }
    return EnrichedEvent(**(fields | changes))


def a_ticketed_event(*, ticket: int = 0, position: int = 0, **changes: Any) -> TicketedEvent:
    return TicketedEvent(ticket, position, an_enriched_event(**changes))
