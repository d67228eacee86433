"""One case for each rule of the gate, and their order (spec/ingestion.md §10)."""

from datetime import date
from typing import Any

import pytest

from ingest.enrichment.geo import AnyGeoDatabase
from ingest.model.event import Event, Place
from ingest.model.verdict import Drop, DropReason, Verdict
from ingest.pipeline.context import EventContext
from ingest.pipeline.gate import VERIFICATION_AGENT
from ingest.pipeline.reference import Reference
from ingest.pipeline.steps import GATE, run_gate, run_steps
from ingest.sessions.salts import Salt, Salts
from ingest.sites.rate_limit import RateLimiter
from ingest.sites.shields import Shields
from ingest.sites.site import RateLimit, Site, SiteRegistry
from tests.examples import NOON, an_event


class Atlas:
    """Knows one address."""

    def lookup(self, address: str) -> Place:
        return Place("GB") if address == "198.51.100.1" else Place()


def a_reference(*, accept_unknown: bool = False, **site: Any) -> Reference:
    geo: AnyGeoDatabase = Atlas()  # type: ignore[assignment]
    return Reference(
        SiteRegistry([Site(1, "example.com", previous_domain="old.example", **site)]),
        geo,
        Salts(Salt(bytes(16), 0)),
        RateLimiter(),
        accept_unknown,
    )


def shields(**rules: tuple[str, ...]) -> dict[str, Any]:
    return {
        "shields": Shields(**{"ips": (), "countries": (), "pages": (), "hostnames": ()} | rules)
    }


MIDNIGHT = NOON - 12 * 3600
SPAM: dict[str, Any] = {"referrer": "https://www.0-0.fr/x"}
UNKNOWN = "no site has the domain"
CASES: list[Any] = [
    pytest.param(SPAM, {}, "spam_referrer", "0-0.fr", id="spam"),
    pytest.param({"domains": ("other.example",)}, {}, "not_found", UNKNOWN, id="unknown"),
    pytest.param({"domains": ("",)}, {}, "not_found", UNKNOWN, id="empty domain"),
    pytest.param({"domains": ("Example.com",)}, {}, "not_found", UNKNOWN, id="other case"),
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
        {}, shields(ips=("203.0.113.0/24",)), "site_ip_blocklist", "203.0.113.0/24", id="network"
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


def drop_of(event: Event, reference: Reference) -> Drop | None:
    return run_steps(GATE, EventContext(event), reference)


def reason_of(event: Event, reference: Reference) -> DropReason | None:
    return Verdict.of(drop_of(event, reference)).reason


def passed(event: Event, reference: Reference) -> EventContext:
    context = EventContext(event)
    assert run_steps(GATE, context, reference) is None
    return context


@pytest.mark.parametrize(("request_", "site", "reason", "rule"), CASES)
def test_reasons_and_the_rules_that_matched(
    request_: dict[str, Any], site: dict[str, Any], reason: str, rule: str
) -> None:
    event = an_event(**request_)
    assert drop_of(event, a_reference(**site)) == Drop(DropReason(reason), rule)
    assert event.request.client_ip not in rule


RULES: dict[str, Any] = {
    "accept_traffic_until": date(2020, 1, 1),
    "rate_limit": RateLimit(0, 60),
    "hostnames": ("a.com",),
    "pages": ("/**",),
    "ips": ("203.0.113.0/24",),
    "countries": ("ZZ",),
}


@pytest.mark.parametrize("chosen", range(1 << len(RULES)))
def test_steps_are_left_out_only_if_the_site_does_not_have_their_rule(chosen: int) -> None:
    rules = {name: RULES[name] for bit, name in enumerate(RULES) if chosen >> bit & 1}
    site = {name: rules.pop(name) for name in ("accept_traffic_until", "rate_limit") & rules.keys()}
    reference = a_reference(**site, **shields(**rules))
    needed, all_ = EventContext(an_event()), EventContext(an_event())

    assert run_gate(needed, reference) == run_steps(GATE, all_, reference)
    assert needed == all_
    assert len(reference.registry.sites[0].rules) == chosen.bit_count()


def test_the_rate_limit() -> None:
    reference = a_reference(rate_limit=RateLimit(1, 60))
    assert drop_of(an_event(), reference) is None
    assert drop_of(an_event(), reference) == Drop(
        DropReason.THROTTLE, "rate_limit = { events = 1, seconds = 60 }"
    )


def test_the_first_reason_is_reported() -> None:
    """An event that fails everything; then what it fails first is mended, one by one."""
    everything: dict[str, Any] = {
        **SPAM,
        "domains": ("other.example",),
        "user_agent": VERIFICATION_AGENT,
        "pathname": "/admin",
    }
    site: dict[str, Any] = {
        "accept_traffic_until": date(2020, 1, 1),
        "rate_limit": RateLimit(0, 60),
        **shields(hostnames=("a.com",), pages=("/admin",), ips=("203.0.113.9",), countries=("ZZ",)),
    }
    mended: list[tuple[dict[str, Any], dict[str, Any], DropReason]] = [
        ({}, {}, DropReason.SPAM_REFERRER),
        ({"referrer": None}, {}, DropReason.NOT_FOUND),
        ({"domains": ("example.com",)}, {}, DropReason.PAYMENT_REQUIRED),
        ({}, {"accept_traffic_until": None}, DropReason.BLOCK),
        ({}, {"rate_limit": None}, DropReason.VERIFICATION_AGENT),
        ({"user_agent": "x", "ip_type": "dc_ip"}, {}, DropReason.DC_IP),
        ({"ip_type": "threat_ip"}, {}, DropReason.THREAT_IP),
        ({"ip_type": None}, {}, DropReason.SITE_HOSTNAME_ALLOWLIST),
        ({"hostname": "a.com"}, {}, DropReason.SITE_PAGE_BLOCKLIST),
        ({"pathname": "/"}, {}, DropReason.SITE_IP_BLOCKLIST),
        ({"client_ip": "203.0.113.10"}, {}, DropReason.SITE_COUNTRY_BLOCKLIST),
    ]
    for request, changed_site, reason in mended:
        everything |= request
        site |= changed_site
        assert reason_of(an_event(**everything), a_reference(**site)) is reason
    everything["client_ip"] = "198.51.100.1"
    assert reason_of(an_event(**everything), a_reference(**site)) is None


def test_an_ordinary_event_passes_with_its_site_and_place() -> None:
    context = passed(an_event(client_ip="198.51.100.1"), a_reference())
    assert (context.site.id, context.place) == (1, Place("GB"))


def test_the_previous_domain_passes() -> None:
    context = passed(an_event(domains=("old.example",)), a_reference())
    assert (context.site.domain, context.event.domain) == ("example.com", "old.example")


@pytest.mark.parametrize(
    ("until", "dropped"),
    [(date(2026, 9, 22), False), (date(2026, 9, 23), False), (date(2026, 9, 21), True)],
)
def test_the_last_day_of_traffic_counts(until: date, dropped: bool) -> None:
    """In full, and in UTC."""
    for timestamp in (MIDNIGHT, MIDNIGHT + 86_399):
        reason = reason_of(an_event(timestamp=timestamp), a_reference(accept_traffic_until=until))
        assert (reason is DropReason.PAYMENT_REQUIRED) is dropped


def test_rate_limits_count_what_later_steps_drop() -> None:
    reference = a_reference(rate_limit=RateLimit(2, 86_400))
    assert reason_of(an_event(ip_type="dc_ip"), reference) is DropReason.DC_IP
    assert reason_of(an_event(domains=("old.example",)), reference) is None
    assert reason_of(an_event(), reference) is DropReason.THROTTLE


def test_spam_consumes_no_rate() -> None:
    reference = a_reference(rate_limit=RateLimit(1, 86_400))
    for _ in range(3):
        assert reason_of(an_event(**SPAM), reference) is DropReason.SPAM_REFERRER
    assert reason_of(an_event(), reference) is None


@pytest.mark.parametrize("countries", [(), ("ZZ",), ("GB",)])
def test_hidden_addresses_have_a_country_of_their_own(countries: tuple[str, ...]) -> None:
    """It is neither unknown nor the one where the proxy stands."""
    reference = a_reference(**shields(countries=countries))
    context = passed(an_event(ip_type="anonymous_vpn_ip", client_ip="198.51.100.1"), reference)
    assert context.place == Place("A1")


def test_unknown_sites_may_be_accepted() -> None:
    reference = a_reference(accept_unknown=True)
    first, second = (passed(an_event(domains=("new.example",)), reference) for _ in range(2))
    assert first.site.id == second.site.id
    assert reason_of(an_event(domains=("",)), reference) is DropReason.NOT_FOUND
