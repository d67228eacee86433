from typing import Any

import pytest
from msgspec.structs import replace

from ingest.model.event import Attribution, Device, Place
from ingest.sessions.session import Session, advance, begin
from tests.examples import NOON, an_enriched_event


def a_session(**changes: Any) -> Session:
    return replace(begin(an_enriched_event(pathname="/first"), NOON), **changes)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        pytest.param(
            {"name": "pageview", "pathname": "/a", "hostname": "a.com"},
            {
                "pageviews": 1,
                "events": 1,
                "is_bounce": True,
                "entry_page": "/a",
                "exit_page": "/a",
                "hostname": "a.com",
                "exit_page_hostname": "a.com",
                "duration": 0,
            },
            id="a pageview is entry and exit",
        ),
        pytest.param(
            {"name": "Signup", "pathname": "/a", "hostname": "a.com"},
            {
                "pageviews": 0,
                "events": 1,
                "is_bounce": False,
                "entry_page": "",
                "exit_page": "",
                "hostname": "",
                "exit_page_hostname": "",
            },
            id="a custom event has no page yet and is no bounce",
        ),
        pytest.param(
            {"name": "Autoplay", "interactive": False},
            {"is_bounce": True, "pageviews": 0},
            id="a custom event without interaction is a bounce",
        ),
        pytest.param(
            {"props": (("plan", "pro"),)},
            {"entry_props": (("plan", "pro"),)},
            id="the first event's props are the entry's",
        ),
    ],
)
def test_begin(event: dict[str, Any], expected: dict[str, Any]) -> None:
    session = begin(an_enriched_event(nonce=7, **event), NOON + 5)
    assert {name: getattr(session, name) for name in expected} == expected
    assert (session.session_id, session.user_id, session.start) == (7, 1001, NOON)
    assert (session.timestamp, session.touched) == (NOON, NOON + 5)


@pytest.mark.parametrize(
    ("before", "event", "expected"),
    [
        pytest.param(
            {},
            {"pathname": "/second", "hostname": "other.com", "timestamp": NOON + 90},
            {
                "pageviews": 2,
                "events": 2,
                "is_bounce": False,
                "duration": 90,
                "timestamp": NOON + 90,
                "entry_page": "/first",
                "exit_page": "/second",
                "hostname": "example.com",
                "exit_page_hostname": "other.com",
            },
            id="a second pageview ends the bounce and is the exit",
        ),
        pytest.param(
            {},
            {"name": "Signup", "pathname": "/x"},
            {"pageviews": 1, "events": 2, "is_bounce": False, "exit_page": "/first"},
            id="an interactive event ends the bounce and is no page",
        ),
        pytest.param(
            {},
            {"name": "Autoplay", "interactive": False},
            {"events": 2, "is_bounce": True},
            id="an event without interaction leaves the bounce",
        ),
        pytest.param(
            {"is_bounce": False},
            {"name": "Autoplay", "interactive": False},
            {"is_bounce": False},
            id="what is no bounce never becomes one",
        ),
        pytest.param(
            {"pageviews": 0, "entry_page": "", "hostname": "", "is_bounce": True},
            {"pathname": "/late", "hostname": "late.com"},
            {"pageviews": 1, "is_bounce": True, "entry_page": "/late", "hostname": "late.com"},
            id="the first pageview after another event fills the entry and is still a bounce",
        ),
        pytest.param(
            {},
            {"timestamp": NOON - 5},
            {"timestamp": NOON - 5, "start": NOON, "duration": 5},
            id="an event out of order moves the activity back and counts its distance",
        ),
        pytest.param(
            {"duration": 3},
            {"name": "engagement", "timestamp": NOON + 60},
            {"timestamp": NOON + 60, "events": 1, "pageviews": 1, "is_bounce": True, "duration": 3},
            id="engagement keeps the visit alive and changes nothing else",
        ),
    ],
)
def test_advance(before: dict[str, Any], event: dict[str, Any], expected: dict[str, Any]) -> None:
    session = advance(a_session(**before), an_enriched_event(nonce=8, **event), NOON + 200)
    assert {name: getattr(session, name) for name in expected} == expected
    assert (session.session_id, session.touched) == (77, NOON + 200)


def test_later_events_do_not_change_where_the_visit_came_from() -> None:
    first = a_session()
    later = advance(
        first,
        an_enriched_event(
            name="Signup",
            attribution=Attribution(referrer_source="Google"),
            place=Place(country_code="GB"),
            device=Device(browser="Safari"),
            props=(("a", "b"),),
        ),
        NOON,
    )
    assert (later.attribution, later.place, later.device, later.entry_props) == (
        first.attribution,
        first.place,
        first.device,
        first.entry_props,
    )
