"""What each step looks at and finds out, in the words of the rows and of the sites file."""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from ingest.enrichment.user_agent import describe
from ingest.observation.address import describe_address
from ingest.observation.trace_format import shorten
from ingest.pipeline import enrichment, gate
from ingest.pipeline.reference import Reference

Found = dict[str, Any]


def found_at_gate(step: str, passage: gate.Passage, reference: Reference) -> Found:
    """What a step of the gate found out; empty for steps that say it all by their outcome.

    Args:
        step: Its name.
        passage: The event after the step.
        reference: What the step looked things up in, with a limiter that does not count.
    """
    tell = _AT_GATE.get(step)
    return {} if tell is None else tell(passage, reference)


def found_in_enrichment(step: str, passage: enrichment.Passage) -> Found:
    """As `found_at_gate`, for a step of enrichment."""
    tell = _IN_ENRICHMENT.get(step)
    return {} if tell is None else tell(passage)


def _referrer(passage: gate.Passage, reference: Reference) -> Found:
    return {"referrer": passage.event.request.referrer}


def _site(passage: gate.Passage, reference: Reference) -> Found:
    site = reference.site(passage.event.domain)
    return {"domain": passage.event.domain, "site_id": None if site is None else site.id}


def _until(passage: gate.Passage, reference: Reference) -> Found:
    until = passage.site.accept_traffic_until
    return {"accept_traffic_until": None if until is None else until.isoformat()}


def _limit(passage: gate.Passage, reference: Reference) -> Found:
    limit = passage.site.rate_limit
    if limit is None:
        return {"rate_limit": None}
    used = reference.limiter.used(passage.site, passage.event.timestamp)
    return {"used": used, "allowed": limit.events, "seconds": limit.seconds}


def _ip_type(passage: gate.Passage, reference: Reference) -> Found:
    return {"ip_type": passage.event.request.ip_type}


def _hostname(passage: gate.Passage, reference: Reference) -> Found:
    return {
        "hostname": passage.event.request.hostname,
        "allowed": list(passage.site.shields.hostnames) or None,
    }


def _page(passage: gate.Passage, reference: Reference) -> Found:
    return {
        "pathname": passage.event.request.pathname,
        "blocked": list(passage.site.shields.pages),
    }


def _address(passage: gate.Passage, reference: Reference) -> Found:
    """Of the rules their number only: they may be addresses."""
    return {
        **describe_address(passage.event.request.client_ip),
        "rules": len(passage.site.shields.ips),
    }


def _place(passage: gate.Passage, reference: Reference) -> Found:
    return _fields(passage.place)


def _country(passage: gate.Passage, reference: Reference) -> Found:
    shields = passage.site.shields
    return {
        "country": shields.country_rule(passage.place.country_code),
        "blocked": list(shields.countries),
    }


def _agent(passage: enrichment.Passage) -> Found:
    client = describe(passage.gated.event.request.user_agent)
    kind = "bot" if client.is_bot else "library" if client.is_library else "browser"
    return {
        "kind": kind,
        "allow_server_clients": passage.gated.site.allow_server_clients,
        **_fields(client.device),
    }


def _attribution(passage: enrichment.Passage) -> Found:
    return _fields(passage.attribution)


def _revenue(passage: enrichment.Passage) -> Found:
    goals = passage.gated.site.revenue_goals
    revenue = passage.revenue
    return {
        "goal_currency": goals.get(passage.gated.event.request.name),
        **({} if revenue is None else _fields(revenue)),
    }


def _visitor(passage: enrichment.Passage) -> Found:
    visitor = passage.visitor
    return {
        "user_id": shorten(visitor.user_id),
        "has_previous_user_id": visitor.previous_user_id is not None,
    }


def _fields(struct: msgspec.Struct) -> Found:
    fields: Found = msgspec.to_builtins(struct)
    return fields


_AT_GATE: Final[dict[str, Callable[[gate.Passage, Reference], Found]]] = {
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
}
_IN_ENRICHMENT: Final[dict[str, Callable[[enrichment.Passage], Found]]] = {
    "user_agent": _agent,
    "attribution": _attribution,
    "revenue": _revenue,
    "visitor": _visitor,
}
