"""An event in the pipeline's steps, with their results."""

import msgspec

from ingest.model.event import (
    NOWHERE,
    UNKNOWN_DEVICE,
    Attribution,
    Device,
    EnrichedEvent,
    Event,
    Place,
    RevenueAmounts,
    Visitor,
)
from ingest.sites.site import Site

NO_SITE = Site(0, "")
NO_ATTRIBUTION = Attribution()
NOBODY = Visitor(0, None)


class EventContext(msgspec.Struct, gc=False):
    """An event and the results of the steps so far; each step fills in its own.

    The gate passes it to enrichment; only one of them uses it at a time.

    Attributes:
        event: The event; no step changes it.
        site: Its site, after the step `site`.
        place: Where its address is, after `geolocation`.
        device: What the visitor uses, after `user_agent`.
        attribution: Source, campaign and channel, after `attribution`.
        revenue: After `revenue`; None unless the site has a revenue goal for the event.
        visitor: The visitor's ids, after `visitor`.
        partition: The log's partition for this visitor, after `visitor`.
    """

    event: Event
    site: Site = NO_SITE
    place: Place = NOWHERE
    device: Device = UNKNOWN_DEVICE
    attribution: Attribution = NO_ATTRIBUTION
    revenue: RevenueAmounts | None = None
    visitor: Visitor = NOBODY
    partition: int = 0

    def enriched(self, nonce: int) -> EnrichedEvent:
        """The event after the last step, with everything that its rows need.

        Args:
            nonce: Random 64-bit number.
        """
        event = self.event
        request = event.request
        timestamp, received = request.timestamp, request.received
        return EnrichedEvent(  # by position, see `ingest.model.event`
            event.domain,
            request.tracker_version,
            self.site.id,
            self.visitor,
            timestamp,
            timestamp if received is None else received,
            request.name,
            request.hostname,
            request.pathname,
            request.props,
            request.interactive,
            request.scroll_depth,
            request.engagement_time,
            self.place,
            self.device,
            self.attribution,
            self.revenue,
            nonce,
            self.partition,
            event.source,
        )
