"""The data that the steps look up."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from ingest.enrichment.attribution import older_attribution
from ingest.enrichment.geo import AnyGeoDatabase
from ingest.model.event import EnrichedEvent
from ingest.pipeline.context import EventContext
from ingest.sessions.salts import Salts
from ingest.sessions.session import Session
from ingest.sites.rate_limit import RateLimiter
from ingest.sites.site import Site, SiteRegistry

Described = TypeVar("Described", EnrichedEvent, Session, EventContext)


def only_partition(identity: bytes) -> int:
    """The partition of every visitor in a single process."""
    return 0


def newest_names() -> bool:
    """Whether the store has older names of sources: not unless it says so."""
    return False


@dataclass(slots=True)
class Reference:
    """The data that the steps look up, and that keepers replace while the server runs.

    Each attribute is replaced as a whole, between two checkpoints, so a step never sees a partial
    change.

    Attributes:
        registry: The sites.
        geo: The geo database.
        salts: For visitor ids, in a single process.
        limiter: Counts what each site has sent.
        accept_unknown_sites: Whether events of unregistered sites are accepted.
        partition_of: Chooses the log's partition for a visitor.
        agreed_salts: Gives the salts for events received at a time (Unix seconds), on which the
            fronts of a cluster have agreed; None in a single process.
        older_names: Whether the store gives rows the source names from before June 2026. Only what
            is shown depends on it.
    """

    registry: SiteRegistry
    geo: AnyGeoDatabase
    salts: Salts
    limiter: RateLimiter
    accept_unknown_sites: bool = False
    partition_of: Callable[[bytes], int] = only_partition
    agreed_salts: Callable[[int], Salts] | None = None
    older_names: Callable[[], bool] = newest_names

    def salts_at(self, received: int) -> Salts:
        """The salts for an event that was received at a time (Unix seconds)."""
        return self.salts if self.agreed_salts is None else self.agreed_salts(received)

    def site(self, domain: str) -> Site | None:
        """The site that a domain names, by its current or its previous domain."""
        site = self.registry.find(domain)
        if site is None and self.accept_unknown_sites:
            return self.registry.accepting(domain)
        return site

    def as_stored(self, described: Described) -> Described:
        """An event or a session with the source names that the store gives its rows."""
        if not self.older_names():
            return described
        return msgspec.structs.replace(
            described, attribution=older_attribution(described.attribution)
        )
