from typing import Any

import pytest

from ingest.enrichment.geo import NoGeoDatabase
from ingest.model.event import EnrichedEvent, Source
from ingest.past.access_log import AccessLogReader
from ingest.past.event_lines import EventLinesReader
from ingest.past.goatcounter import GoatCounterReader
from ingest.past.import_counts import ImportCounts
from ingest.past.import_request import ImportSelection
from ingest.past.past_event import LINE_BYTES, Reader
from ingest.past.past_pipeline import NUMBERS, PastPipeline
from ingest.pipeline.reference import Reference
from ingest.request.field_values import DOMAINS_LIMIT
from ingest.sessions.salts import Salts
from ingest.sites.rate_limit import RateLimiter
from ingest.sites.shields import Shields
from ingest.sites.site import RateLimit, Site, SiteRegistry
from tests.examples import NOON
from tests.ingest.past.lines import CHROME, COMBINED, options
from tests.ingest.past.states import SALT
from tests.ingest.past.test_event_lines import item
from tests.ingest.past.test_goatcounter import HEADER, line

SOURCE = "import:a"


class LinePipeline:
    """A pipeline with all that it needs."""

    def __init__(self, reader: Reader, site: str | None = "example.com", **rules: Any) -> None:
        self.counts = ImportCounts()
        self.selection = ImportSelection(site)
        self.reader = reader
        self.reference = Reference(
            SiteRegistry([Site(1, "example.com", **rules), Site(2, "shop.example")]),
            NoGeoDatabase(),
            Salts(SALT),
            RateLimiter(),
        )

    def take(self, *records: str | bytes, **selection: Any) -> list[EnrichedEvent]:
        wanted = ImportSelection(**({"site": self.selection.site} | selection))
        pipeline = PastPipeline(self.reader, wanted, SOURCE, self.counts)
        events = []
        for record in records:
            content = record.encode() if isinstance(record, str) else record
            events += pipeline.take(content + b"\r\n", 1, self.reference)
        return events


def logs(**changes: Any) -> LinePipeline:
    site = changes.pop("site", "example.com")
    return LinePipeline(AccessLogReader(options(site=site)), site, **changes)


def test_a_line_becomes_an_event() -> None:
    past = logs()
    (event,) = past.take(COMBINED)
    assert (event.timestamp, event.received) == (NOON - 100, NOON)
    assert (event.name, event.site_id, event.pathname) == ("pageview", 1, "/a")
    assert (event.device.browser, event.device.operating_system) == ("Chrome", "Windows")
    assert (event.attribution.referrer_source, event.attribution.utm_source) == ("x", "x")
    assert (past.counts.lines, past.counts.accepted) == (1, 1)


def test_the_number_of_an_event_says_its_line_and_domain() -> None:
    past = LinePipeline(EventLinesReader(options(site=None)), None)
    domains = ",".join(["other.example"] * (DOMAINS_LIMIT - 1) + ["shop.example"])
    events = past.take("nonsense", item(d="example.com,shop.example"), item(d=domains))
    assert [event.source for event in events] == [
        Source(SOURCE, 2 * NUMBERS),
        Source(SOURCE, 2 * NUMBERS + 1),
        Source(SOURCE, 3 * NUMBERS + DOMAINS_LIMIT - 1),
    ]
    # Made again, it has the same number and visitor, though another nonce.
    again = LinePipeline(EventLinesReader(options(site=None)), None)
    (other, _) = again.take("nonsense", item(d="example.com,shop.example"))
    assert (other.source, other.visitor) == (events[0].source, events[0].visitor)
    assert other.nonce != events[0].nonce


def test_a_visitor_has_an_id_for_each_day() -> None:
    one, same, other = logs().take(
        COMBINED, COMBINED.replace("11:58", "01:58"), COMBINED.replace("22/Sep", "21/Sep")
    )
    ids = [event.visitor.user_id for event in (one, same, other)]
    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize(
    ("changes", "rules", "reason"),
    [
        pytest.param({CHROME: "Googlebot/2.1"}, {}, "bot", id="crawler"),
        pytest.param({CHROME: "curl/8.5"}, {}, None, id="library"),
        pytest.param({CHROME: "curl/8.5"}, {"drop_server_clients": True}, "bot", id="no libraries"),
        pytest.param({"https://news.ycombinator.com/": "http://semalt.com/"}, {}, None, id="spam"),
        pytest.param(
            {}, {"shields": Shields(ips=("203.0.113.0/24",))}, "site_ip_blocklist", id="address"
        ),
        pytest.param({}, {"shields": Shields(pages=("/a",))}, "site_page_blocklist", id="page"),
        pytest.param({}, {"rate_limit": RateLimit(0, 60)}, "block", id="blocked site"),
        pytest.param({}, {"rate_limit": RateLimit(1, 86_400)}, None, id="rates are for now"),
    ],
)
def test_the_rules_of_now(
    changes: dict[str, str], rules: dict[str, Any], reason: str | None
) -> None:
    line = COMBINED
    for old, new in changes.items():
        line = line.replace(old, new)
    past = logs(**rules)
    rows = past.take(line, line)
    if reason is not None:
        assert not rows
        assert past.counts.dropped == {reason: 2}
    else:
        assert len(rows) + sum(past.counts.dropped.values()) == 2


@pytest.mark.parametrize(
    ("selection", "skipped"),
    [
        ({"since": NOON - 100}, {}),
        ({"since": NOON - 99}, {"earlier": 1}),
        ({"until": NOON - 100}, {"later": 1}),
        ({"until": NOON - 99}, {}),
    ],
)
def test_the_time_that_is_wanted(selection: dict[str, int], skipped: dict[str, int]) -> None:
    past = logs()
    rows = past.take(COMBINED, **selection)
    assert past.counts.skipped == skipped
    assert len(rows) == (0 if skipped else 1)


@pytest.mark.parametrize(
    ("host", "skipped"),
    [("example.com", 0), ("blog.example.com", 0), ("www.shop.example", 1), ("other.example", 0)],
)
def test_hosts_that_are_other_sites(host: str, skipped: int) -> None:
    past = logs()
    rows = past.take(f"{host}:443 {COMBINED}")
    assert (len(rows), past.counts.skipped.get("other_site", 0)) == (1 - skipped, skipped)


def test_hosts_name_their_sites() -> None:
    past = logs(site=None)
    rows = past.take(*[f"{host} {COMBINED}" for host in ("shop.example", "other.example")])
    assert [event.site_id for event in rows] == [2]
    assert past.counts.dropped == {"not_found": 1}


def test_one_event_for_several_sites() -> None:
    past = LinePipeline(EventLinesReader(options(site=None)), None)
    rows = past.take(item(d="example.com,shop.example,other.example"))
    assert [event.site_id for event in rows] == [1, 2]
    assert (past.counts.accepted, past.counts.dropped) == (2, {"not_found": 1})
    wanted = LinePipeline(EventLinesReader(options()))
    assert not wanted.take(item(d="shop.example"))
    assert wanted.counts.skipped == {"other_site": 1}


def test_what_the_source_knows() -> None:
    reader = GoatCounterReader(options(), HEADER.encode())
    past = LinePipeline(reader)
    one, two, other = past.take(line(), line(Path="/b"), line(Session="other"))
    assert (one.place.country_code, one.place.subdivision1_code) == ("US", "US-TX")
    assert one.device.browser == "Firefox"
    assert one.visitor == two.visitor != other.visitor
    assert not past.take(line(Bot="3"))
    assert past.counts.dropped == {"bot": 1}
    shielded = LinePipeline(reader, shields=Shields(countries=("US",)))
    assert not shielded.take(line())
    assert shielded.counts.dropped == {"site_country_blocklist": 1}


def test_what_is_broken_is_counted_and_told() -> None:
    past = logs()
    future = COMBINED.replace("11:58:20", "12:00:01")
    assert not past.take("nonsense", "x" * (LINE_BYTES + 1), future, "")
    assert (past.counts.lines, past.counts.broken_lines) == (4, 3)
    assert list(past.counts.examples.values()) == [1, 2, 3]
    assert past.counts.examples["timestamp: must not be in the future"] == 3
    assert past.counts.skipped == {"empty": 1}
