from datetime import date
from decimal import Decimal

import pytest

from ingest.check.report import Level, warning
from ingest.check.sites import SHOWN, check_keys, check_sites
from ingest.sites.shields import Shields
from ingest.sites.site import RateLimit, Site, SiteRegistry

TODAY = date(2026, 11, 24)


def lines(
    *sites: Site,
    places: bool = True,
    unknown: bool = False,
    rates: dict[str, Decimal] | None = None,
) -> list[tuple[Level, str, str]]:
    found = check_sites(
        SiteRegistry(sites, rates), today=TODAY, places=places, unknown_accepted=unknown
    )
    return [(result.level, result.text, result.advice) for result in found]


def test_rules_in_short() -> None:
    site = Site(
        2,
        "shop.example",
        previous_domain="old.example",
        rate_limit=RateLimit(1000, 60),
        accept_traffic_until=TODAY,
        drop_server_clients=True,
        shields=Shields(
            ips=("203.0.113.7",), countries=("AQ", "DE"), hostnames=("shop.example", "*.a.example")
        ),
        revenue_goals={"Purchase": "EUR"},
        server_key="a-secret-of-the-site",
    )
    ((level, text, advice),) = lines(site, rates={"EUR": Decimal("0.9")})
    assert (level, advice) == (Level.OK, "")
    assert text == (
        "2 shop.example: formerly old.example, at most 1000 events in 60 s, until 2026-11-24, "
        "server clients dropped, a server key, 1 address blocked, 2 countries blocked, "
        "2 hostname patterns allowed, revenue of Purchase in EUR"
    )


@pytest.mark.parametrize(
    ("site", "advice"),
    [
        pytest.param(Site(1, "a.example", rate_limit=RateLimit(0, 60)), "blocks it", id="blocked"),
        pytest.param(
            Site(1, "a.example", accept_traffic_until=date(2026, 11, 23)),
            "dropped since then",
            id="ended",
        ),
        pytest.param(
            Site(1, "a.example", shields=Shields(countries=("DE",))),
            "they block nobody",
            id="countries without places",
        ),
        pytest.param(
            Site(1, "a.example", shields=Shields(countries=("ZZ",))),
            "ZZ blocks everybody",
            id="unknown countries without places",
        ),
        pytest.param(
            Site(1, "a.example/shop", shields=Shields(hostnames=("*.a.example",))),
            "itself are not among its hostnames",
            id="its own hostname",
        ),
        pytest.param(
            Site(1, "a.example", revenue_goals={"Buy": "JPY"}), "for JPY", id="no exchange rate"
        ),
    ],
)
def test_what_is_most_likely_not_meant(site: Site, advice: str) -> None:
    ((level, _, found),) = lines(site, places=False)
    assert level is Level.WARNING
    assert advice in found


@pytest.mark.parametrize(
    "site",
    [
        Site(1, "a.example/shop", shields=Shields(hostnames=("a.example",))),
        Site(1, "a.example", revenue_goals={"Buy": "USD"}),
        Site(1, "a.example", accept_traffic_until=TODAY),
    ],
)
def test_what_is_well(site: Site) -> None:
    assert [level for level, _, _ in lines(site)] == [Level.OK]


def test_an_outdated_key() -> None:
    text = '[[site]]\nid = 1\ndomain = "a"\nallow_server_clients = false\n'
    assert list(check_keys(text, "sites.toml")) == [
        warning(
            "sites.toml:4: site.allow_server_clients is outdated",
            "write drop_server_clients = true instead",
        )
    ]
    assert not list(check_keys(text.replace("allow", "drop"), "sites.toml"))


def test_no_sites() -> None:
    assert lines()[0][0] is Level.WARNING
    assert [level for level, _, _ in lines(unknown=True)] == [Level.OK]


def test_many_sites_are_counted_and_their_faults_shown() -> None:
    sites = [Site(n + 1, f"site{n}.example") for n in range(SHOWN + 20)]
    faulty = Site(9_999, "blocked.example", rate_limit=RateLimit(0, 60))
    found = lines(*sites, faulty)
    assert len(found) == SHOWN + 2
    assert found[-2][1].startswith("9999 blocked.example")
    assert found[-1][1] == "and 20 more sites"
