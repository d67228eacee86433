"""The steps of the gate: find the site, and apply its rules."""

from datetime import UTC, datetime
from functools import lru_cache

from ingest.enrichment.geo import ANONYMOUS_VPN
from ingest.enrichment.spam import spam_host
from ingest.model.network import IPNetwork, shown_network
from ingest.model.verdict import Drop, DropReason
from ingest.pipeline.context import EventContext
from ingest.pipeline.reference import Reference
from ingest.request.client_address import IP_TYPE_HEADER
from ingest.sites.site import RateLimit

VERIFICATION_AGENT = "Plausible Verification Agent - if abused, contact support@plausible.io"
"""User agent of the installation check (spec/ingestion.md §10)."""

_NOT_FOUND = Drop(DropReason.NOT_FOUND, "no site has the domain")
_VERIFICATION_AGENT = Drop(
    DropReason.VERIFICATION_AGENT, "user agent of Plausible's installation check"
)
_UNWANTED_IP_TYPES = {
    "dc_ip": Drop(DropReason.DC_IP, f"{IP_TYPE_HEADER}: dc_ip"),
    "threat_ip": Drop(DropReason.THREAT_IP, f"{IP_TYPE_HEADER}: threat_ip"),
}


def drop_spam_referrer(context: EventContext, reference: Reference) -> Drop | None:
    """Drop referrer spam, before sites are looked up or rate limits are consumed."""
    host = spam_host(context.event.request.referrer)
    return None if host is None else Drop(DropReason.SPAM_REFERRER, host)


def find_site(context: EventContext, reference: Reference) -> Drop | None:
    """Find the site by its current or previous domain."""
    site = reference.site(context.event.domain)
    if site is None:
        return _NOT_FOUND
    context.site = site
    return None


def drop_unpaid(context: EventContext, reference: Reference) -> Drop | None:
    """Drop events after the last day on which a site's traffic is accepted, in UTC."""
    until = context.site.accept_traffic_until
    if until is None:
        return None
    today = datetime.fromtimestamp(context.event.timestamp, UTC).date()
    if today <= until:
        return None
    return Drop(DropReason.PAYMENT_REQUIRED, f"accept_traffic_until = {until}")


def drop_over_rate_limit(context: EventContext, reference: Reference) -> Drop | None:
    """Apply the rate limit; events that a later step drops count, too.

    Past events are not limited: the site's own servers send them as fast as they can.
    """
    limit = context.site.rate_limit
    if limit is None:
        return None
    if limit.events == 0:
        return Drop(DropReason.BLOCK, _limit_rule(limit))
    if context.event.request.received is not None:
        return None
    if reference.limiter.allow(context.site, context.event.timestamp):
        return None
    return Drop(DropReason.THROTTLE, _limit_rule(limit))


def _limit_rule(limit: RateLimit) -> str:
    return f"rate_limit = {{ events = {limit.events}, seconds = {limit.seconds} }}"


def drop_verification_agent(context: EventContext, reference: Reference) -> Drop | None:
    """Drop the installation check, which must not appear in the statistics."""
    agent = context.event.request.user_agent
    return _VERIFICATION_AGENT if agent == VERIFICATION_AGENT else None


def drop_ip_type(context: EventContext, reference: Reference) -> Drop | None:
    """Drop addresses that a trusted proxy has classified as unwanted."""
    ip_type = context.event.request.ip_type
    return None if ip_type is None else _UNWANTED_IP_TYPES.get(ip_type)


def drop_blocked_hostname(context: EventContext, reference: Reference) -> Drop | None:
    """Apply the hostname shield, a list of allowed hostnames."""
    shields = context.site.shields
    if shields.allows_hostname(context.event.request.hostname):
        return None
    return Drop(DropReason.SITE_HOSTNAME_ALLOWLIST, f"none of {', '.join(shields.hostnames)}")


def drop_blocked_page(context: EventContext, reference: Reference) -> Drop | None:
    """Apply the page shield, a list of patterns for the decoded path."""
    pattern = context.site.shields.blocking_page(context.event.request.pathname)
    return None if pattern is None else Drop(DropReason.SITE_PAGE_BLOCKLIST, pattern)


def drop_blocked_ip(context: EventContext, reference: Reference) -> Drop | None:
    """Apply the address shield, a list of addresses and networks."""
    entry = context.site.shields.blocking_network(context.event.request.client_ip)
    return None if entry is None else Drop(DropReason.SITE_IP_BLOCKLIST, _ip_rule(*entry))


@lru_cache(maxsize=1000)
def _ip_rule(number: int, network: IPNetwork) -> str:
    """An entry of the address shield, in a form that does not reveal the visitor's address.

    A small network would reveal it, so it is named by its number and the network around it. The
    text takes some 20 µs to create, so the last ones are cached.
    """
    shown = shown_network(network)
    return shown if shown == str(network) else f"entry {number} of ips, in {shown}"


def locate(context: EventContext, reference: Reference) -> Drop | None:
    """Find the place of the address, unless the address is known to be a VPN's."""
    request = context.event.request
    if request.ip_type == "anonymous_vpn_ip":
        context.place = ANONYMOUS_VPN
    else:
        context.place = reference.geo.lookup(request.client_ip)
    return None


def drop_blocked_country(context: EventContext, reference: Reference) -> Drop | None:
    """Apply the country shield; an unknown country has its own code."""
    shields, code = context.site.shields, context.place.country_code
    if not shields.blocks_country(code):
        return None
    return Drop(DropReason.SITE_COUNTRY_BLOCKLIST, shields.country_rule(code))
