"""Journeys of visitors through pages with a tracker, and the rows expected from them.

Each journey has a separate site, so that its visitor and its rows differ from those of all other
tests. Each step waits for its rows.
"""

import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, Request

from ingest.sites.site import Site, SiteScript
from ingest.sites.site_file_edit import put_sites
from tests.end_to_end.browser import visitor
from tests.end_to_end.pages import Pages
from tests.end_to_end.sluice import Sluice
from tests.waiting import wait_until

Row = Mapping[str, Any]

END = "end.example"
"""A site for events that are sent last, to detect that all earlier events are stored."""

VOLATILE = frozenset({"timestamp", "start", "user_id", "session_id", "batch"})
"""Columns that differ from run to run. Only their consistency within a session is checked."""

PAGE = """<!doctype html>
<title>{title}</title>
<style>body {{ margin: 0; height: 3000px }}</style>
{head}
<body data-collector="COLLECTOR/api/event">
<a id="outbound" href="http://elsewhere.example:{port}/there?from=here#top"><b>elsewhere</b></a>
<a id="inside" href="/inside">inside</a>
<a id="file" href="/files/report.pdf?version=2#page=3" download>report</a>
<a id="mail" href="mailto:somebody@example.com">mail</a>
<form id="form" action="/thanks"><input name="q"><button>send</button></form>
"""
"""A page with everything that trackers observe. A window of 720 pixels shows 24 % of it."""

PLAIN_EVENT: Row = {
    "hostname": "",
    "pathname": "",
    "referrer": "",
    "referrer_source": "",
    "country_code": "\x00\x00",
    "screen_size": "Desktop",
    "operating_system": "GNU/Linux",
    "operating_system_version": "",
    "browser": "Chrome",
    "browser_version": "142.0",
    "utm_medium": "",
    "utm_source": "",
    "utm_campaign": "",
    "utm_content": "",
    "utm_term": "",
    "props": {},
    "subdivision1_code": "",
    "subdivision2_code": "",
    "city_geoname_id": 0,
    "revenue_reporting_amount": None,
    "revenue_reporting_currency": "\x00\x00\x00",
    "revenue_source_amount": None,
    "revenue_source_currency": "\x00\x00\x00",
    "channel": "",
    "acquisition_channel": "Direct",
    "click_id_param": "",
    "scroll_depth": 0,
    "engagement_time": 0,
}
"""Default columns of an event's row, unless a step has others."""

PLAIN_VISIT: Row = {
    **{
        name: value
        for name, value in PLAIN_EVENT.items()
        if name not in ("pathname", "props", "scroll_depth", "engagement_time")
        and not name.startswith("revenue")
    },
    "entry_props": {},
    "transferred_from": "",
    "sign": 1,
    "is_bounce": 0,
}
"""Default columns of a session's row, unless a journey has others."""


@dataclass(frozen=True, slots=True)
class Between:
    """Equals every integer from `low` to `high`, also as text."""

    low: int
    high: int

    def __eq__(self, other: object) -> bool:
        """Whether the number is in the range."""
        number = int(other) if isinstance(other, str) and other.isdecimal() else other
        return isinstance(number, int) and self.low <= number <= self.high

    def __hash__(self) -> int:
        """Return a hash, as frozen values do."""
        return hash((self.low, self.high))


@dataclass(frozen=True, slots=True)
class Guest:
    """The visitor of a journey.

    Attributes:
        page: The tab.
        pages: The page server.
        site: The host of the journey's pages.
    """

    page: Page
    pages: Pages
    site: str


Act = Callable[[Guest], object]


def does(*acts: Act) -> Act:
    """Do several acts in order."""

    def act(guest: Guest) -> None:
        for one in acts:
            one(guest)

    return act


def opens(path: str, referrer: str | None = None, host: str | None = None) -> Act:
    """Open a page, through a link on another page if a referrer is given.

    Args:
        path: Path of the page.
        referrer: URL of the page with the link.
        host: Host of the page, if not the journey's.
    """
    return lambda guest: guest.page.goto(
        guest.pages.url(path, host or guest.site), referer=referrer
    )


def leaves() -> Act:
    """Go to another site by typing its URL."""
    return lambda guest: guest.page.goto(guest.pages.url("/", "elsewhere.example"))


def runs(script: str) -> Act:
    """Run a script in the page, in which `collector` is the collector's origin."""
    return lambda guest: guest.page.evaluate(
        f"async () => {{ const collector = document.body.dataset.collector; {script} }}"
    )


def clicks(selector: str, **options: Any) -> Act:
    """Click on an element, and wait for the page that may open."""
    return lambda guest: guest.page.click(selector, **options)


def scrolls(top: int) -> Act:
    """Scroll to the page's pixel `top`, and wait until the page has noticed."""
    return lambda guest: guest.page.evaluate(
        "top => new Promise(done => {"
        "addEventListener('scroll', done, {once: true}); scrollTo(0, top) })",
        top,
    )


def stays(milliseconds: int) -> Act:
    """Stay on the page for a while, by advancing its clock."""
    return lambda guest: guest.page.clock.fast_forward(milliseconds)


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a visitor.

    Attributes:
        did: A description.
        act: Performs the step.
        rows: The expected rows in any order, each with its differences from `PLAIN_EVENT`.
    """

    did: str
    act: Act
    rows: Sequence[Row] = ()


@dataclass(frozen=True, slots=True)
class Journey:
    """A session from its first page to its end.

    Attributes:
        tracker: A description of the tested tracker or feature.
        site: The site's domain and its pages' host.
        head: Content of the pages' heads; `COLLECTOR` stands for the collector's origin.
        steps: The visitor's steps.
        attribution: Columns that are the same in all rows.
        visit: The expected session row's differences from `PLAIN_VISIT`; None if no session is
            expected.
        scripts: Further content for the page server, by path.
        hosts: Further hosts of its pages.
        prepare: Prepares the profile before the first page.
        clock: Whether the pages' clock can be advanced.
        script: The site's own script.
    """

    tracker: str
    site: str
    head: str
    steps: Sequence[Step]
    visit: Row | None
    attribution: Row = field(default_factory=dict)
    scripts: Mapping[str, Callable[[], str]] = field(default_factory=dict)
    hosts: Sequence[str] = ()
    prepare: Callable[[BrowserContext], object] = lambda _: None
    clock: bool = False
    script: SiteScript | None = None


def sites_file(journeys: Sequence[Journey], *others: str) -> str:
    """Return a sites file with a site for each journey and each further domain."""
    scripts = {journey.site: journey.script for journey in journeys}
    sites = [
        Site(number, domain, revenue_goals={"Purchase": "EUR"}, script=scripts.get(domain))
        for number, domain in enumerate([*scripts, *others, END], 1)
    ]
    return put_sites("[exchange_rates]\nEUR = 0.5\n", sites, "sites.toml")


class Collected:
    """The rows of one site."""

    def __init__(self, sluice: Sluice, domain: str) -> None:
        """Read the rows of a site from a running collector.

        Args:
            sluice: The collector.
            domain: A domain in its sites file.
        """
        self._sluice = sluice
        numbers = re.findall(r'id = (\d+)\ndomain = "([^"]+)"', sluice.sites.read_text())
        self.site_id = next(int(number) for number, name in numbers if name == domain)

    def events(self) -> list[dict[str, Any]]:
        """Return the events' rows, in no particular order."""
        rows = self._sluice.query(
            "SELECT *, toString(revenue_source_amount) AS source_amount, "
            "toString(revenue_reporting_amount) AS reporting_amount, acquisition_channel "
            f"FROM events_v2 WHERE site_id = {self.site_id}"
        )
        for row in rows:
            row["props"] = dict(zip(row.pop("meta.key"), row.pop("meta.value"), strict=True))
            row["revenue_source_amount"] = row.pop("source_amount")
            row["revenue_reporting_amount"] = row.pop("reporting_amount")
        return rows

    def visits(self) -> list[dict[str, Any]]:
        """Return the final rows of the sessions."""
        rows = self._sluice.query(
            "SELECT *, acquisition_channel FROM sessions_v2 FINAL "
            f"WHERE site_id = {self.site_id} ORDER BY start"
        )
        for row in rows:
            keys, values = row.pop("entry_meta.key"), row.pop("entry_meta.value")
            row["entry_props"] = dict(zip(keys, values, strict=True))
        return rows

    def settle(self) -> None:
        """Wait until all events that the collector has received so far are stored."""
        path = f"/{secrets.token_hex(8)}"
        self._sluice.send(url=f"http://{END}{path}", domain=END)
        self._sluice.events(f"pathname = '{path}'")

    def wait_for(self, count: int, explain: Callable[[], str] = lambda: "") -> None:
        """Wait until there are this many events."""
        wait_until(lambda: len(self.events()) >= count, explain)


@dataclass(frozen=True, slots=True)
class Walked:
    """The result of a journey.

    Attributes:
        rows: The new events after each step, without the columns that differ from run to run.
        visits: The sessions' rows, also without these columns.
        problems: Errors of the pages, and inconsistencies between the rows.
        posted: Bodies that the pages sent to the collector while they were open, for error
            messages.
    """

    rows: list[list[dict[str, Any]]]
    visits: list[dict[str, Any]]
    problems: list[str]
    posted: list[str]


def walk(journey: Journey, browser: Browser, pages: Pages, sluice: Sluice) -> Walked:
    """Run a journey.

    Args:
        journey: The journey.
        browser: The browser.
        pages: Serves the journey's page for all paths without other content.
        sluice: The collector, whose sites file has the journey's site.
    """
    collected = Collected(sluice, journey.site)
    problems: list[str] = []
    posted: list[str] = []
    rows: list[list[dict[str, Any]]] = []
    serve_pages(journey, pages, sluice)
    with visitor(browser) as context:
        if journey.clock:
            context.clock.install()
        journey.prepare(context)
        context.on("weberror", lambda failure: problems.append(str(failure.error)))
        context.on("request", lambda sent: note_post(sent, posted))
        guest = Guest(context.new_page(), pages, journey.site)
        for step in journey.steps:
            before = collected.events()
            step.act(guest)
            explain = partial("{}\nposted: {}\nproblems: {}".format, step.did, posted, problems)
            collected.wait_for(len(before) + len(step.rows), explain)
            rows.append(without(collected.events(), before))
    known = collected.events()
    collected.settle()
    rows[-1] += without(collected.events(), known)
    ends = collected.visits()
    everything = [*chain.from_iterable(rows), *ends]
    visitors = {row["user_id"] for row in everything}
    visits = {row["session_id"] for row in everything}
    if everything and (len(visitors), len(visits)) != (1, 1):
        problems.append(f"{len(visitors)} visitors and {len(visits)} visits")
    return Walked(
        [[steady(row) for row in of_step] for of_step in rows],
        [steady(row) for row in ends],
        problems,
        posted,
    )


def note_post(sent: Request, posted: list[str]) -> None:
    """Record an event that is sent to the collector."""
    if sent.method == "POST" and sent.url.endswith("/api/event"):
        posted.append((sent.post_data_buffer or b"").decode("utf-8", "replace"))


def serve_pages(journey: Journey, pages: Pages, sluice: Sluice) -> None:
    """Add a journey's pages to the page server."""
    page = PAGE.format(title=journey.tracker, head=journey.head, port=pages.port)
    page = page.replace("COLLECTOR", f"http://collect.example:{sluice.port}")
    pages.content.update({path: make() for path, make in journey.scripts.items()})
    pages.pages_of_hosts.update(dict.fromkeys((journey.site, *journey.hosts), page))


def without(rows: Sequence[dict[str, Any]], known: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the rows that are not known yet."""
    new = list(rows)
    for row in known:
        new.remove(dict(row))
    return new


def steady(row: Row) -> dict[str, Any]:
    """Return a row without the columns that differ from run to run."""
    return {name: value for name, value in row.items() if name not in VOLATILE | {"site_id"}}


def expected_rows(journey: Journey, step: Step, port: int) -> list[dict[str, Any]]:
    """Return the full rows of a step, with the page server's port in place of `:PORT`."""
    rows = [
        {**PLAIN_EVENT, "hostname": journey.site, **journey.attribution, **row} for row in step.rows
    ]
    for row in rows:
        row["props"] = {
            name: value.replace(":PORT", f":{port}") if isinstance(value, str) else value
            for name, value in row["props"].items()
        }
    return rows


def expected_visits(journey: Journey) -> list[dict[str, Any]]:
    """Return the full row of a journey's session, if one is expected."""
    if journey.visit is None:
        return []
    visit = {
        **PLAIN_VISIT,
        "hostname": journey.site,
        "exit_page_hostname": journey.site,
        **journey.attribution,
        **journey.visit,
    }
    return [visit]


def in_order(rows: Sequence[Row]) -> list[Row]:
    """Sort rows, so that their order does not depend on the requests' timing."""
    return sorted(rows, key=lambda row: (row["name"], row["pathname"], str(row["props"])))


def collector_for(journeys: Sequence[Journey], directory: Path, *others: str) -> Sluice:
    """Create a collector, not yet started, with the journeys' sites and further domains."""
    directory.joinpath("sites.toml").write_text(sites_file(journeys, *others))
    return Sluice(directory, "chdb://chdb", SLUICE_FLUSH_SECONDS="0.05")
