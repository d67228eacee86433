from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.sites.site import (
    MAX_DOMAIN_LENGTH,
    Site,
    SiteRegistry,
    SiteScript,
    _derive,
    domain_problem,
    unregistered_site_id,
)

NEW = Site(1, "new.example", previous_domain="old.example", script=SiteScript("x1"))
OTHER = Site(2, "other.example")
REGISTRY = SiteRegistry([NEW, OTHER], {"EUR": Decimal("0.92")})


@pytest.mark.parametrize(
    ("domain", "site"),
    [
        pytest.param("new.example", NEW, id="current"),
        pytest.param("old.example", NEW, id="previous"),
        pytest.param("other.example", OTHER, id="without-previous"),
        pytest.param("New.example", None, id="case-counts"),
        pytest.param("new.example.", None, id="trailing-dot-counts"),
        pytest.param("", None, id="empty"),
    ],
)
def test_find(domain: str, site: Site | None) -> None:
    assert REGISTRY.find(domain) is site


def test_a_registry_knows_its_sites() -> None:
    assert len(REGISTRY) == 2
    assert list(REGISTRY) == [NEW, OTHER]
    assert REGISTRY.by_id(2) is OTHER
    assert REGISTRY.by_id(3) is None
    assert REGISTRY.by_script("x1") is NEW
    assert REGISTRY.by_script("X1") is None


def test_an_empty_registry() -> None:
    registry = SiteRegistry()
    assert len(registry) == 0
    assert registry.find("example.com") is None
    assert registry.exchange_rates == {"USD": 1}


def test_the_dollar_is_worth_a_dollar() -> None:
    assert REGISTRY.exchange_rates == {"EUR": Decimal("0.92"), "USD": 1}
    assert SiteRegistry([], {"USD": Decimal(2)}).exchange_rates["USD"] == 1


@pytest.mark.parametrize(
    "sites",
    [
        pytest.param([Site(1, "a.example"), Site(1, "b.example")], id="id"),
        pytest.param([Site(1, "a.example"), Site(2, "a.example")], id="domain"),
        pytest.param([Site(1, "a.example"), Site(2, "b.example", "a.example")], id="previous"),
        pytest.param(
            [
                Site(1, "a.example", script=SiteScript("x1")),
                Site(2, "b.example", script=SiteScript("x1", outbound_links=True)),
            ],
            id="script",
        ),
        pytest.param(
            [Site(1, "a.example", "c.example"), Site(2, "b.example", "c.example")], id="both"
        ),
    ],
)
def test_sites_share_nothing(sites: list[Site]) -> None:
    with pytest.raises(ValueError, match="two sites have the"):
        SiteRegistry(sites)


def test_sites_can_be_hashed() -> None:
    assert len({Site(1, "a.example", revenue_goals={"Purchase": "EUR"}), NEW}) == 2


def test_accepting_prefers_registered_sites() -> None:
    assert REGISTRY.accepting("old.example") is NEW


def test_accepting_makes_a_site_without_rules() -> None:
    site = REGISTRY.accepting("unknown.example")
    assert site == Site(unregistered_site_id("unknown.example"), "unknown.example")


@pytest.mark.parametrize("domain", ["", "a b", "x" * (MAX_DOMAIN_LENGTH + 1), "x" * 10**6, "a\n"])
def test_accepting_refuses_what_is_no_domain(domain: str) -> None:
    assert REGISTRY.accepting(domain) is None


def test_ids_of_unregistered_sites_never_change() -> None:
    # Rows are stored under these ids: a change here would tear sites' histories apart.
    assert unregistered_site_id("example.com") == 4967827461572381081
    assert unregistered_site_id("müller.example") == 8662398759301421950


@given(st.text())
def test_ids_of_unregistered_sites_fit_and_stand_apart(domain: str) -> None:
    assert 2**62 <= unregistered_site_id(domain) < 2**63


def test_a_flood_of_domains_does_not_fill_the_memory() -> None:
    for number in range(5000):
        assert REGISTRY.accepting(f"{number}.flood.example")
    assert _derive.cache_info().currsize <= 4096


@pytest.mark.parametrize(
    "domain", ["example.com", "example.com/shop", "localhost:8000", "müller.example", "app"]
)
def test_domains(domain: str) -> None:
    assert domain_problem(domain) is None


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        pytest.param("", "a domain such as", id="empty"),
        pytest.param("www.example.com", '"example.com"', id="www"),
        pytest.param("https://example.com", "not an address", id="scheme"),
        pytest.param("a,b", "without commas", id="comma"),
        pytest.param(" example.com", "white space", id="space"),
        pytest.param("a\x00b", "control characters", id="control"),
        pytest.param("\ud800", "control characters", id="surrogate"),
        pytest.param("x" * 256, "at most 255", id="length"),
    ],
)
def test_what_is_no_domain(domain: str, expected: str) -> None:
    assert expected in (domain_problem(domain) or "")
