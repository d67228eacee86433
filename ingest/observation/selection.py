"""Which events somebody wants to see."""

from dataclasses import dataclass

from ingest.model.event import EnrichedEvent
from ingest.observation.observed import DOMAIN_LENGTH, ObservedEvent, cut
from ingest.pipeline.reference import Reference


@dataclass(frozen=True, slots=True)
class Selection:
    """A choice among all events.

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

    def shows(self, observed: ObservedEvent) -> bool:
        """Whether an event is among those wanted."""
        if not (self.accepted if observed.reason is None else self.dropped):
            return False
        if self.site_id is not None:
            return observed.site_id == self.site_id
        return self.domain is None or observed.domain == self.domain

    def shows_accepted(self, event: EnrichedEvent) -> bool:
        """As `shows`, for an accepted event that nobody has looked at yet."""
        if not self.accepted or (self.site_id is None and self.domain is not None):
            return False
        return self.site_id is None or event.site_id == self.site_id


def select(
    reference: Reference, domain: str | None, *, accepted: bool = True, dropped: bool = True
) -> Selection:
    """Choose by domain.

    Args:
        reference: Knows the sites.
        domain: A site's current or previous domain, or one that is no site's; None for all.
        accepted: Whether accepted events are wanted.
        dropped: Whether dropped events are wanted.
    """
    if domain is None:
        return Selection(accepted, dropped)
    site = reference.site(domain)
    if site is not None:
        return Selection(accepted, dropped, site_id=site.id)
    return Selection(accepted, dropped, domain=cut(domain, DOMAIN_LENGTH))
