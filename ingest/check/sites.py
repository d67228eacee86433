"""Checks the sites and their rules, and warns about rules without effect."""

from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Final

from ingest.check.report import CheckResult, ok, warning
from ingest.sites.site import Site, SiteRegistry
from ingest.sites.site_file import outdated_keys

SHOWN: Final = 100
"""Maximum number of correct sites that are listed individually."""


def check_sites(
    registry: SiteRegistry, *, today: date, places: bool, unknown_accepted: bool
) -> Iterator[CheckResult]:
    """A line for each site.

    Args:
        registry: All sites.
        today: In UTC.
        places: Whether there is a geo database.
        unknown_accepted: Whether sites that are not registered are taken, too.
    """
    if unknown_accepted:
        yield ok("events of other domains are accepted as well (SLUICE_UNKNOWN_SITES)")
    elif not len(registry):
        yield warning("there are no sites: every event is dropped", "add a [[site]]")
    hidden = 0
    for number, site in enumerate(registry):
        advice = _advice(site, today, registry.exchange_rates, places=places)
        text = f"{site.id} {site.domain}: {', '.join(_rules(site)) or 'no rules'}"
        if advice:
            yield warning(text, "; ".join(advice))
        elif number < SHOWN:
            yield ok(text)
        else:
            hidden += 1
    if hidden:
        yield ok(f"and {hidden} more sites")


def check_keys(text: str, source: str) -> Iterator[CheckResult]:
    """A warning for each key of the file that is outdated.

    Args:
        text: A sites file without mistakes.
        source: Its name.
    """
    for found in outdated_keys(text, source):
        yield warning(f"{source}:{found.line}: {found.key} is outdated", found.problem)


def _rules(site: Site) -> Iterator[str]:
    shields = site.shields
    if site.previous_domain is not None:
        yield f"formerly {site.previous_domain}"
    if site.rate_limit is not None:
        yield f"at most {site.rate_limit.events} events in {site.rate_limit.seconds} s"
    if site.accept_traffic_until is not None:
        yield f"until {site.accept_traffic_until}"
    if site.drop_server_clients:
        yield "server clients dropped"
    if site.server_key is not None:
        yield "a server key"
    for rules, one, many in (
        (shields.ips, "address blocked", "addresses blocked"),
        (shields.countries, "country blocked", "countries blocked"),
        (shields.pages, "page pattern blocked", "page patterns blocked"),
        (shields.hostnames, "hostname pattern allowed", "hostname patterns allowed"),
    ):
        if rules:
            yield f"{len(rules)} {one if len(rules) == 1 else many}"
    if site.revenue_goals:
        goals = ", ".join(
            f"{event} in {currency}" for event, currency in site.revenue_goals.items()
        )
        yield f"revenue of {goals}"


def _advice(site: Site, today: date, rates: Mapping[str, Decimal], *, places: bool) -> list[str]:
    """Advice on settings that do not work, or are probably a mistake."""
    advice: list[str] = []
    if site.rate_limit is not None and site.rate_limit.events == 0:
        advice.append("its rate limit of 0 blocks it")
    if site.accept_traffic_until is not None and site.accept_traffic_until < today:
        advice.append("its traffic is dropped since then: remove accept_traffic_until")
    if site.shields.countries and not places:
        blocked = "ZZ blocks everybody" if "ZZ" in site.shields.countries else "they block nobody"
        advice.append(f"countries need a geo database, without one {blocked}")
    if not site.shields.allows_hostname(site.domain.partition("/")[0]):
        advice.append(f"pages on {site.domain} itself are not among its hostnames")
    missing = sorted({c for c in site.revenue_goals.values() if c not in rates})
    if missing:
        advice.append(
            f"amounts in other currencies stay without a reporting amount: add "
            f"[exchange_rates] for {', '.join(missing)}"
        )
    return advice
