from decimal import Decimal

import pytest

from ingest.model.event import Attribution, Device, Place, RevenueAmounts, Visitor
from ingest.rows.layout import (
    SESSION_EVENTS,
    SESSION_ID,
    SESSION_SIGN,
    event_row,
    rows_of,
    session_row,
)
from ingest.rows.schema import EVENTS, SESSIONS
from ingest.sessions.open_sessions import Transition
from ingest.sessions.session import advance, begin
from tests.examples import NOON, an_enriched_event

EVENT = an_enriched_event(
    name="Purchase",
    hostname="shop.example.com",
    pathname="/cart",
    props=(("a", "1"), ("b", "2")),
    visitor=Visitor(5, 6),
    place=Place("GB", "GB-ENG", "GB-WBK", 2655045),
    device=Device("Chrome", "70.0", "Mac", "10.13", "Desktop"),
    attribution=Attribution("r.com/p", "R", "us", "um", "uc", "ut", "ue", "gclid", "Paid Search"),
    revenue=RevenueAmounts(Decimal("10.200"), "USD", Decimal("7.140"), "BRL"),
    scroll_depth=30,
    engagement_time=4000,
)


def test_an_event_row_has_each_value_in_its_column() -> None:
    session = begin(EVENT, NOON)
    row = dict(zip([c.name for c in EVENTS.inserted], event_row(EVENT, session), strict=True))
    assert row == {
        "timestamp": NOON,
        "name": "Purchase",
        "site_id": 1,
        "user_id": 5,
        "session_id": 77,
        "hostname": "shop.example.com",
        "pathname": "/cart",
        "referrer": "r.com/p",
        "referrer_source": "R",
        "country_code": "GB",
        "screen_size": "Desktop",
        "operating_system": "Mac",
        "browser": "Chrome",
        "utm_medium": "um",
        "utm_source": "us",
        "utm_campaign": "uc",
        "meta.key": ("a", "b"),
        "meta.value": ("1", "2"),
        "browser_version": "70.0",
        "operating_system_version": "10.13",
        "subdivision1_code": "GB-ENG",
        "subdivision2_code": "GB-WBK",
        "city_geoname_id": 2655045,
        "utm_content": "ut",
        "utm_term": "ue",
        "revenue_reporting_amount": Decimal("7.140"),
        "revenue_reporting_currency": "BRL",
        "revenue_source_amount": Decimal("10.200"),
        "revenue_source_currency": "USD",
        "click_id_param": "gclid",
        "scroll_depth": 30,
        "acquisition_channel": "Paid Search",
        "engagement_time": 4000,
    }


def test_an_event_row_takes_the_sessions_id_user_source_and_device() -> None:
    first = an_enriched_event(
        nonce=9,
        visitor=Visitor(1, None),
        attribution=Attribution(referrer_source="Google"),
        device=Device(browser="Safari"),
    )
    row = dict(
        zip([c.name for c in EVENTS.inserted], event_row(EVENT, begin(first, NOON)), strict=True)
    )
    assert (row["user_id"], row["session_id"], row["referrer_source"], row["browser"]) == (
        1,
        9,
        "Google",
        "Safari",
    )


def test_without_revenue_amounts_are_null() -> None:
    event = an_enriched_event()
    row = dict(
        zip([c.name for c in EVENTS.inserted], event_row(event, begin(event, NOON)), strict=True)
    )
    assert [value for name, value in row.items() if name.startswith("revenue")] == [
        None,
        "",
        None,
        "",
    ]


def test_a_session_row_has_each_value_in_its_column() -> None:
    event = an_enriched_event(
        pathname="/cart",
        props=(("a", "1"),),
        place=EVENT.place,
        device=EVENT.device,
        attribution=EVENT.attribution,
    )
    values = session_row(begin(event, NOON), -1)
    row = dict(zip([c.name for c in SESSIONS.inserted], values, strict=True))
    assert row == {
        "session_id": 77,
        "sign": -1,
        "site_id": 1,
        "user_id": 1001,
        "hostname": "example.com",
        "timestamp": NOON,
        "start": NOON,
        "is_bounce": 1,
        "entry_page": "/cart",
        "exit_page": "/cart",
        "pageviews": 1,
        "events": 1,
        "duration": 0,
        "referrer": "r.com/p",
        "referrer_source": "R",
        "country_code": "GB",
        "screen_size": "Desktop",
        "operating_system": "Mac",
        "browser": "Chrome",
        "utm_medium": "um",
        "utm_source": "us",
        "utm_campaign": "uc",
        "utm_content": "ut",
        "utm_term": "ue",
        "browser_version": "70.0",
        "operating_system_version": "10.13",
        "subdivision1_code": "GB-ENG",
        "subdivision2_code": "GB-WBK",
        "city_geoname_id": 2655045,
        "entry_meta.key": ("a",),
        "entry_meta.value": ("1",),
        "exit_page_hostname": "example.com",
        "click_id_param": "gclid",
        "acquisition_channel": "Paid Search",
    }
    assert (values[SESSION_ID], values[SESSION_SIGN], values[SESSION_EVENTS]) == (77, -1, 1)


@pytest.mark.parametrize(
    ("first", "name", "signs"),
    [
        pytest.param(True, "pageview", [1], id="a new session is stated"),
        pytest.param(False, "pageview", [-1, 1], id="its state is replaced"),
        pytest.param(False, "engagement", [], id="engagement states nothing"),
    ],
)
def test_the_rows_of_an_event(first: bool, name: str, signs: list[int]) -> None:
    before = None if first else begin(an_enriched_event(nonce=9), NOON)
    event = an_enriched_event(name=name, timestamp=NOON + 1, nonce=9)
    after = begin(event, NOON) if before is None else advance(before, event, NOON + 1)
    rows = rows_of(event, Transition(before, after))
    assert rows.event == event_row(event, after)
    assert [row[SESSION_SIGN] for row in rows.sessions] == signs
    assert {row[SESSION_ID] for row in rows.sessions} <= {9}
    assert [row[SESSION_EVENTS] for row in rows.sessions] == [1, 2][: len(signs)]


@pytest.mark.parametrize(
    "hostname", ["example.com", pytest.param("b.example.com", id="on another host of the site")]
)
def test_the_old_and_the_new_state_of_a_session(hostname: str) -> None:
    before = begin(an_enriched_event(hostname="example.com", nonce=9), NOON)
    event = an_enriched_event(hostname=hostname, pathname="/b", timestamp=NOON + 1)
    after = advance(before, event, NOON + 1)
    rows = rows_of(event, Transition(before, after))
    assert rows.sessions == (session_row(before, -1), session_row(after, 1))
    assert after.exit_page_hostname == hostname
