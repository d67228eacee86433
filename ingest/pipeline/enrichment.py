"""The later steps: what the visitor uses, where the visit came from, whose it is."""

from collections.abc import Callable

import msgspec

from ingest.enrichment.attribution import attribute
from ingest.enrichment.user_agent import describe
from ingest.model.event import (
    UNKNOWN_DEVICE,
    Attribution,
    Device,
    EnrichedEvent,
    Event,
    RevenueAmounts,
    Visitor,
)
from ingest.model.verdict import DropReason
from ingest.pipeline.gate import GatedEvent
from ingest.pipeline.reference import Reference
from ingest.request.revenue import convert
from ingest.sessions.salts import Salts, of_day
from ingest.sessions.visitor import identify

NO_ATTRIBUTION = Attribution()
NOBODY = Visitor(0, None)


class Passage(msgspec.Struct, gc=False):
    """An event on its way through the steps, which fill in what they find out."""

    gated: GatedEvent
    device: Device = UNKNOWN_DEVICE
    attribution: Attribution = NO_ATTRIBUTION
    revenue: RevenueAmounts | None = None
    visitor: Visitor = NOBODY

    def passed(self) -> EnrichedEvent:
        """What the event is after the last step."""
        event, request = self.gated.event, self.gated.event.request
        return EnrichedEvent(
            ticket=event.ticket,
            position=event.position,
            domain=event.domain,
            tracker_version=request.tracker_version,
            site_id=self.gated.site.id,
            visitor=self.visitor,
            timestamp=request.timestamp,
            name=request.name,
            hostname=request.hostname,
            pathname=request.pathname,
            props=request.props,
            interactive=request.interactive,
            scroll_depth=request.scroll_depth,
            engagement_time=request.engagement_time,
            place=self.gated.place,
            device=self.device,
            attribution=self.attribution,
            revenue=self.revenue,
            received=request.received,
        )


def drop_bot(passage: Passage, reference: Reference) -> DropReason | None:
    """Describe the device. Programs that send events count as bots unless the site takes them."""
    client = describe(passage.gated.event.request.user_agent)
    if client.is_unwanted(passage.gated.site.allow_server_clients):
        return DropReason.BOT
    passage.device = client.device
    return None


def add_attribution(passage: Passage, reference: Reference) -> DropReason | None:
    """Find the source, the campaign and the channel."""
    request = passage.gated.event.request
    passage.attribution = attribute(request.referrer, request.hostname, request.query)
    return None


def add_revenue(passage: Passage, reference: Reference) -> DropReason | None:
    """Keep an amount only if the site has a revenue goal for the event."""
    request, site = passage.gated.event.request, passage.gated.site
    if request.revenue is None:
        return None
    currency = site.revenue_goals.get(request.name)
    if currency is not None:
        rates = reference.registry.exchange_rates
        passage.revenue = convert(request.revenue, currency, rates)
    return None


def add_visitor(passage: Passage, reference: Reference) -> DropReason | None:
    """Work out the visitor's ids, unless that was done when the event was set aside."""
    event = passage.gated.event
    passage.visitor = event.visitor or visitor_of(event, reference.salts)
    return None


def drop_invalid(passage: Passage, reference: Reference) -> DropReason | None:
    """A last look at what the rows cannot do without."""
    event, site = passage.gated.event, passage.gated.site
    request = event.request
    complete = (
        request.name
        and site.id
        and request.hostname
        and request.pathname
        and passage.visitor is not NOBODY
        and request.timestamp
    )
    return None if complete else DropReason.INVALID


def visitor_of(event: Event, salts: Salts) -> Visitor:
    """The visitor's ids under the salts; in the past, under those made of them for the day."""
    request = event.request
    if request.received is not None:
        salts = of_day(salts, request.timestamp)
    return identify(salts, request.user_agent, request.client_ip, event.domain, request.hostname)


Step = Callable[[Passage, Reference], DropReason | None]

STEPS: tuple[tuple[str, Step], ...] = (
    ("user_agent", drop_bot),
    ("attribution", add_attribution),
    ("revenue", add_revenue),
    ("visitor", add_visitor),
    ("complete", drop_invalid),
)
"""In the order of spec/ingestion.md §10."""


def enrich(gated: GatedEvent, reference: Reference) -> EnrichedEvent | DropReason:
    """Run the enrichment steps until one drops the event.

    Returns:
        All that the event's rows need, or why the event is dropped.
    """
    passage = Passage(gated)
    for _, step in STEPS:
        reason = step(passage, reference)
        if reason is not None:
            return reason
    return passage.passed()
