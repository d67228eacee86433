"""What hit when an event was dropped: the operator's rule, or what was found in the event."""

from collections.abc import Callable
from typing import Final

from ingest.enrichment.spam import spam_host
from ingest.enrichment.user_agent import describe
from ingest.model.event import EnrichedEvent, Event
from ingest.model.verdict import DropReason
from ingest.observation.address import shown_network
from ingest.pipeline.gate import place_of
from ingest.pipeline.reference import Reference
from ingest.request.client_address import IP_TYPE_HEADER
from ingest.sites.site import Site

_ALWAYS: Final = {
    DropReason.NOT_FOUND: "no site has the domain",
    DropReason.VERIFICATION_AGENT: "user agent of Plausible's installation check",
    DropReason.DC_IP: f"{IP_TYPE_HEADER}: dc_ip",
    DropReason.THREAT_IP: f"{IP_TYPE_HEADER}: threat_ip",
    DropReason.INVALID: "a field that rows need is missing",
    DropReason.NO_SESSION_FOR_ENGAGEMENT: "no visit of this visitor is open",
    DropReason.LOCK_TIMEOUT: "no verdict in time, the client was told to try again",
    DropReason.PERSIST_TIMEOUT: "the journal did not take it, the client was told to try again",
    DropReason.PERSIST_ERROR: "an error of the server, see sluice dead-letters",
}


def rule_that_hit(
    event: Event | EnrichedEvent, site: Site | None, reason: DropReason, reference: Reference
) -> str:
    """Tell what hit, in a few words that hold neither the visitor's address nor the user agent.

    Looked for anew, among the rules of now: nothing has to be noted on the way of events that pass.

    Args:
        event: The event that was dropped.
        site: Its site, if there is one.
        reason: Why.
        reference: Where the steps looked.

    Returns:
        A pattern or an entry of the sites file as it stands there, or a phrase; empty when the rule
        that hit is no longer there.
    """
    always = _ALWAYS.get(reason)
    if always is not None:
        return always
    if isinstance(event, EnrichedEvent):
        return ""
    if reason is DropReason.SPAM_REFERRER:
        return spam_host(event.request.referrer) or ""
    tell = _RULES.get(reason)
    return "" if tell is None or site is None else tell(event, site, reference)


def _unpaid(event: Event, site: Site, reference: Reference) -> str:
    return f"accept_traffic_until = {site.accept_traffic_until}"


def _limit(event: Event, site: Site, reference: Reference) -> str:
    limit = site.rate_limit
    if limit is None:
        return ""
    return f"rate_limit = {{ events = {limit.events}, seconds = {limit.seconds} }}"


def _hostname(event: Event, site: Site, reference: Reference) -> str:
    return f"none of {', '.join(site.shields.hostnames)}"


def _page(event: Event, site: Site, reference: Reference) -> str:
    return site.shields.blocking_page(event.request.pathname) or ""


def _network(event: Event, site: Site, reference: Reference) -> str:
    """A network of few addresses would tell the visitor's, so that it is named by its place."""
    found = site.shields.blocking_network(event.request.client_ip)
    if found is None:
        return ""
    number, network = found
    shown = shown_network(network)
    return shown if shown == str(network) else f"entry {number} of ips, in {shown}"


def _country(event: Event, site: Site, reference: Reference) -> str:
    return site.shields.country_rule(place_of(event.request, reference).country_code)


def _agent(event: Event, site: Site, reference: Reference) -> str:
    agent = event.request.user_agent or ""
    client = describe(agent)
    if client.is_library:
        return f"user agent of an HTTP library, {client.device.browser}"
    if "headless" in agent.lower():
        return "user agent of a headless browser"
    return "user agent of a crawler" if client.is_bot else ""


_RULES: Final[dict[DropReason, Callable[[Event, Site, Reference], str]]] = {
    DropReason.PAYMENT_REQUIRED: _unpaid,
    DropReason.BLOCK: _limit,
    DropReason.THROTTLE: _limit,
    DropReason.SITE_HOSTNAME_ALLOWLIST: _hostname,
    DropReason.SITE_PAGE_BLOCKLIST: _page,
    DropReason.SITE_IP_BLOCKLIST: _network,
    DropReason.SITE_COUNTRY_BLOCKLIST: _country,
    DropReason.BOT: _agent,
}
