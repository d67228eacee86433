"""What the steps look things up in."""

from dataclasses import dataclass

from ingest.enrichment.geo import AnyGeoDatabase
from ingest.sessions.salts import Salts
from ingest.sites.rate_limit import RateLimiter
from ingest.sites.site import Site, SiteRegistry


@dataclass(slots=True)
class Reference:
    """Everything that the steps consult, and that others replace while the server runs.

    Each attribute is replaced whole, between two checkpoints of the event loop, so a step never
    sees half of a change.

    Attributes:
        registry: The sites.
        geo: The geo database.
        salts: Of the visitors' ids.
        limiter: How much each site has sent.
        accept_unknown_sites: Whether a site that is not registered is taken nevertheless.
    """

    registry: SiteRegistry
    geo: AnyGeoDatabase
    salts: Salts
    limiter: RateLimiter
    accept_unknown_sites: bool = False

    def site(self, domain: str) -> Site | None:
        """The site that a domain names, by its current or its previous domain."""
        site = self.registry.find(domain)
        if site is None and self.accept_unknown_sites:
            return self.registry.accepting(domain)
        return site
