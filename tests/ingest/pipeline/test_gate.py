"""One case for each reason of the gate, and their order (spec/ingestion.md §10)."""

from datetime import date
from typing import Any

import pytest

from ingest.enrichment.geo import AnyGeoDatabase
from ingest.model.event import Place
from ingest.model.verdict import DropReason
from ingest.pipeline.gate import STEPS, VERIFICATION_AGENT, GatedEvent, pass_gate
from ingest.pipeline.reference import Reference
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
SPAM: dict[str, Any] = {"referrer": "https://0-0.fr/"}
CASES: list[Any] = [
    pytest.param(SPAM, {}, DropReason.SPAM_REFERRER, id="spam"),
    pytest.param({"domains": ("other.example",)}, {}, DropReason.NOT_FOUND, id="unknown"),
    pytest.param({"domains": ("",)}, {}, DropReason.NOT_FOUND, id="empty domain"),
    pytest.param({"domains": ("Example.com",)}, {}, DropReason.NOT_FOUND, id="other case"),
    pytest.param(
        {}, {"accept_traffic_until": date(2020, 1, 1)}, DropReason.PAYMENT_REQUIRED, id="ended"
    ),
    pytest.param({}, {"rate_limit": RateLimit(0, 60)}, DropReason.BLOCK, id="blocked"),
    pytest.param(
        {"user_agent": VERIFICATION_AGENT}, {}, DropReason.VERIFICATION_AGENT, id="verification"
    ),
    pytest.param({"ip_type": "dc_ip"}, {}, DropReason.DC_IP, id="datacentre"),
    pytest.param({"ip_type": "threat_ip"}, {}, DropReason.THREAT_IP, id="threat"),
    pytest.param(
        {}, shields(hostnames=("a.com",)), DropReason.SITE_HOSTNAME_ALLOWLIST, id="hostname"
    ),
    pytest.param(
        {"pathname": "/admin/x"},
        shields(pages=("/admin/*",)),
        DropReason.SITE_PAGE_BLOCKLIST,
        id="page",
    ),
    pytest.param({}, shields(ips=("203.0.113.9",)), DropReason.SITE_IP_BLOCKLIST, id="address"),
    pytest.param({}, shields(ips=("203.0.113.0/24",)), DropReason.SITE_IP_BLOCKLIST, id="network"),
    pytest.param(
        {"client_ip": "198.51.100.1"},
        shields(countries=("GB",)),
        DropReason.SITE_COUNTRY_BLOCKLIST,
        id="country",
    ),
    pytest.param(
        {}, shields(countries=("ZZ",)), DropReason.SITE_COUNTRY_BLOCKLIST, id="unknown country"
    ),
]


@pytest.mark.parametrize(("request_", "site", "reason"), CASES)
def test_reasons(request_: dict[str, Any], site: dict[str, Any], reason: DropReason) -> None:
    assert pass_gate(an_event(**request_), a_reference(**site)) is reason


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
        assert pass_gate(an_event(**everything), a_reference(**site)) is reason
    everything["client_ip"] = "198.51.100.1"
    assert isinstance(pass_gate(an_event(**everything), a_reference(**site)), GatedEvent)


def test_an_ordinary_event_passes_with_its_site_and_place() -> None:
    gated = pass_gate(an_event(client_ip="198.51.100.1"), a_reference())
    assert isinstance(gated, GatedEvent)
    assert (gated.site.id, gated.place) == (1, Place("GB"))


def test_the_previous_domain_passes() -> None:
    gated = pass_gate(an_event(domains=("old.example",)), a_reference())
    assert isinstance(gated, GatedEvent)
    assert (gated.site.domain, gated.event.domain) == ("example.com", "old.example")


@pytest.mark.parametrize(
    ("until", "dropped"),
    [(date(2026, 9, 22), False), (date(2026, 9, 23), False), (date(2026, 9, 21), True)],
)
def test_the_last_day_of_traffic_counts(until: date, dropped: bool) -> None:
    """In full, and in UTC."""
    for timestamp in (MIDNIGHT, MIDNIGHT + 86_399):
        outcome = pass_gate(an_event(timestamp=timestamp), a_reference(accept_traffic_until=until))
        assert (outcome is DropReason.PAYMENT_REQUIRED) is dropped


def test_rate_limits_count_what_later_steps_drop() -> None:
    reference = a_reference(rate_limit=RateLimit(2, 86_400))
    assert pass_gate(an_event(ip_type="dc_ip"), reference) is DropReason.DC_IP
    assert isinstance(pass_gate(an_event(domains=("old.example",)), reference), GatedEvent)
    assert pass_gate(an_event(), reference) is DropReason.THROTTLE


def test_spam_consumes_no_rate() -> None:
    reference = a_reference(rate_limit=RateLimit(1, 86_400))
    for _ in range(3):
        assert pass_gate(an_event(**SPAM), reference) is DropReason.SPAM_REFERRER
    assert isinstance(pass_gate(an_event(), reference), GatedEvent)


@pytest.mark.parametrize("countries", [(), ("ZZ",), ("GB",)])
def test_hidden_addresses_have_a_country_of_their_own(countries: tuple[str, ...]) -> None:
    """It is neither unknown nor the one where the proxy stands."""
    reference = a_reference(**shields(countries=countries))
    gated = pass_gate(an_event(ip_type="anonymous_vpn_ip", client_ip="198.51.100.1"), reference)
    assert isinstance(gated, GatedEvent)
    assert gated.place == Place("A1")


def test_unknown_sites_may_be_accepted() -> None:
    reference = a_reference(accept_unknown=True)
    first, second = (pass_gate(an_event(domains=("new.example",)), reference) for _ in range(2))
    assert isinstance(first, GatedEvent)
    assert isinstance(second, GatedEvent)
    assert first.site.id == second.site.id
    assert pass_gate(an_event(domains=("",)), reference) is DropReason.NOT_FOUND


def test_steps_have_names_of_their_own() -> None:
    assert len({name for name, _ in STEPS}) == len(STEPS)
