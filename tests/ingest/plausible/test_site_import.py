from collections.abc import Iterable
from datetime import date

import pytest

from ingest.plausible.site_import import SiteImport, merge_sites
from ingest.plausible.tables import Goal, PlausibleData, PlausibleSite, Rule
from ingest.sites.shields import Shields
from ingest.sites.site import RateLimit, Site, SiteRegistry, SiteScript

EVERYTHING = frozenset(
    {
        *("previous_domain", "rate_limit", "accept_traffic_until", "revenue_goals"),
        "timezone",
        *("ip", "country", "page", "hostname"),
    }
)


def taken(
    sites: Iterable[PlausibleSite],
    here: Iterable[Site] = (),
    rules: dict[str, list[Rule]] | None = None,
    goals: Iterable[Goal] = (),
    known: frozenset[str] = EVERYTHING,
) -> SiteImport:
    kinds: dict[str, tuple[Rule, ...]] = {
        kind: () for kind in ("ip", "country", "page", "hostname") if kind in known
    }
    all_rules = {**kinds, **{kind: tuple(each) for kind, each in (rules or {}).items()}}
    data = PlausibleData(tuple(sites), all_rules, tuple(goals), known=known)
    return merge_sites(data, SiteRegistry(here))


def one(outcome: SiteImport) -> Site:
    (site,) = outcome.sites
    return site


def test_a_new_site() -> None:
    outcome = taken([PlausibleSite(1, "a", "b", 100, None, date(2027, 1, 1))])
    assert one(outcome) == Site(1, "a", "b", RateLimit(100, 60), date(2027, 1, 1))
    assert (outcome.not_imported, outcome.conflicts, outcome.notes) == ((), (), ())


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("Europe/Berlin", "Europe/Berlin"), ("Etc/UTC", None), ("UTC", None), (None, None)],
)
def test_time_zones(theirs: str | None, ours: str | None) -> None:
    outcome = taken([PlausibleSite(1, "a", timezone=theirs)], [Site(1, "a", timezone="Asia/Tokyo")])
    assert one(outcome).timezone == ours
    assert outcome.not_imported == ()


def test_an_unknown_time_zone() -> None:
    outcome = taken([PlausibleSite(1, "a", timezone="Europe/Nowhere")])
    assert one(outcome).timezone is None
    assert outcome.not_imported == (
        "site 1 a: time zone 'Europe/Nowhere': expected a time zone such as Europe/Berlin",
    )


def test_time_zones_that_cannot_be_read_stay() -> None:
    known = EVERYTHING - {"timezone"}
    outcome = taken([PlausibleSite(1, "a")], [Site(1, "a", timezone="Asia/Tokyo")], known=known)
    assert (outcome.changes, outcome.unchanged) == ((), 1)


def test_a_site_that_is_the_same() -> None:
    outcome = taken([PlausibleSite(1, "a")], [Site(1, "a"), Site(2, "b")])
    assert (outcome.changes, outcome.unchanged) == ((), 1)
    assert outcome.only_in_file == (Site(2, "b"),)


def test_a_renamed_site() -> None:
    outcome = taken([PlausibleSite(1, "new", "old")], [Site(1, "old", server_key="k" * 16)])
    assert one(outcome) == Site(1, "new", "old", server_key="k" * 16)
    (change,) = outcome.changes
    assert list(change.lines()) == [
        "~ site 1 new",
        "    domain: old -> new",
        "    previous domain: none -> old",
    ]


def test_a_previous_domain_that_plausible_has_forgotten_stays() -> None:
    outcome = taken([PlausibleSite(1, "a")], [Site(1, "a", "formerly")])
    assert outcome.unchanged == 1


def test_rules_are_plausibles_but_networks_stay() -> None:
    here = Site(1, "a", shields=Shields(("10.0.0.0/8", "192.0.2.1", "192.0.2.2/32"), ("DE",)))
    rules = {"ip": [Rule(1, "192.0.2.2", "deny"), Rule(1, "192.0.2.3", "deny")]}
    site = one(taken([PlausibleSite(1, "a")], [here], rules))
    assert site.shields == Shields(("10.0.0.0/8", "192.0.2.2/32", "192.0.2.3"))


def test_what_the_version_does_not_know_stays() -> None:
    here = Site(
        1,
        "a",
        "b",
        RateLimit(1, 1),
        date(2027, 1, 1),
        shields=Shields(("192.0.2.1",)),
        revenue_goals={"x": "EUR"},
    )
    assert taken([PlausibleSite(1, "a")], [here], known=frozenset()).unchanged == 1


@pytest.mark.parametrize(
    ("limit", "expected", "said"),
    [
        ((0, 3600), RateLimit(0, 3600), 0),
        ((None, 3600), None, 0),
        ((-1, 60), None, 1),
        ((5, 0), None, 1),
    ],
)
def test_rate_limits(limit: tuple[int | None, int], expected: RateLimit | None, said: int) -> None:
    outcome = taken([PlausibleSite(1, "a", None, *limit)])
    assert one(outcome).rate_limit == expected
    assert len(outcome.not_imported) == said


def test_two_currencies_for_one_event() -> None:
    outcome = taken([PlausibleSite(1, "a")], goals=[Goal(1, "x", "EUR"), Goal(1, "x", "USD")])
    assert one(outcome).revenue_goals == {"x": "EUR"}
    assert outcome.not_imported == ("site 1 a: revenue goal 'x': USD, beside EUR",)
    assert len(outcome.notes) == 1


@pytest.mark.parametrize(
    ("here", "theirs", "expected", "said"),
    [
        (None, SiteScript("a"), SiteScript("a"), 0),
        (
            SiteScript("a"),
            SiteScript("a", outbound_links=True),
            SiteScript("a", outbound_links=True),
            0,
        ),
        (SiteScript("a", file_downloads=True), SiteScript("b"), SiteScript("b"), 0),
        (SiteScript("a"), None, SiteScript("a"), 0),
        (SiteScript("a"), SiteScript("b/c"), SiteScript("a"), 1),
    ],
)
def test_scripts(
    here: SiteScript | None, theirs: SiteScript | None, expected: SiteScript | None, said: int
) -> None:
    scripts = {} if theirs is None else {1: theirs}
    data = PlausibleData((PlausibleSite(1, "a"),), known=frozenset({"script"}), scripts=scripts)
    outcome = merge_sites(data, SiteRegistry([Site(1, "a", script=here)]))
    script = outcome.changes[0].site.script if outcome.changes else here
    assert script == expected
    assert len(outcome.not_imported) == said


def test_goals_in_dollars_need_no_rate() -> None:
    assert taken([PlausibleSite(1, "a")], goals=[Goal(1, "x", "USD")]).notes == ()


def test_domains_may_change_places() -> None:
    here = [Site(1, "a"), Site(2, "b")]
    outcome = taken([PlausibleSite(1, "b"), PlausibleSite(2, "a")], here)
    assert outcome.sites == (Site(1, "b"), Site(2, "a"))
    assert outcome.conflicts == ()


def test_what_gives_way_may_be_in_the_way_of_others() -> None:
    """Site 1 cannot be c, which the file has as 9; so it stays a, and site 2 cannot be a."""
    here = [Site(1, "a"), Site(2, "b"), Site(9, "c")]
    outcome = taken([PlausibleSite(1, "c"), PlausibleSite(2, "a"), PlausibleSite(3, "d")], here)
    assert outcome.sites == (Site(3, "d"),)
    assert [line.partition(":")[0] for line in outcome.conflicts] == ["site 1 c", "site 2 a"]


@pytest.mark.parametrize(
    ("sites", "here"),
    [
        ([PlausibleSite(1, "a", "b"), PlausibleSite(2, "b")], []),
        ([PlausibleSite(1, "a", "b")], [Site(9, "b")]),
        ([PlausibleSite(1, "a", "b")], [Site(9, "c", "b")]),
    ],
    ids=["of Plausible's", "of the file's", "previous of the file's"],
)
def test_previous_domains_give_way(sites: list[PlausibleSite], here: list[Site]) -> None:
    outcome = taken(sites, here)
    assert outcome.sites[0] == Site(1, "a")
    assert outcome.not_imported == ("site 1 a: previous domain 'b': another site has it",)
    SiteRegistry([*outcome.sites, *here])


@pytest.mark.parametrize("site_id", [0, -1, 2**64])
def test_ids_that_are_none(site_id: int) -> None:
    outcome = taken([PlausibleSite(site_id, "a", "b")])
    assert outcome.sites == ()
    assert "expected an id from 1" in outcome.not_imported[0]


def test_a_previous_domain_that_is_none() -> None:
    outcome = taken([PlausibleSite(1, "a", "b c")])
    assert one(outcome).previous_domain is None
    assert "previous domain 'b c': expected a domain without commas" in outcome.not_imported[0]
