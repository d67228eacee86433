from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.model.event import NOWHERE, Device, Place
from ingest.past.goatcounter import GoatCounterReader
from ingest.past.past_event import BrokenLineError, NoHostError, PastEvent, SkipReason
from tests.examples import NOON
from tests.ingest.past.lines import PAGE_VIEW, csv_line, options, told

HEADER = (
    "2Path,Title,Event,UserAgent,Browser,System,Session,Bot,Referrer,Referrer scheme,Screen size,"
    "Location,FirstVisit,Date"
)
ROW = {
    "Path": "/a",
    "Title": "A page, and more",
    "Event": "0",
    "UserAgent": "",
    "Browser": "Firefox 120",
    "System": "macOS 14.2.1",
    "Session": "5b8e1f",
    "Bot": "0",
    "Referrer": "news.ycombinator.com/item",
    "Referrer scheme": "h",
    "Screen size": "1920,1080,1",
    "Location": "US-TX",
    "FirstVisit": "1",
    "Date": "2026-09-22T11:58:20Z",
}


FIRST_HEADER = (
    "1Path,Title,Event,Bot,Session,FirstVisit,Referrer,Referrer scheme,Browser,Screen size,"
    "Location,Date"
)
FIRST_ROW = (
    b'/a,"A page, and more",false,0,5b8e1f,true,news.ycombinator.com/item,h,Mozilla/5.0 (X11),'
    b'"1920,1080,1",US,2026-09-22T11:58:20Z'
)


def line(**changes: str) -> bytes:
    return csv_line((ROW | changes).values())


def read(content: bytes, **changes: Any) -> PastEvent | SkipReason:
    return GoatCounterReader(options(**changes), HEADER.encode()).read(content)


def event(**changes: str) -> PastEvent:
    outcome = read(line(**changes))
    assert isinstance(outcome, PastEvent)
    return outcome


def test_a_page_view() -> None:
    past = event()
    assert told(past) == PAGE_VIEW | {
        "query": {},
        "referrer": "https://news.ycombinator.com/item",
        "client_ip": "5b8e1f",
        "user_agent": None,
    }
    assert past.place == Place("US", "US-TX")
    assert past.device == Device("Firefox", "120", "Mac", "14.2", "Desktop")
    assert not past.is_bot


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param(
            {"Event": "1", "Path": "Signup"}, {"name": "Signup", "pathname": "/"}, id="event"
        ),
        pytest.param(
            {"Event": "1"}, {"referrer": "https://news.ycombinator.com/item"}, id="event's referrer"
        ),
        pytest.param(
            {"Event": "1", "Referrer": "Google", "Referrer scheme": "g"},
            {"pathname": "/", "query": {"utm_source": "Google"}},
            id="event's group",
        ),
        pytest.param(
            {"Path": "a b#c?utm_campaign=d"},
            {"pathname": "/a b#c", "query": {"utm_campaign": "d"}},
            id="path",
        ),
        pytest.param({"Path": ""}, {"pathname": "/"}, id="no path"),
        pytest.param({"Referrer": ""}, {"referrer": None, "query": {}}, id="no referrer"),
        pytest.param(
            {"Referrer": "Google", "Referrer scheme": "g"},
            {"referrer": None, "query": {"utm_source": "Google"}},
            id="group",
        ),
        pytest.param(
            {"Referrer": "news letter", "Referrer scheme": "c", "Path": "/a?b"},
            {"referrer": None, "query": {"b": "", "utm_source": "news letter"}},
            id="campaign",
        ),
        pytest.param(
            {"Referrer": "android-app://com.slack", "Referrer scheme": "o"},
            {"referrer": "android-app://com.slack"},
            id="app",
        ),
        pytest.param(
            {"Referrer": "http://a.example/b", "Referrer scheme": ""},
            {"referrer": "http://a.example/b"},
            id="whole referrer",
        ),
        pytest.param(
            {"Referrer": "web.archive.org/web/2024/https://a.example/"},
            {"referrer": "https://web.archive.org/web/2024/https://a.example/"},
            id="referrer with another address in its path",
        ),
        pytest.param(
            {"Referrer": "a://b?c", "Referrer scheme": "c"}, {"referrer": "a://b?c"}, id="scheme"
        ),
        pytest.param({"Event": "true", "Path": "Buy"}, {"name": "Buy"}, id="event in a word"),
        pytest.param({"Event": "false"}, {"name": "pageview"}, id="no event in a word"),
        pytest.param({"Event": ""}, {"name": "pageview"}, id="nothing of an event"),
        pytest.param({"UserAgent": "x"}, {"user_agent": "x"}, id="user agent"),
        pytest.param({"UserAgent": "~Z (~L; ~r) ~G ~f120.0"}, {"user_agent": None}, id="shortened"),
        pytest.param({"Title": "", "FirstVisit": ""}, {"pathname": "/a"}, id="no title"),
        pytest.param({"Referrer scheme": ""}, {"query": {}}, id="no scheme"),
        pytest.param(
            {"Date": "2026-09-22T13:58:20.25+02:00"}, {"timestamp": NOON - 100}, id="zone"
        ),
        pytest.param({"Date": "2026-09-22 11:58:20"}, {"timestamp": NOON - 100}, id="no zone"),
        pytest.param(
            {"Session": ""},
            {"client_ip": "Firefox 120,macOS 14.2.1,1920,1080,1,US-TX"},
            id="no session",
        ),
        pytest.param(
            {"Session": "0", "Browser": "", "System": "", "Screen size": "", "Location": ""},
            {"client_ip": ",,,"},
            id="nothing of the visitor",
        ),
    ],
)
def test_fields(changes: dict[str, str], expected: dict[str, Any]) -> None:
    assert expected.items() <= told(event(**changes)).items()


@pytest.mark.parametrize(
    ("location", "place"),
    [("DE", Place("DE")), ("de-by", Place("DE", "DE-BY")), ("", NOWHERE), ("Germany", NOWHERE)],
)
def test_places(location: str, place: Place) -> None:
    assert event(Location=location).place == place


@pytest.mark.parametrize(
    ("changes", "device"),
    [
        ({"UserAgent": "x"}, None),
        (
            {"UserAgent": "~Z (~L)", "Browser": "Firefox 120 ", "System": "Linux "},
            Device("Firefox", "120", "GNU/Linux", "", "Desktop"),
        ),
        ({"Browser": "", "System": "", "Screen size": ""}, Device()),
        (
            {"Browser": "Edge 119.0.1", "System": "Linux", "Screen size": "800,600,2"},
            Device("Microsoft Edge", "119.0", "GNU/Linux", "", "Tablet"),
        ),
        (
            {"Browser": "Chrome", "System": "Android 14", "Screen size": "360,800,3"},
            Device("Chrome", "", "Android", "14", "Mobile"),
        ),
        (
            {"Browser": "Opera GX", "System": "Windows 10", "Screen size": "0,0,0"},
            Device("Opera GX", "", "Windows", "10", ""),
        ),
    ],
)
def test_devices(changes: dict[str, str], device: Device | None) -> None:
    assert event(**changes).device == device


@pytest.mark.parametrize(
    ("bot", "is_bot"),
    [
        *((one, True) for one in ("1", "6", "150", "true")),
        *((one, False) for one in ("", "0", "f")),
    ],
)
def test_bots(bot: str, is_bot: bool) -> None:
    assert event(Bot=bot).is_bot is is_bot


def test_the_header_is_skipped() -> None:
    assert read(HEADER.encode()) is SkipReason.HEADER
    assert read(HEADER.encode() + b"\r") is SkipReason.HEADER


def test_the_first_version() -> None:
    reader = GoatCounterReader(options(), FIRST_HEADER.encode())
    assert reader.read(FIRST_HEADER.encode()) is SkipReason.HEADER
    past = reader.read(FIRST_ROW)
    assert isinstance(past, PastEvent)
    assert told(past) == {**told(event()), "user_agent": "Mozilla/5.0 (X11)"}
    assert (past.place, past.device, past.is_bot) == (Place("US"), None, False)
    bot = reader.read(FIRST_ROW.replace(b"false,0,", b"false,3,"))
    assert isinstance(bot, PastEvent)
    assert bot.is_bot
    unnamed = reader.read(FIRST_ROW.replace(b"Mozilla/5.0 (X11)", b""))
    assert isinstance(unnamed, PastEvent)
    assert unnamed.device == Device(screen_size="Desktop")


@pytest.mark.parametrize("header", [b"1Path,Title", b"3" + HEADER[1:].encode()])
def test_a_header_without_what_is_needed(header: bytes) -> None:
    with pytest.raises(BrokenLineError, match=r"names no columns|of version 1 or 2"):
        GoatCounterReader(options(), header)


@pytest.mark.parametrize("header", [b"", b"1Path,Title", b"2Path,Title", b'"2Path', b"a\x00b"])
def test_another_header(header: bytes) -> None:
    with pytest.raises(BrokenLineError):
        GoatCounterReader(options(), header)


def test_columns_in_another_order() -> None:
    reader = GoatCounterReader(
        options(), b"\xef\xbb\xbf2Path,Date,Event,Session,Referrer,Ref scheme\r\n"
    )
    past = reader.read(b"/b,2026-09-22T11:58:20Z,0,s,t.co,h")
    assert told(past)["referrer"] == "https://t.co"
    assert isinstance(past, PastEvent)
    assert (past.place, past.device) == (NOWHERE, Device())


@pytest.mark.parametrize(
    "content",
    [b"", b"/a,b", b'"', line(Date="yesterday"), line(Event="1", Path=""), line(Path="x" * 3000)],
)
def test_broken(content: bytes) -> None:
    with pytest.raises(BrokenLineError):
        read(content)


def test_the_site_has_to_be_named() -> None:
    with pytest.raises(NoHostError):
        read(line(), site=None)


def test_a_title_may_have_several_lines() -> None:
    reader = GoatCounterReader(options(), HEADER.encode())
    whole = line(Title="a\nb")
    assert not reader.is_whole(whole.split(b"\n")[0])
    assert reader.is_whole(whole)
    assert told(reader.read(whole))["pathname"] == "/a"


TEXT = st.text(st.characters(codec="utf-8"), max_size=20)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(ROW, TEXT)))
def test_any_row_is_an_event_or_broken(changes: dict[str, str]) -> None:
    try:
        outcome = read(
            line(**{k: v.encode("utf-8", "replace").decode() for k, v in changes.items()})
        )
    except BrokenLineError:
        return
    assert isinstance(outcome, PastEvent | SkipReason)
