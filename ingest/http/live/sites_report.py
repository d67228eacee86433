"""The sites and their events of the last hour, as the live page shows them."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from ingest.observation.history import OTHER_SITES, History, Verdicts
from ingest.sites.site import SiteRegistry
from ingest.telemetry.metrics import UNKNOWN_SITE

SITES: Final = 50
"""Maximum number of sites shown; further ones are only counted."""

UNKNOWN_DOMAINS: Final = 20
QUIET_SITES: Final = 20
"""The same for unknown domains, and for sites without events."""


def sites_report(
    history: History,
    verdicts: Mapping[str, Verdicts],
    registry: SiteRegistry,
    *,
    unknown_accepted: bool,
) -> dict[str, Any]:
    """Return the sites' part of the report.

    Args:
        history: The last hour.
        verdicts: Its verdicts by site.
        registry: The registered sites.
        unknown_accepted: Whether events of other domains are accepted.
    """
    counts, more = history.sites(SITES, verdicts)
    quiet = [
        site.domain
        for site in registry
        if site.domain not in verdicts and site.previous_domain not in verdicts
    ]
    unknown = unknown_domains(history, registry)
    return {
        "shown": [
            {
                "site": found.site,
                "registered": not found.site.startswith("("),
                "accepted": found.accepted,
                "dropped": sum(found.dropped.values()),
                "reasons": {reason.value: events for reason, events in found.dropped.items()},
                "per_minute": found.per_minute,
            }
            for found in counts
        ],
        "more": more,
        "unknown": [
            {"domain": domain, "events": events}
            for domain, events in unknown.most_common(UNKNOWN_DOMAINS)
        ],
        "unknown_count": len(unknown),
        "unknown_accepted": unknown_accepted,
        "quiet": quiet[:QUIET_SITES],
        "quiet_count": len(quiet),
    }


def unknown_events(
    history: History, verdicts: Mapping[str, Verdicts], registry: SiteRegistry
) -> int:
    """Return the events of the last hour whose domain was unknown, and still is."""
    total = sum(verdicts.get(UNKNOWN_SITE, {}).values())
    named = history.unknown_domains()
    registered = named.total() - named[OTHER_SITES] - unknown_domains(history, registry).total()
    return max(0, total - registered)


def unknown_domains(history: History, registry: SiteRegistry) -> Counter[str]:
    """Return the unknown domains of the last hour that are still unknown, with their events."""
    return Counter(
        {
            domain: events
            for domain, events in history.unknown_domains().items()
            if domain != OTHER_SITES and registry.find(domain) is None
        }
    )
