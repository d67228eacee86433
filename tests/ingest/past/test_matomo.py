"""`matomo_visits.json` was made by hand, with fields of Matomo's `Live.getLastVisitsDetails`."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.model.event import NOWHERE, Device, Place, Revenue
from ingest.past.json_array import JsonArrayLines
from ingest.past.matomo import MatomoReader, action_lines
from ingest.past.past_event import BrokenLineError, PastEvent, SkipReason
from tests.examples import NOON
from tests.ingest.past.lines import PAGE_VIEW, options, told

EXPORT = (Path(__file__).parent / "matomo_visits.json").read_bytes()
PAGE = {"type": "action", "url": "https://example.com/a", "timestamp": NOON - 100}
VISIT = {"visitorId": "8f1e", "referrerType": "direct"}


def visit_lines() -> list[bytes]:
    return JsonArrayLines(action_lines).feed(EXPORT).splitlines()


def read(line: bytes, **changes: Any) -> PastEvent | SkipReason:
    return MatomoReader(options(**changes)).read(line)


def outcomes(*actions: object, **changes: object) -> list[PastEvent | SkipReason]:
    visit = {**VISIT, **changes, "actionDetails": list(actions)}
    return [read(json.dumps(line).encode()) for line in action_lines(visit)]


def event(action: dict[str, Any], **changes: object) -> PastEvent:
    outcome = outcomes(action, **changes)[0]
    assert isinstance(outcome, PastEvent)
    return outcome


def test_an_export() -> None:
    found = [read(line, site=None) for line in visit_lines()]
    assert found[3] is SkipReason.OTHER_ACTION
    events = [outcome for outcome in found if isinstance(outcome, PastEvent)]
    said = [
        (told(e)["timestamp"] - NOON, e.request.name, e.request.pathname, dict(e.request.props))
        for e in events
    ]
    video = {"category": "Videos", "name": "Tour", "value": "12.5"}
    assert said == [
        (-100, "pageview", "/shop", {}),
        (-90, "Play", "/shop", video),
        (-80, "Outbound Link: Click", "/shop", {"url": "https://partner.example/a"}),
        (-70, "Purchase", "/shop", {}),
        (-60, "pageview", "/find", {}),
        (-50, "File Download", "/find", {"url": "https://example.com/files/a.pdf"}),
    ]
    assert {e.request.domains for e in events} == {("example.com",)}
    # Matomo has removed the campaign from the page's URL.
    campaign = {"size": "42", "utm_campaign": "autumn", "utm_term": "shoes"}
    assert [e.request.query for e in events[:2]] == [campaign, {"size": "42"}]
    assert [e.request.referrer for e in events[4:]] == ["https://duckduckgo.com/", None]
    assert [e.request.client_ip for e in events] == 4 * ["8f1e2d3c4b5a6978"] + 2 * [
        "0011223344556677"
    ]
    assert events[3].request.revenue == Revenue(Decimal("49.90"), "EUR")
    assert events[1].place == Place("DE", "DE-BY")
    assert events[1].device == Device("Chrome", "131.0", "Android", "14", "Mobile")
    assert events[5].place == NOWHERE
    assert events[5].device == Device("Safari", "17.2", "Mac", "14.2", "Desktop")


def test_a_page_view() -> None:
    assert told(event(PAGE)) == PAGE_VIEW | {
        "query": {},
        "referrer": None,
        "client_ip": "8f1e",
        "user_agent": None,
    }


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"referrerUrl": "https://a.example/b"}, {"referrer": "https://a.example/b"}),
        (
            {"referrerType": "search", "referrerSearchEngineUrl": "https://google.com"},
            {"referrer": "https://google.com"},
        ),
        # Of Matomo's plugin for campaigns.
        (
            {
                "referrerType": "campaign",
                "referrerName": "x",
                "campaignName": "autumn",
                "campaignSource": "letter",
                "campaignMedium": "e-mail",
                "campaignContent": "top",
            },
            {
                "query": {
                    "utm_source": "letter",
                    "utm_medium": "e-mail",
                    "utm_campaign": "autumn",
                    "utm_content": "top",
                }
            },
        ),
        ({"visitorId": "", "fingerprint": "f", "visitIp": "203.0.0.0"}, {"client_ip": "f"}),
        ({"visitorId": None, "visitIp": "203.0.0.0"}, {"client_ip": "203.0.0.0"}),
    ],
)
def test_fields(changes: dict[str, Any], expected: dict[str, Any]) -> None:
    found = told(event(PAGE, **changes))
    assert {name: found[name] for name in expected} == expected


def test_a_campaign_that_the_url_has_counts() -> None:
    action = {**PAGE, "url": "https://example.com/a?utm_campaign=b"}
    found = event(action, referrerType="campaign", referrerName="c")
    assert found.request.query == {"utm_campaign": "b"}


@pytest.mark.parametrize(
    "first",
    [{"type": "goal", "timestamp": NOON}, {"type": "download", "url": "/a.pdf"}, {"type": 5}, None],
)
def test_an_action_that_is_no_event_does_not_take_the_source(first: object) -> None:
    visit = {**VISIT, "referrerUrl": "https://a.example/b", "actionDetails": [first, PAGE, PAGE]}
    _, second, third = (json.dumps(line).encode() for line in action_lines(visit))
    assert told(read(second))["referrer"] == "https://a.example/b"
    assert told(read(third))["referrer"] is None


def test_a_search_without_an_address_is_on_the_page_before() -> None:
    found = outcomes(PAGE, {"type": "search", "url": None, "timestamp": NOON})
    assert told(found[1])["pathname"] == "/a"


@pytest.mark.parametrize(
    "kind", ["goal", "ecommerceAbandonedCart", "form", "", 5, None, ["action"], {}]
)
def test_other_actions_are_skipped(kind: object) -> None:
    assert outcomes({**PAGE, "type": kind}) == [SkipReason.OTHER_ACTION]


@pytest.mark.parametrize(
    ("action", "changes", "problem"),
    [
        ("x", {}, "is no visit with actionDetails"),
        ({**PAGE, "url": ""}, {}, "has no URL of a page"),
        ({**PAGE, "url": "/a"}, {}, "has no URL of a page"),
        ({"type": "download", "url": "https://example.com/a.pdf"}, {}, "has no URL of a page"),
        ({**PAGE, "timestamp": None}, {}, "the time is neither text nor a number"),
        (PAGE, {"visitorId": None}, "visitorId: is required"),
    ],
)
def test_broken(action: object, changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(BrokenLineError, match=problem):
        outcomes(action, **changes)


def test_visits_in_lines_are_refused() -> None:
    with pytest.raises(BrokenLineError, match="from a JSON array only"):
        read(json.dumps({**VISIT, "actionDetails": [PAGE]}).encode())


VALUES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.just(["x"])
)
ACTIONS = st.fixed_dictionaries(
    {"type": st.sampled_from(["action", "event", "download", "ecommerceOrder"]) | VALUES},
    optional=dict.fromkeys(
        ("url", "timestamp", "eventAction", "eventName", "eventValue", "revenue"), VALUES
    ),
)
NAMES = ("visitorId", "referrerType", "referrerUrl", "countryCode", "browserName", "deviceType")


@given(
    st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, VALUES)),
    st.lists(ACTIONS | VALUES, max_size=4) | VALUES,
)
def test_any_visit_is_events_or_broken(visit: dict[str, Any], actions: object) -> None:
    for line in action_lines({**VISIT, **visit, "actionDetails": actions}):
        try:
            outcome = read(json.dumps(line).encode())
        except BrokenLineError:
            continue
        assert isinstance(outcome, PastEvent | SkipReason)
