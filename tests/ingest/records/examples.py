"""Records and sessions for tests, every field of which has a value of its own."""

from decimal import Decimal

from ingest.model.event import (
    Attribution,
    Device,
    EnrichedEvent,
    Place,
    RevenueAmounts,
    Source,
    Visitor,
)
from ingest.sessions.session import Session
from tests.examples import NOON

PLACE = Place("GB", "GB-ENG", "GB-WBK", 2655045)
DEVICE = Device("Chrome", "70.0", "Mac", "10.13", "Desktop")
ATTRIBUTION = Attribution("r.com/p", "R", "us", "um", "uc", "ut", "ue", "gclid", "Paid Search")


def a_session() -> Session:
    return Session(
        session_id=2**64 - 1,
        site_id=7,
        user_id=2**63,
        hostname="a.example.com",
        timestamp=NOON + 90,
        start=NOON,
        is_bounce=False,
        entry_page="/a",
        exit_page="/b",
        exit_page_hostname="b.example.com",
        pageviews=3,
        events=5,
        duration=89,
        entry_props=(("k", "v"), ("l", "w")),
        attribution=ATTRIBUTION,
        place=PLACE,
        device=DEVICE,
        touched=NOON + 90,
    )


def a_full_event() -> EnrichedEvent:
    return EnrichedEvent(
        domain="old.example.com",
        tracker_version=36,
        site_id=7,
        visitor=Visitor(2**64 - 1, 2**63),
        timestamp=NOON - 5,
        received=NOON,
        name="Purchase",
        hostname="example.com",
        pathname="/caf\udce9",
        props=(("k", "v"), ("l", "w")),
        interactive=False,
        scroll_depth=255,
        engagement_time=4000,
        place=PLACE,
        device=DEVICE,
        attribution=ATTRIBUTION,
        revenue=RevenueAmounts(Decimal("10.200"), "USD", Decimal("7.140"), "BRL"),
        nonce=2**64 - 2,
        partition=11,
        source=Source("front:1", 2**40),
    )
