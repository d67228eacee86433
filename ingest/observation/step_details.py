"""What each step looks at and finds out, in the words of the rows and of the sites file."""

from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec.structs import asdict

from ingest.enrichment.user_agent import describe
from ingest.observation.address import describe_address
from ingest.observation.trace_format import shorten
from ingest.pipeline.context import EventContext
from ingest.pipeline.reference import Reference

Details = dict[str, Any]


def step_details(step: str, context: EventContext, reference: Reference) -> Details:
    """What a step found out; empty for steps that say it all by their outcome.

    Args:
        step: Its name.
        context: The event after the step.
        reference: What the step looked things up in, with a limiter that does not count.
    """
    details = _DETAILS.get(step)
    return {} if details is None else details(context, reference)


def _referrer(context: EventContext, reference: Reference) -> Details:
    return {"referrer": context.event.request.referrer}


def _site(context: EventContext, reference: Reference) -> Details:
    site = reference.site(context.event.domain)
    return {"domain": context.event.domain, "site_id": None if site is None else site.id}


def _until(context: EventContext, reference: Reference) -> Details:
    until = context.site.accept_traffic_until
    return {"accept_traffic_until": None if until is None else until.isoformat()}


def _limit(context: EventContext, reference: Reference) -> Details:
    limit = context.site.rate_limit
    if limit is None:
        return {"rate_limit": None}
    used = reference.limiter.used(context.site, context.event.timestamp)
    return {"used": used, "allowed": reference.limiter.share(limit), "seconds": limit.seconds}


def _ip_type(context: EventContext, reference: Reference) -> Details:
    return {"ip_type": context.event.request.ip_type}


def _hostname(context: EventContext, reference: Reference) -> Details:
    return {
        "hostname": context.event.request.hostname,
        "allowed": list(context.site.shields.hostnames) or None,
    }


def _page(context: EventContext, reference: Reference) -> Details:
    return {
        "pathname": context.event.request.pathname,
        "blocked": list(context.site.shields.pages),
    }


def _address(context: EventContext, reference: Reference) -> Details:
    """Of the rules their number only: they may be addresses."""
    return {
        **describe_address(context.event.request.client_ip),
        "rules": len(context.site.shields.ips),
    }


def _place(context: EventContext, reference: Reference) -> Details:
    return _fields(context.place)


def _country(context: EventContext, reference: Reference) -> Details:
    shields = context.site.shields
    return {
        "country": shields.country_rule(context.place.country_code),
        "blocked": list(shields.countries),
    }


def _agent(context: EventContext, reference: Reference) -> Details:
    client = describe(context.event.request.user_agent)
    kind = "bot" if client.is_bot else "library" if client.is_library else "browser"
    return {
        "kind": kind,
        "drop_server_clients": context.site.drop_server_clients,
        **_fields(client.device),
    }


def _attribution(context: EventContext, reference: Reference) -> Details:
    return _fields(reference.as_stored(context).attribution)


def _revenue(context: EventContext, reference: Reference) -> Details:
    revenue = context.revenue
    return {
        "goal_currency": context.site.revenue_goals.get(context.event.request.name),
        **({} if revenue is None else _fields(revenue)),
    }


def _visitor(context: EventContext, reference: Reference) -> Details:
    visitor = context.visitor
    return {
        "user_id": shorten(visitor.user_id),
        "has_previous_user_id": visitor.previous_user_id is not None,
    }


def _fields(struct: msgspec.Struct) -> Details:
    fields: Details = msgspec.to_builtins(asdict(struct))
    return fields


_DETAILS: Final[dict[str, Callable[[EventContext, Reference], Details]]] = {
    "spam_referrer": _referrer,
    "site": _site,
    "traffic_accepted": _until,
    "rate_limit": _limit,
    "ip_type": _ip_type,
    "hostname_shield": _hostname,
    "page_shield": _page,
    "ip_shield": _address,
    "geolocation": _place,
    "country_shield": _country,
    "user_agent": _agent,
    "attribution": _attribution,
    "revenue": _revenue,
    "visitor": _visitor,
}
