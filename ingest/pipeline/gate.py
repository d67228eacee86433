"""The first steps: is the event's site there, and does it take the event?"""

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from ingest.enrichment.geo import ANONYMOUS_VPN
from ingest.enrichment.spam import is_spam
from ingest.model.event import NOWHERE, Event, EventRequest, Place
from ingest.model.verdict import DropReason
from ingest.pipeline.reference import Reference
from ingest.sites.site import Site

VERIFICATION_AGENT = "Plausible Verification Agent - if abused, contact support@plausible.io"
"""User agent of the installation check (spec/ingestion.md §10)."""


class GatedEvent(msgspec.Struct, frozen=True, gc=False):
    """An event that its site takes.

    Attributes:
        event: The event.
        site: Its site.
        place: Where its address is.
    """

    event: Event
    site: Site
    place: Place


_NO_SITE = Site(0, "")


class Passage(msgspec.Struct, gc=False):
    """An event on its way through the gate; steps fill in what they find out."""

    event: Event
    site: Site = _NO_SITE
    place: Place = NOWHERE

    def passed(self) -> GatedEvent:
        """What the event is after the last step."""
        return GatedEvent(self.event, self.site, self.place)


def drop_spam_referrer(passage: Passage, reference: Reference) -> DropReason | None:
    """Concerns the request as a whole: sites are not looked up, rate limits not consumed."""
    return DropReason.SPAM_REFERRER if is_spam(passage.event.request.referrer) else None


def find_site(passage: Passage, reference: Reference) -> DropReason | None:
    """Find the site by its current or previous domain."""
    site = reference.site(passage.event.domain)
    if site is None:
        return DropReason.NOT_FOUND
    passage.site = site
    return None


def drop_unpaid(passage: Passage, reference: Reference) -> DropReason | None:
    """The last day on which a site's traffic is taken counts in full, in UTC."""
    until = passage.site.accept_traffic_until
    if until is None:
        return None
    today = datetime.fromtimestamp(passage.event.timestamp, UTC).date()
    return DropReason.PAYMENT_REQUIRED if today > until else None


def drop_over_rate_limit(passage: Passage, reference: Reference) -> DropReason | None:
    """Every event that comes this far counts, also one that is dropped later.

    Events of the past come from the site's own servers, as fast as they can.
    """
    limit = passage.site.rate_limit
    if limit is None:
        return None
    if limit.events == 0:
        return DropReason.BLOCK
    if passage.event.request.received is not None:
        return None
    allowed = reference.limiter.allow(passage.site, passage.event.timestamp)
    return None if allowed else DropReason.THROTTLE


def drop_verification_agent(
    passage: Passage,
    reference: Reference,
) -> DropReason | None:
    """The installation check must not show up in the statistics."""
    agent = passage.event.request.user_agent
    return DropReason.VERIFICATION_AGENT if agent == VERIFICATION_AGENT else None


def drop_ip_type(passage: Passage, reference: Reference) -> DropReason | None:
    """A proxy in front has classified the address."""
    match passage.event.request.ip_type:
        case "dc_ip":
            return DropReason.DC_IP
        case "threat_ip":
            return DropReason.THREAT_IP
    return None


def drop_blocked_hostname(
    passage: Passage,
    reference: Reference,
) -> DropReason | None:
    """The hostname shield is a list of those allowed."""
    allowed = passage.site.shields.allows_hostname(passage.event.request.hostname)
    return None if allowed else DropReason.SITE_HOSTNAME_ALLOWLIST


def drop_blocked_page(
    passage: Passage,
    reference: Reference,
) -> DropReason | None:
    """The page shield is a list of patterns for the decoded path."""
    blocked = passage.site.shields.blocks_page(passage.event.request.pathname)
    return DropReason.SITE_PAGE_BLOCKLIST if blocked else None


def drop_blocked_ip(
    passage: Passage,
    reference: Reference,
) -> DropReason | None:
    """The address shield is a list of addresses and networks."""
    blocked = passage.site.shields.blocks_ip(passage.event.request.client_ip)
    return DropReason.SITE_IP_BLOCKLIST if blocked else None


def locate(passage: Passage, reference: Reference) -> DropReason | None:
    """Find the place of the address, unless it is known to hide it."""
    passage.place = place_of(passage.event.request, reference)
    return None


def place_of(request: EventRequest, reference: Reference) -> Place:
    """Where a request's address is."""
    if request.ip_type == "anonymous_vpn_ip":
        return ANONYMOUS_VPN
    return reference.geo.lookup(request.client_ip)


def drop_blocked_country(
    passage: Passage,
    reference: Reference,
) -> DropReason | None:
    """The country shield; an unknown country is blocked by its own code."""
    blocked = passage.site.shields.blocks_country(passage.place.country_code)
    return DropReason.SITE_COUNTRY_BLOCKLIST if blocked else None


Step = Callable[[Passage, Reference], DropReason | None]

STEPS: tuple[tuple[str, Step], ...] = (
    ("spam_referrer", drop_spam_referrer),
    ("site", find_site),
    ("traffic_accepted", drop_unpaid),
    ("rate_limit", drop_over_rate_limit),
    ("verification_agent", drop_verification_agent),
    ("ip_type", drop_ip_type),
    ("hostname_shield", drop_blocked_hostname),
    ("page_shield", drop_blocked_page),
    ("ip_shield", drop_blocked_ip),
    ("geolocation", locate),
    ("country_shield", drop_blocked_country),
)
"""In the order of spec/ingestion.md §10."""


def pass_gate(event: Event, reference: Reference) -> GatedEvent | DropReason:
    """Run the gate's steps until one drops the event.

    Returns:
        The event with its site and place, or why it is dropped.
    """
    passage = Passage(event)
    for _, step in STEPS:
        reason = step(passage, reference)
        if reason is not None:
            return reason
    return passage.passed()
