"""A site, and the registry that finds it by its domain."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from ingest.sites.shields import NO_SHIELDS, Shields

MAX_SITE_ID: Final = 2**64 - 1
"""Site ids are UInt64 columns (spec/schema.md §1)."""

MAX_DOMAIN_LENGTH: Final = 255
"""Characters of a domain; the longest name that DNS knows has 253."""

UNREGISTERED_IDS: Final = 2**62
_NOT_IN_DOMAINS: Final = re.compile(r"[\s,\x00-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class RateLimit:
    """How much a site may send (spec/ingestion.md §10).

    Attributes:
        events: Events that pass in one window; 0 blocks the site.
        seconds: Length of the window.
    """

    events: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Site:
    """A site and its rules.

    Attributes:
        id: The `site_id` of its rows.
        domain: What its trackers send, without `www.`.
        previous_domain: Still accepted after a change of domain.
        rate_limit: None for no limit.
        accept_traffic_until: Last day, in UTC, whose events are taken; None for no end.
        drop_server_clients: Whether HTTP libraries (`python-requests`, …) count as bots here.
        shields: What is blocked.
        revenue_goals: Currency (ISO 4217) of the goal for each event name that has one.
        server_key: Secret with which the site's servers may send past events and events on behalf
            of visitors; None when there is none.
    """

    id: int
    domain: str
    previous_domain: str | None = None
    rate_limit: RateLimit | None = None
    accept_traffic_until: date | None = None
    drop_server_clients: bool = False
    shields: Shields = NO_SHIELDS
    revenue_goals: Mapping[str, str] = field(default_factory=dict, hash=False)
    server_key: str | None = field(default=None, repr=False)


class SiteRegistry:
    """All sites and the exchange rates; immutable.

    Attributes:
        sites: In the order of the file.
        exchange_rates: Units of each currency (ISO 4217) per US dollar; USD itself is always 1.
    """

    __slots__ = ("_by_domain", "_by_id", "exchange_rates", "sites")

    def __init__(
        self, sites: Iterable[Site] = (), exchange_rates: Mapping[str, Decimal] | None = None
    ) -> None:
        """Index the sites.

        Raises:
            ValueError: Two sites share an id or a domain, current or previous.
        """
        self.sites: tuple[Site, ...] = tuple(sites)
        self.exchange_rates: Mapping[str, Decimal] = MappingProxyType(
            {**(exchange_rates or {}), "USD": Decimal(1)}
        )
        self._by_id: dict[int, Site] = {}
        self._by_domain: dict[str, Site] = {}
        for site in self.sites:
            if self._by_id.setdefault(site.id, site) is not site:
                raise ValueError(f"two sites have the id {site.id}")
            for domain in (site.domain, site.previous_domain):
                if domain is not None and self._by_domain.setdefault(domain, site) is not site:
                    raise ValueError(f"two sites have the domain {domain!r}")

    def __len__(self) -> int:
        return len(self.sites)

    def __iter__(self) -> Iterator[Site]:
        return iter(self.sites)

    def find(self, domain: str) -> Site | None:
        """The site with exactly this current or previous domain (spec/ingestion.md §5)."""
        return self._by_domain.get(domain)

    def by_id(self, site_id: int) -> Site | None:
        """The site with this id."""
        return self._by_id.get(site_id)

    def accepting(self, domain: str) -> Site | None:
        """As `find`, but a domain that is not registered makes a site without rules.

        Such sites are derived from the domain and not stored, so any number of domains may be sent.

        Returns:
            None only for text that could not be a site's domain either (`domain_problem`).
        """
        return self._by_domain.get(domain) or _unregistered_site(domain)


def unregistered_site_id(domain: str) -> int:
    """The id of a site that is not registered: the same in every process and on every machine.

    62 bits of a hash, from 2^62 to 2^63 - 1: far from ids given by hand, and small enough for
    signed 64-bit integers. Among a million domains, the odds that any two share an id are one in
    nine million. Who registers such a site later gives it this id, and keeps its history.
    """
    digest = hashlib.blake2b(domain.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return UNREGISTERED_IDS | int.from_bytes(digest) >> 2


def domain_problem(domain: str) -> str | None:
    """Why no tracker could name a site by this domain; None when one could.

    Domains of requests are split at commas and lose white space around them and a leading `www.`
    (spec/ingestion.md §5); otherwise any text will do, such as `example.com/shop` or an app's name.

    Returns:
        What was expected instead.
    """
    if not domain:
        return "a domain such as example.com"
    if domain.startswith("www."):
        return f'the domain without "www.": "{domain.removeprefix("www.")}"'
    if "://" in domain:
        return "a domain such as example.com, not an address with a scheme"
    if len(domain) > MAX_DOMAIN_LENGTH:
        return f"a domain of at most {MAX_DOMAIN_LENGTH} characters"
    if _NOT_IN_DOMAINS.search(domain):
        return "a domain without commas, white space and control characters"
    return None


def _unregistered_site(domain: str) -> Site | None:
    # Length first: the cache below must not hold megabytes of hostile text.
    return _derive(domain) if len(domain) <= MAX_DOMAIN_LENGTH else None


@lru_cache(maxsize=4096)
def _derive(domain: str) -> Site | None:
    if domain_problem(domain) is not None:
        return None
    return Site(unregistered_site_id(domain), domain)
