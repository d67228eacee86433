from typing import Any

import pytest

from ingest.enrichment.geo import NoGeoDatabase
from ingest.model.verdict import DropReason
from ingest.observation.event_filter import filter_for
from ingest.observation.event_summary import summarize
from ingest.pipeline.reference import Reference
from ingest.sessions.salts import Salt, Salts
from ingest.sites.rate_limit import RateLimiter
from ingest.sites.site import Site, SiteRegistry
from tests.examples import an_enriched_event, an_event

REFERENCE = Reference(
    SiteRegistry([Site(1, "example.com", previous_domain="old.example")]),
    NoGeoDatabase(),
    Salts(Salt(bytes(16), 0)),
    RateLimiter(),
)


@pytest.mark.parametrize(
    ("domain", "kinds", "accepted", "dropped", "unknown"),
    [
        pytest.param(None, {}, True, True, True, id="everything"),
        pytest.param("example.com", {}, True, True, False, id="a site"),
        pytest.param("old.example", {}, True, True, False, id="its previous domain"),
        pytest.param("nowhere.example", {}, False, False, True, id="no site's domain"),
        pytest.param("else.example", {}, False, False, False, id="another domain"),
        pytest.param(None, {"accepted": False}, False, True, True, id="drops"),
        pytest.param(None, {"reason": DropReason.BOT}, False, True, False, id="a reason"),
        pytest.param(
            "example.com", {"reason": DropReason.THROTTLE}, False, False, False, id="another reason"
        ),
        pytest.param(None, {"dropped": False}, True, False, False, id="accepted"),
    ],
)
def test_selections(
    domain: str | None, kinds: dict[str, Any], accepted: bool, dropped: bool, unknown: bool
) -> None:
    event_filter = filter_for(REFERENCE, domain, **kinds)
    event = an_enriched_event(site_id=1)
    assert event_filter.matches_accepted(event) is accepted
    assert event_filter.matches(summarize(1, event)) is accepted
    assert event_filter.matches(summarize(2, an_event(), 1, DropReason.BOT)) is dropped
    nowhere = an_event(domains=("nowhere.example",))
    assert event_filter.matches(summarize(3, nowhere, None, DropReason.NOT_FOUND)) is unknown


def test_a_long_domain_is_found_though_it_is_kept_cut() -> None:
    domain = "d" * 1000
    summary = summarize(1, an_event(domains=(domain,)), None, DropReason.NOT_FOUND)
    assert filter_for(REFERENCE, domain).matches(summary)
