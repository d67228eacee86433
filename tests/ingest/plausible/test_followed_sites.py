from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

import pytest

from ingest.plausible.followed_sites import FollowedSites, followed_sites
from ingest.plausible.tables import Goal, PlausibleData, PlausibleSite, Rule
from ingest.plausible.wanted_sites import MadeSites
from ingest.sites.shields import Shields
from ingest.sites.site import RateLimit, Site, SiteRegistry, SiteScript
from tests.ingest.plausible.test_site_import import EVERYTHING


def followed(
    sites: Iterable[PlausibleSite],
    local: Iterable[Site] = (),
    rules: dict[str, tuple[Rule, ...]] | None = None,
) -> FollowedSites:
    data = PlausibleData(tuple(sites), rules or {}, known=EVERYTHING)
    return followed_sites(data, SiteRegistry(local, {"EUR": Decimal("0.9")}))


@pytest.mark.parametrize(
    ("sites", "local", "expected"),
    [
        pytest.param([PlausibleSite(7, "a")], [], [Site(7, "a")], id="without a local site"),
        pytest.param(
            [PlausibleSite(7, "a", None, 5)],
            [Site(1, "a", None, RateLimit(9, 9), None, True, server_key="k" * 16)],
            [Site(7, "a", None, RateLimit(5, 60), None, True, server_key="k" * 16)],
            id="by domain, with another id",
        ),
        pytest.param(
            [PlausibleSite(7, "new", "old")],
            [Site(1, "old", server_key="k" * 16)],
            [Site(7, "new", "old", server_key="k" * 16)],
            id="by the domain before a change",
        ),
        pytest.param(
            [PlausibleSite(7, "new", "old"), PlausibleSite(8, "old")],
            [Site(1, "old", server_key="k" * 16)],
            [Site(7, "new"), Site(8, "old", server_key="k" * 16)],
            id="the site that has the domain now",
        ),
        pytest.param(
            [PlausibleSite(7, "a"), PlausibleSite(8, "b")],
            [Site(1, "a", "b", server_key="k" * 16)],
            [Site(7, "a", server_key="k" * 16), Site(8, "b")],
            id="each local site once",
        ),
        pytest.param([PlausibleSite(7, "a", consolidated=True)], [Site(1, "a")], [], id="no site"),
    ],
)
def test_followed_sites(
    sites: list[PlausibleSite], local: list[Site], expected: list[Site]
) -> None:
    assert list(followed(sites, local).registry) == expected


def test_sites_that_only_the_local_file_has_are_not_registered() -> None:
    outcome = followed([PlausibleSite(7, "a")], [Site(1, "a"), Site(7, "b")])
    assert outcome.registry.find("b") is None
    assert outcome.only_local == (Site(7, "b"),)
    assert outcome.registry.exchange_rates["EUR"] == Decimal("0.9")


def test_networks_of_the_local_file_join_the_rules_of_plausible() -> None:
    local = [Site(1, "a", shields=Shields(("10.0.0.0/8", "192.0.2.1"), ("DE",)))]
    rules = {"ip": (Rule(7, "192.0.2.2", "deny"),), "country": ()}
    (site,) = followed([PlausibleSite(7, "a")], local, rules).registry
    assert site.shields == Shields(("10.0.0.0/8", "192.0.2.2"))


def test_a_script_belongs_to_the_site_for_which_plausible_has_it() -> None:
    script = SiteScript("abc", outbound_links=True)
    data = PlausibleData(
        (PlausibleSite(7, "a"), PlausibleSite(8, "b"), PlausibleSite(9, "c")),
        known=EVERYTHING,
        scripts={8: script},
    )
    local = [Site(1, "a", script=SiteScript("abc")), Site(2, "c", script=SiteScript("def"))]
    registry = followed_sites(data, SiteRegistry(local)).registry
    assert registry.by_script("abc") == Site(8, "b", script=script)
    assert registry.by_script("def") == Site(9, "c", script=SiteScript("def"))


def test_settings_that_cannot_be_followed_are_listed() -> None:
    outcome = followed([PlausibleSite(7, "a", "b c"), PlausibleSite(8, "www.x")])
    assert list(outcome.registry) == [Site(7, "a")]
    assert [line[:8] for line in outcome.not_usable] == ["site 7 a", "site 8 '"]


def test_only_sites_with_a_change_are_made_again() -> None:
    made: MadeSites = {}
    local = SiteRegistry([Site(1, "c")])

    def sites(data: PlausibleData, local: SiteRegistry = local) -> list[Site]:
        return list(followed_sites(data, local, made).registry)

    data = PlausibleData(
        (PlausibleSite(7, "a"), PlausibleSite(8, "b"), PlausibleSite(9, "c")),
        {"ip": (Rule(7, "192.0.2.1", "deny"), Rule(8, "192.0.2.x", "deny"))},
        known=EVERYTHING,
    )
    a, b, c = sites(data)
    changed = (
        (replace(data, rules={"ip": (Rule(8, "192.0.2.x", "deny"),)}), local, [False, True, True]),
        (data, local, [True, True, True]),
        (replace(data, goals=(Goal(8, "x", "USD"),)), local, [True, False, True]),
        (replace(data, scripts={9: SiteScript("x")}), local, [True, True, False]),
        (data, SiteRegistry([Site(1, "c", drop_server_clients=True)]), [True, True, False]),
        (replace(data, known=EVERYTHING - {"ip"}), local, [False, False, False]),
    )
    for other, its_local, kept in changed:
        a, b, c = sites(data)
        assert sites(data)[0] is a
        assert [x is y for x, y in zip(sites(other, its_local), (a, b, c), strict=True)] == kept
    assert len(followed_sites(data, local, made).not_usable) == 1
    assert len(followed_sites(data, local, made).not_usable) == 1
    assert sites(replace(data, sites=data.sites[:1])) == [a]
    assert list(made) == [7]
