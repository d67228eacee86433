"""The steps of enrichment: device, attribution, revenue and visitor."""

from ingest.enrichment.attribution import attribute
from ingest.enrichment.user_agent import Client, describe
from ingest.model.event import Event, Visitor
from ingest.model.verdict import Drop, DropReason
from ingest.pipeline.context import NOBODY, EventContext
from ingest.pipeline.reference import Reference
from ingest.request.revenue import convert
from ingest.sessions.salts import of_day
from ingest.sessions.visitor import identify, identity

_INVALID = Drop(DropReason.INVALID, "a field that rows need is missing")


def drop_bot(context: EventContext, reference: Reference) -> Drop | None:
    """Determine the device, and drop bots. HTTP libraries are bots if the site says so."""
    agent = context.event.request.user_agent
    client = describe(agent)
    if client.is_unwanted(context.site.drop_server_clients):
        return Drop(DropReason.BOT, _agent_rule(agent or "", client))
    context.device = client.device
    return None


def _agent_rule(agent: str, client: Client) -> str:
    """The kind of bot; contains nothing of the user agent but the name of a known library."""
    if client.is_library:
        return f"user agent of an HTTP library, {client.device.browser}"
    if "headless" in agent.lower():
        return "user agent of a headless browser"
    return "user agent of a crawler"


def add_attribution(context: EventContext, reference: Reference) -> Drop | None:
    """Determine the source, the campaign and the channel."""
    request = context.event.request
    context.attribution = attribute(request.referrer, request.hostname, request.query)
    return None


def add_revenue(context: EventContext, reference: Reference) -> Drop | None:
    """Keep an amount only if the site has a revenue goal for the event."""
    request = context.event.request
    if request.revenue is None:
        return None
    currency = context.site.revenue_goals.get(request.name)
    if currency is not None:
        rates = reference.registry.exchange_rates
        context.revenue = convert(request.revenue, currency, rates)
    return None


def add_visitor(context: EventContext, reference: Reference) -> Drop | None:
    """Compute the visitor's ids and partition, unless this was done when it was set aside."""
    event = context.event
    if event.visitor is not None:
        context.visitor, context.partition = event.visitor, event.partition
    else:
        context.visitor, context.partition = visitor_of(event, reference)
    return None


def drop_invalid(context: EventContext, reference: Reference) -> Drop | None:
    """Drop events without a field that the rows require."""
    request = context.event.request
    complete = (
        request.name
        and context.site.id
        and request.hostname
        and request.pathname
        and context.visitor is not NOBODY
        and request.timestamp
    )
    return None if complete else _INVALID


def visitor_of(event: Event, reference: Reference) -> tuple[Visitor, int]:
    """The visitor's ids and partition; the ids of past events have salts derived for that day."""
    request = event.request
    if request.received is None:
        salts = reference.salts_at(request.timestamp)
    else:
        salts = of_day(reference.salts_at(request.received), request.timestamp)
    who = identity(request.user_agent, request.client_ip, event.domain, request.hostname)
    return identify(salts, who), reference.partition_of(who)
