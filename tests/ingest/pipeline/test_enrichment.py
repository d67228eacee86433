from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from ingest.enrichment.geo import NoGeoDatabase
from ingest.model.event import EnrichedEvent, Place, Revenue, RevenueAmounts, Visitor
from ingest.model.verdict import Drop, DropReason
from ingest.pipeline.context import EventContext
from ingest.pipeline.enrichment import visitor_of
from ingest.pipeline.reference import Reference
from ingest.pipeline.steps import ENRICHMENT, run_steps
from ingest.sessions.salts import Salt, Salts
from ingest.sites.rate_limit import RateLimiter
from ingest.sites.site import Site, SiteRegistry
from tests.examples import an_event

CURRENT, PREVIOUS = Salt(bytes(16), 0), Salt(bytes(15) + b"\1", 0)
RATES = {"EUR": Decimal("0.5")}


def a_reference(salts: Salts | None = None) -> Reference:
    return Reference(
        SiteRegistry([], RATES), NoGeoDatabase(), salts or Salts(CURRENT, PREVIOUS), RateLimiter()
    )


def gated(site: Site | None = None, **request: Any) -> EventContext:
    event = an_event(**request)
    return EventContext(event, site or Site(7, "example.com"), Place(country_code="GB"))


def drop_of(context: EventContext) -> Drop | None:
    return run_steps(ENRICHMENT, context, a_reference())


def enriched(site: Site | None = None, **request: Any) -> EnrichedEvent:
    context = gated(site, **request)
    assert drop_of(context) is None
    return context.enriched(5)


def test_an_event_is_enriched() -> None:
    event = enriched(
        referrer="https://news.ycombinator.com/",
        query={"utm_campaign": "c"},
        props=(("a", "b"),),
        tracker_version=36,
    )
    assert (event.site_id, event.domain, event.tracker_version) == (7, "example.com", 36)
    assert (event.device.browser, event.device.operating_system) == ("Chrome", "Mac")
    assert event.device.screen_size == "Desktop"
    assert event.attribution.referrer_source == "Hacker News"
    assert event.attribution.utm_campaign == "c"
    assert event.place.country_code == "GB"
    assert event.props == (("a", "b"),)
    assert event.revenue is None


CRAWLER = "user agent of a crawler"
HEADLESS = "user agent of a headless browser"
LIBRARY = "user agent of an HTTP library, Python Requests"


@pytest.mark.parametrize(
    ("user_agent", "drops_libraries", "rule"),
    [
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://google.com/bot.html)", False, CRAWLER),
        ("Mozilla/5.0 (X11; Linux x86_64) HeadlessChrome/131.0.0.0 Safari/537.36", False, HEADLESS),
        ("python-requests/2.32.3", True, LIBRARY),
        ("python-requests/2.32.3", False, None),
        ("", True, None),
        (None, True, None),
        ("unknown UA", True, None),
    ],
)
def test_bots(user_agent: str | None, drops_libraries: bool, rule: str | None) -> None:
    site = Site(1, "example.com", drop_server_clients=drops_libraries)
    expected = None if rule is None else Drop(DropReason.BOT, rule)
    assert drop_of(gated(site, user_agent=user_agent)) == expected


def test_an_event_without_a_user_agent_has_no_device() -> None:
    assert enriched(user_agent=None).device.browser == ""


USD = Revenue(Decimal("10.2"), "USD")


@pytest.mark.parametrize(
    ("goals", "revenue", "expected"),
    [
        ({}, USD, None),
        ({"Other": "EUR"}, USD, None),
        ({"Buy": "EUR"}, None, None),
        (
            {"Buy": "EUR"},
            USD,
            RevenueAmounts(Decimal("10.200"), "USD", Decimal("5.100"), "EUR"),
        ),
        ({"Buy": "JPY"}, USD, RevenueAmounts(Decimal("10.200"), "USD", None, "")),
    ],
)
def test_revenue_needs_a_goal(
    goals: dict[str, str], revenue: Revenue | None, expected: RevenueAmounts | None
) -> None:
    site = Site(1, "example.com", revenue_goals=goals)
    assert enriched(site, name="Buy", revenue=revenue).revenue == expected


def test_visitor_ids_are_those_of_both_salts() -> None:
    with_both = enriched().visitor
    assert with_both.previous_user_id is not None
    assert with_both.user_id != with_both.previous_user_id
    alone, _ = visitor_of(an_event(), a_reference(Salts(PREVIOUS)))
    assert alone == Visitor(with_both.previous_user_id, None)


@pytest.mark.parametrize(
    "change",
    [
        {"client_ip": "203.0.113.10"},
        {"user_agent": None},
        {"domains": ("old.example",)},
        {"hostname": "other.com"},
    ],
)
def test_visitor_ids_tell_visitors_apart(change: dict[str, Any]) -> None:
    reference = a_reference(Salts(CURRENT))
    assert visitor_of(an_event(**change), reference) != visitor_of(an_event(), reference)


def test_subdomains_share_their_visitors() -> None:
    reference = a_reference(Salts(CURRENT))
    event = an_event(hostname="blog.example.com")
    assert visitor_of(event, reference) == visitor_of(an_event(), reference)


def test_the_partition_is_chosen_by_what_identifies_the_visitor_and_not_by_the_salt() -> None:
    reference = a_reference(Salts(CURRENT))
    assert visitor_of(an_event(), reference)[1] == 0
    reference.partition_of = lambda identity: sum(identity) % 97
    chosen = visitor_of(an_event(), reference)[1]
    reference.salts = Salts(PREVIOUS)
    assert visitor_of(an_event(), reference)[1] == chosen
    context = gated()
    assert run_steps(ENRICHMENT, context, reference) is None
    assert context.enriched(5).partition == chosen != 0


def test_ids_worked_out_earlier_are_kept() -> None:
    event = replace(an_event(), visitor=Visitor(1, 2), partition=9)
    context = EventContext(event, Site(7, "example.com"))
    assert drop_of(context) is None
    assert (context.visitor, context.partition) == (Visitor(1, 2), 9)


@pytest.mark.parametrize("missing", [{"name": ""}, {"hostname": ""}, {"pathname": ""}])
def test_an_incomplete_event_is_invalid(missing: dict[str, Any]) -> None:
    expected = Drop(DropReason.INVALID, "a field that rows need is missing")
    assert drop_of(gated(**missing)) == expected
