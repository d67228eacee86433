"""A site, and the registry that finds sites by domain."""

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
"""The largest site id; the columns are UInt64 (spec/schema.md §1)."""

MAX_DOMAIN_LENGTH: Final = 255
"""Maximum number of characters in a domain; the longest name in DNS has 253."""

SCRIPT_OPTIONS: Final = (
    "outbound_links",
    "file_downloads",
    "form_submissions",
    "hash_based_routing",
)
"""The options of `SiteScript`. Plausible's columns and the sites file have the same names."""

UNREGISTERED_IDS: Final = 2**62
_NOT_IN_DOMAINS: Final = re.compile(r"[\s,\x00-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class RateLimit:
    """The rate limit of a site (spec/ingestion.md §10).

    Attributes:
        events: Maximum number of events in a window; 0 blocks the site.
        seconds: Length of the window.
    """

    events: int
    seconds: int


@dataclass(frozen=True, slots=True)
class SiteScript:
    """The script that a site's pages load as `/js/pa-ID.js` (spec/tracker-addresses.md).

    Attributes:
        id: The part of the address after `pa-`; unique among all sites.
        outbound_links: Whether it sends clicks on links to other hosts.
        file_downloads: Whether it sends clicks on links to files.
        form_submissions: Whether it sends submitted forms.
        hash_based_routing: Whether the fragment is part of the page's path.
    """

    id: str
    outbound_links: bool = False
    file_downloads: bool = False
    form_submissions: bool = False
    hash_based_routing: bool = False


@dataclass(frozen=True, slots=True)
class Site:
    """A site and its rules.

    Attributes:
        id: The `site_id` of its rows.
        domain: The domain that its trackers send, without `www.`.
        previous_domain: A domain that is still accepted after a change of domain.
        rate_limit: The limit; None for no limit.
        accept_traffic_until: Last day, in UTC, whose events are accepted; None for no end.
        drop_server_clients: Whether HTTP libraries (`python-requests`, …) count as bots.
        shields: Rules on addresses, countries, pages and hostnames.
        revenue_goals: Currencies (ISO 4217) of revenue goals, by event name.
        server_key: Secret with which the site's servers may send past events and events on behalf
            of visitors; None if there is none.
        script: The script of its own; None if its pages use another.
        timezone: The time zone of its statistics, by its IANA name; None for UTC.
        rules: Names of those rules above on which events may be dropped that the site has.
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
    script: SiteScript | None = None
    timezone: str | None = None
    rules: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Find out which rules there are."""
        rules = {
            "rate_limit": self.rate_limit is not None,
            "accept_traffic_until": self.accept_traffic_until is not None,
            "ips": bool(self.shields.ips),
            "countries": bool(self.shields.countries),
            "pages": bool(self.shields.pages),
            "hostnames": bool(self.shields.hostnames),
        }
        object.__setattr__(self, "rules", frozenset(rule for rule in rules if rules[rule]))


class SiteRegistry:
    """All sites and the exchange rates; immutable.

    Attributes:
        sites: In the order of the file.
        exchange_rates: Units of each currency (ISO 4217) per US dollar; USD itself is always 1.
    """

    __slots__ = ("_by_domain", "_by_id", "_by_script", "exchange_rates", "sites")

    def __init__(
        self, sites: Iterable[Site] = (), exchange_rates: Mapping[str, Decimal] | None = None
    ) -> None:
        """Index the sites.

        Raises:
            ValueError: Two sites share an id, a script or a domain, current or previous.
        """
        self.sites: tuple[Site, ...] = tuple(sites)
        self.exchange_rates: Mapping[str, Decimal] = MappingProxyType(
            {**(exchange_rates or {}), "USD": Decimal(1)}
        )
        self._by_id: dict[int, Site] = {}
        self._by_domain: dict[str, Site] = {}
        self._by_script: dict[str, Site] = {}
        for site in self.sites:
            if self._by_id.setdefault(site.id, site) is not site:
                raise ValueError(f"two sites have the id {site.id}")
            for domain in (site.domain, site.previous_domain):
                if domain is not None and self._by_domain.setdefault(domain, site) is not site:
                    raise ValueError(f"two sites have the domain {domain!r}")
            script = site.script
            if script is not None and self._by_script.setdefault(script.id, site) is not site:
                raise ValueError(f"two sites have the script {script.id!r}")

    def __len__(self) -> int:
        return len(self.sites)

    def __iter__(self) -> Iterator[Site]:
        return iter(self.sites)

    def find(self, domain: str) -> Site | None:
        """Return the site with exactly this current or previous domain (spec/ingestion.md §5)."""
        return self._by_domain.get(domain)

    def by_id(self, site_id: int) -> Site | None:
        """Return the site with this id."""
        return self._by_id.get(site_id)

    def by_script(self, script_id: str) -> Site | None:
        """Return the site whose script has this id."""
        return self._by_script.get(script_id)

    def accepting(self, domain: str) -> Site | None:
        """Return the site as `find` does, or a site without rules for an unregistered domain.

        Such sites are derived from the domain and not stored, so their number is not limited.

        Returns:
            The site; None only for an invalid domain (`domain_problem`).
        """
        return self._by_domain.get(domain) or _unregistered_site(domain)


def unregistered_site_id(domain: str) -> int:
    """Return the id of an unregistered site, the same in every process and on every machine.

    The id is 62 bits of a hash, from 2^62 to 2^63 - 1: far from ids chosen by hand, and within
    signed 64-bit integers. Among a million domains, the probability that any two share an id is one
    in nine million. To keep the history of such a site, register it with this id.
    """
    digest = hashlib.blake2b(domain.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return UNREGISTERED_IDS | int.from_bytes(digest) >> 2


def domain_problem(domain: str) -> str | None:
    """Return why trackers cannot send this domain; None if they can.

    Domains in requests are split at commas, and stripped of surrounding white space and a leading
    `www.` (spec/ingestion.md §5). Any other text is allowed, such as `example.com/shop` or an app's
    name.

    Returns:
        The expected text, for a message.
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
    # Check the length first, so that long hostile texts do not fill the cache below.
    return _derive(domain) if len(domain) <= MAX_DOMAIN_LENGTH else None


@lru_cache(maxsize=4096)
def _derive(domain: str) -> Site | None:
    if domain_problem(domain) is not None:
        return None
    return Site(unregistered_site_id(domain), domain)
