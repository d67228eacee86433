"""Filters of events."""

from dataclasses import dataclass

from ingest.model.event import EnrichedEvent
from ingest.observation.event_summary import DOMAIN_LENGTH, EventSummary, cut
from ingest.pipeline.reference import Reference


@dataclass(frozen=True, slots=True)
class EventFilter:
    """A filter of events by verdict and site.

    Attributes:
        accepted: Whether accepted events are wanted.
        dropped: Whether dropped events are wanted.
        site_id: Only those of this site, whichever of its domains they were sent for.
        domain: Only those for this domain, which is no site's; None for those of all.
    """

    accepted: bool = True
    dropped: bool = True
    site_id: int | None = None
    domain: str | None = None

    def matches(self, summary: EventSummary) -> bool:
        """Whether an event passes the filter."""
        if not (self.accepted if summary.reason is None else self.dropped):
            return False
        if self.site_id is not None:
            return summary.site_id == self.site_id
        return self.domain is None or summary.domain == self.domain

    def matches_accepted(self, event: EnrichedEvent) -> bool:
        """As `matches`, for an accepted event without a summary."""
        if not self.accepted or (self.site_id is None and self.domain is not None):
            return False
        return self.site_id is None or event.site_id == self.site_id


def filter_for(
    reference: Reference, domain: str | None, *, accepted: bool = True, dropped: bool = True
) -> EventFilter:
    """The filter for a domain.

    Args:
        reference: Knows the sites.
        domain: A site's current or previous domain, or one that is no site's; None for all.
        accepted: Whether accepted events are wanted.
        dropped: Whether dropped events are wanted.
    """
    if domain is None:
        return EventFilter(accepted, dropped)
    site = reference.site(domain)
    if site is not None:
        return EventFilter(accepted, dropped, site_id=site.id)
    return EventFilter(accepted, dropped, domain=cut(domain, DOMAIN_LENGTH))
