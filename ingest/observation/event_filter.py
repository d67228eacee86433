"""Filters of events."""

from dataclasses import dataclass, replace

from ingest.model.event import EnrichedEvent
from ingest.model.verdict import DropReason
from ingest.observation.event_summary import DOMAIN_LENGTH, EventSummary, cut
from ingest.pipeline.reference import Reference


@dataclass(frozen=True, slots=True)
class EventFilter:
    """A filter of events by verdict, site and reason.

    Attributes:
        accepted: Whether accepted events are wanted.
        dropped: Whether dropped events are wanted.
        site_id: Only those of this site, whichever of its domains they were sent for.
        domain: Only those for this domain, which is no site's; None for those of all.
        reason: Only those dropped for this reason; None for any.
    """

    accepted: bool = True
    dropped: bool = True
    site_id: int | None = None
    domain: str | None = None
    reason: DropReason | None = None

    def matches(self, summary: EventSummary) -> bool:
        """Whether an event passes the filter."""
        if not (self.accepted if summary.reason is None else self.dropped):
            return False
        if self.reason is not None and summary.reason is not self.reason:
            return False
        if self.site_id is not None:
            return summary.site_id == self.site_id
        return self.domain is None or summary.domain == self.domain

    def matches_accepted(self, event: EnrichedEvent) -> bool:
        """As `matches`, for an accepted event without a summary."""
        if not self.accepted or self.reason is not None:
            return False
        return self.domain is None if self.site_id is None else event.site_id == self.site_id


def filter_for(
    reference: Reference,
    domain: str | None,
    *,
    accepted: bool = True,
    dropped: bool = True,
    reason: DropReason | None = None,
) -> EventFilter:
    """The filter for a domain.

    Args:
        reference: Knows the sites.
        domain: A site's current or previous domain, or one that is no site's; None for all.
        accepted: Whether accepted events are wanted.
        dropped: Whether dropped events are wanted.
        reason: Only events dropped for this reason; None for any.
    """
    wanted = EventFilter(accepted, dropped, reason=reason)
    if domain is None:
        return wanted
    site = reference.site(domain)
    if site is not None:
        return replace(wanted, site_id=site.id)
    return replace(wanted, domain=cut(domain, DOMAIN_LENGTH))
