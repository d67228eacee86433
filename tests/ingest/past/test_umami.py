"""Rows of `website_event` joined with `session`.

`umami_export.csv` was made by hand, with the columns of Umami's database schema.
"""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.model.event import NOWHERE, Device, Place
from ingest.past.lines import Lines
from ingest.past.past_event import BrokenLineError, NoHostError, PastEvent, SkipReason, read_record
from ingest.past.umami import UmamiReader
from tests.examples import NOON
from tests.ingest.past.lines import PAGE_VIEW, csv_line, options, told

EXPORT = (Path(__file__).parent / "umami_export.csv").read_bytes()
ROW = {
    "event_id": "8b3f6c1e-0000-4000-8000-000000000001",
    "session_id": "one",
    "created_at": "2026-09-22 11:58:20.25+00",
    "url_path": "/a",
    "url_query": "utm_source=x",
    "referrer_path": "/item",
    "referrer_query": "id=1",
    "referrer_domain": "news.ycombinator.com",
    "page_title": "A page, and more",
    "event_type": "1",
    "event_name": "",
    "hostname": "example.com",
    "browser": "firefox",
    "os": "Linux",
    "device": "desktop",
    "country": "US",
    "subdivision1": "US-TX",
}
HEADER = ",".join(ROW).encode()


def line(**changes: str) -> bytes:
    return csv_line((ROW | changes).values())


def read(content: bytes, **changes: Any) -> PastEvent | SkipReason:
    return UmamiReader(options(**changes), HEADER).read(content)


def event(**changes: str) -> PastEvent:
    outcome = read(line(**changes))
    assert isinstance(outcome, PastEvent)
    return outcome


def test_a_page_view() -> None:
    past = event()
    assert told(past) == PAGE_VIEW | {
        "query": {"utm_source": "x"},
        "referrer": "https://news.ycombinator.com/item?id=1",
        "client_ip": "one",
        "user_agent": None,
    }
    assert past.place == Place("US", "US-TX")
    assert past.device == Device("Firefox", "", "GNU/Linux", "", "Desktop")
    assert not past.is_bot


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"event_type": "2", "event_name": "Signup"}, {"name": "Signup", "pathname": "/a"}),
        # Umami keeps the name of an event on other rows, too.
        ({"event_name": "Signup"}, {"name": "pageview"}),
        ({"hostname": ""}, {"hostname": "example.com"}),
        ({"hostname": "www.example.org"}, {"hostname": "example.org"}),
        ({"url_path": "a b#c?d"}, {"pathname": "/a b#c?d"}),
        ({"url_path": "", "url_query": ""}, {"pathname": "/", "query": {}}),
        ({"referrer_domain": ""}, {"referrer": None}),
        (
            {"referrer_path": "", "referrer_query": ""},
            {"referrer": "https://news.ycombinator.com/"},
        ),
        ({"created_at": "2026-09-22T11:58:20Z"}, {"timestamp": NOON - 100}),
        ({"created_at": "2026-09-22 11:58:20"}, {"timestamp": NOON - 100}),
    ],
)
def test_fields(changes: dict[str, str], expected: dict[str, Any]) -> None:
    assert expected.items() <= told(event(**changes)).items()


def test_without_a_site_the_host_counts() -> None:
    assert told(read(line(hostname="www.example.com"), site=None))["domains"] == ("example.com",)
    with pytest.raises(NoHostError):
        read(line(hostname=""), site=None)


@pytest.mark.parametrize(
    ("changes", "device"),
    [
        ({"os": "Windows 10", "device": "laptop"}, ("Firefox", "Windows", "10", "Desktop")),
        ({"os": "Windows XP"}, ("Firefox", "Windows", "XP", "Desktop")),
        ({"os": "Windows Mobile"}, ("Firefox", "Windows Mobile", "", "Desktop")),
        ({"browser": "ios", "os": "iOS", "device": "mobile"}, ("Safari", "iOS", "", "Mobile")),
        (
            {"browser": "samsung", "os": "Android OS", "device": "tablet"},
            ("Samsung Browser", "Android", "", "Tablet"),
        ),
        ({"browser": "edge-chromium", "os": "Mac OS"}, ("Microsoft Edge", "Mac", "", "Desktop")),
        ({"browser": "brand-new", "os": "", "device": ""}, ("brand-new", "", "", "")),
    ],
)
def test_devices(changes: dict[str, str], device: tuple[str, str, str, str]) -> None:
    browser, system, version, size = device
    assert event(**changes).device == Device(browser, "", system, version, size)


def test_places_and_bots() -> None:
    assert event(country="", subdivision1="").place == NOWHERE
    assert event(country="de", subdivision1="BY").place == Place("DE", "DE-BY")
    assert event(browser="searchbot").is_bot


@pytest.mark.parametrize("kind", ["3", "5"])
def test_links_and_pixels_are_skipped(kind: str) -> None:
    assert read(line(event_type=kind)) is SkipReason.OTHER_ACTION


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "not a line of CSV"),
        (b"a,b", "has 2 columns, expected 17"),
        (line(created_at="yesterday"), "not in ISO 8601"),
        (line(event_type="pageview"), "event_type is no number"),
        (line(event_type="2"), "event_name: can't be blank"),
        (line(session_id=""), "session_id is empty"),
    ],
)
def test_broken(content: bytes, problem: str) -> None:
    with pytest.raises(BrokenLineError, match=problem):
        read(content)


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        (b"session_id,created_at", "names no columns session_id, created_at, url_path, event_type"),
        (HEADER + b",created_at", "names created_at twice"),
    ],
)
def test_another_header(header: bytes, problem: str) -> None:
    with pytest.raises(BrokenLineError, match=problem):
        UmamiReader(options(), header)


def test_an_export() -> None:
    reader = UmamiReader(options(site=None), EXPORT.partition(b"\n")[0])
    header, *outcomes = [read_record(reader, record) for record, _ in Lines(reader).feed(EXPORT)]
    assert header is SkipReason.HEADER
    events = [outcome for outcome in outcomes if isinstance(outcome, PastEvent)]
    assert [(e.request.name, e.request.pathname, e.is_bot) for e in events] == [
        ("pageview", "/", False),
        ("pageview", "/pricing", False),
        ("Signup", "/pricing", False),
        ("pageview", "/blog/über uns", False),
        ("pageview", "/", True),
    ]
    assert len({e.request.client_ip for e in events}) == 3
    assert [e.request.referrer for e in events[2:4]] == [
        None,
        "https://duckduckgo.com/search?q=sluice",
    ]


TEXT = st.text(st.characters(codec="utf-8"), max_size=20)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(ROW, TEXT)))
def test_any_row_is_an_event_or_broken(changes: dict[str, str]) -> None:
    try:
        outcome = read(line(**changes))
    except BrokenLineError:
        return
    assert isinstance(outcome, PastEvent | SkipReason)
