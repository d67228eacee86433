"""A site as JSON."""

from dataclasses import asdict
from typing import Any

from ingest.sites.site import Site
from ingest.sites.site_file_schema import SHIELD_LISTS


def site_facts(site: Site) -> dict[str, Any]:
    """A site as JSON data, without its secret."""
    limit, until = site.rate_limit, site.accept_traffic_until
    return {
        "id": site.id,
        "domain": site.domain,
        "previous_domain": site.previous_domain,
        "rate_limit": limit and {"events": limit.events, "seconds": limit.seconds},
        "accept_traffic_until": until and until.isoformat(),
        "drop_server_clients": site.drop_server_clients,
        "has_server_key": site.server_key is not None,
        "timezone": site.timezone,
        "script": site.script and asdict(site.script),
        "shields": {kind: list(rules) for kind, rules in shield_rules(site).items()},
        "revenue_goals": dict(site.revenue_goals),
    }


def shield_rules(site: Site) -> dict[str, tuple[str, ...]]:
    """A site's rules, by the kind of its shields."""
    return {kind: getattr(site.shields, key) for kind, key in SHIELD_LISTS.items()}
