"""One case for each reason."""

from datetime import date
from typing import Any

import pytest

from ingest.enrichment.geo import AnyGeoDatabase
from ingest.model.event import Place
from ingest.model.verdict import DropReason
from ingest.observation.rule import rule_that_hit
from ingest.pipeline.enrichment import enrich
from ingest.pipeline.gate import VERIFICATION_AGENT, pass_gate
from ingest.pipeline.reference import Reference
from ingest.sessions.salts import Salt, Salts
from ingest.sites.rate_limit import RateLimiter
from ingest.sites.shields import Shields
from ingest.sites.site import RateLimit, Site, SiteRegistry
from tests.examples import an_enriched_event, an_event


class Atlas:
    """Knows one address."""

    def lookup(self, address: str) -> Place:
        return Place("GB") if address == "198.51.100.1" else Place()


def a_reference(**site: Any) -> Reference:
    geo: AnyGeoDatabase = Atlas()  # type: ignore[assignment]
    return Reference(
        SiteRegistry([Site(1, "example.com", **site)]),
        geo,
        Salts(Salt(bytes(16), 0)),
        RateLimiter(),
    )


def shields(**rules: tuple[str, ...]) -> dict[str, Any]:
    return {"shields": Shields(**rules)}


GATE: list[Any] = [
    pytest.param({"referrer": "https://www.0-0.fr/x"}, {}, "spam_referrer", "0-0.fr", id="spam"),
    pytest.param(
        {"domains": ("other.example",)}, {}, "not_found", "no site has the domain", id="unknown"
    ),
    pytest.param(
        {},
        {"accept_traffic_until": date(2020, 1, 1)},
        "payment_required",
        "accept_traffic_until = 2020-01-01",
        id="ended",
    ),
    pytest.param(
        {},
        {"rate_limit": RateLimit(0, 60)},
        "block",
        "rate_limit = { events = 0, seconds = 60 }",
        id="blocked",
    ),
    pytest.param(
        {"user_agent": VERIFICATION_AGENT},
        {},
        "verification_agent",
        "user agent of Plausible's installation check",
        id="verification",
    ),
    pytest.param({"ip_type": "dc_ip"}, {}, "dc_ip", "x-plausible-ip-type: dc_ip", id="datacentre"),
    pytest.param(
        {"ip_type": "threat_ip"}, {}, "threat_ip", "x-plausible-ip-type: threat_ip", id="threat"
    ),
    pytest.param(
        {},
        shields(hostnames=("a.com", "*.a.com")),
        "site_hostname_allowlist",
        "none of a.com, *.a.com",
        id="hostname",
    ),
    pytest.param(
        {"pathname": "/admin/x"},
        shields(pages=("/other", "/admin/**")),
        "site_page_blocklist",
        "/admin/**",
        id="page",
    ),
    pytest.param(
        {},
        shields(ips=("203.0.113.0/24",)),
        "site_ip_blocklist",
        "203.0.113.0/24",
        id="network",
    ),
    pytest.param(
        {},
        shields(ips=("2001:db8::/32", "203.0.113.9")),
        "site_ip_blocklist",
        "entry 2 of ips, in 203.0.113.0/24",
        id="an address is not told",
    ),
    pytest.param(
        {"client_ip": "198.51.100.1"},
        shields(countries=("FR", "GB")),
        "site_country_blocklist",
        "GB",
        id="country",
    ),
    pytest.param(
        {}, shields(countries=("ZZ",)), "site_country_blocklist", "ZZ", id="unknown country"
    ),
]
AGENTS = [
    ("Mozilla/5.0 (compatible; Googlebot/2.1)", "user agent of a crawler"),
    (
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
        "HeadlessChrome/131.0.0.0 Safari/537.36",
        "user agent of a headless browser",
    ),
    ("curl/8.5.0", "user agent of an HTTP library, curl"),
]
LATER = [
    DropReason.INVALID,
    DropReason.NO_SESSION_FOR_ENGAGEMENT,
    DropReason.LOCK_TIMEOUT,
    DropReason.PERSIST_TIMEOUT,
    DropReason.PERSIST_ERROR,
]


@pytest.mark.parametrize(("sent", "site", "reason", "rule"), GATE)
def test_rules_of_the_gate(
    sent: dict[str, Any], site: dict[str, Any], reason: str, rule: str
) -> None:
    reference, event = a_reference(**site), an_event(**sent)
    found = pass_gate(event, reference)
    assert found == reason
    told = rule_that_hit(event, reference.site(event.domain), DropReason(reason), reference)
    assert told == rule
    assert event.request.client_ip not in told


def test_the_rate_limit() -> None:
    reference, event = a_reference(rate_limit=RateLimit(1, 60)), an_event()
    pass_gate(event, reference)
    assert pass_gate(event, reference) is DropReason.THROTTLE
    told = rule_that_hit(event, reference.site("example.com"), DropReason.THROTTLE, reference)
    assert told == "rate_limit = { events = 1, seconds = 60 }"


@pytest.mark.parametrize(("agent", "rule"), AGENTS)
def test_user_agents(agent: str, rule: str) -> None:
    reference, event = a_reference(), an_event(user_agent=agent)
    gated = pass_gate(event, reference)
    assert not isinstance(gated, DropReason)
    assert enrich(gated, reference) is DropReason.BOT
    told = rule_that_hit(event, gated.site, DropReason.BOT, reference)
    assert told == rule
    assert agent not in told


@pytest.mark.parametrize("reason", LATER)
def test_what_comes_later_is_told_in_words(reason: DropReason) -> None:
    reference = a_reference()
    told = rule_that_hit(an_enriched_event(), reference.site("example.com"), reason, reference)
    assert told == rule_that_hit(an_event(), None, reason, reference) != ""


@pytest.mark.parametrize("reason", DropReason)
def test_a_rule_that_is_no_longer_there(reason: DropReason) -> None:
    reference = a_reference()
    for site in (None, reference.site("example.com")):
        told = rule_that_hit(an_event(), site, reason, reference)
        assert "203.0.113.9" not in told
        assert "AppleWebKit" not in told
