"""Journeys of visitors through pages with a tracker, and the rows that have to come of them.

A journey has a site of its own, so that its visitor is one that no other test knows, and its rows
can be told from all others. Each step waits for the rows that it caused.
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

from tests.end_to_end.browser import visitor
from tests.end_to_end.pages import Pages
from tests.end_to_end.sluice import Sluice, wait_until

Row = Mapping[str, Any]

STEP_SECONDS = 60.0
END = "end.example"
"""A site for events that show that those before them are stored."""

VOLATILE = frozenset({"timestamp", "start", "user_id", "session_id", "batch"})
"""Columns that differ from run to run; how those of one visit belong together is checked."""

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
"""A page with everything that trackers look at. A window of 720 pixels shows 24 % of it."""

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
"""All columns of an event's row that a step does not name."""

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
"""All columns of a visit's row that a journey does not name."""


@dataclass(frozen=True, slots=True)
class Between:
    """Equals every whole number from `low` to `high`, also written down."""

    low: int
    high: int

    def __eq__(self, other: object) -> bool:
        """Whether it is in between."""
        number = int(other) if isinstance(other, str) and other.isdecimal() else other
        return isinstance(number, int) and self.low <= number <= self.high

    def __hash__(self) -> int:
        """As frozen values have it."""
        return hash((self.low, self.high))


@dataclass(frozen=True, slots=True)
class Guest:
    """Who makes a journey.

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
    """One after the other."""

    def act(guest: Guest) -> None:
        for one in acts:
            one(guest)

    return act


def opens(path: str, referrer: str | None = None, host: str | None = None) -> Act:
    """Comes to a page, by a link on another where a referrer is given.

    Args:
        path: The page's.
        referrer: The address of the page with the link.
        host: The page's, if it is another than the journey's.
    """
    return lambda guest: guest.page.goto(
        guest.pages.url(path, host or guest.site), referer=referrer
    )


def leaves() -> Act:
    """Goes to another site by typing its address."""
    return lambda guest: guest.page.goto(guest.pages.url("/", "elsewhere.example"))


def runs(script: str) -> Act:
    """Does what only the page's own code can; `collector` is where it would send events."""
    return lambda guest: guest.page.evaluate(
        f"async () => {{ const collector = document.body.dataset.collector; {script} }}"
    )


def clicks(selector: str, **options: Any) -> Act:
    """Clicks on something, and waits for the page that it may lead to."""
    return lambda guest: guest.page.click(selector, **options)


def scrolls(top: int) -> Act:
    """Scrolls until the page's pixel `top` is the window's first, and until the page knows."""
    return lambda guest: guest.page.evaluate(
        "top => new Promise(done => {"
        "addEventListener('scroll', done, {once: true}); scrollTo(0, top) })",
        top,
    )


def stays(milliseconds: int) -> Act:
    """Looks at the page for a while; its clock is put forward."""
    return lambda guest: guest.page.clock.fast_forward(milliseconds)


@dataclass(frozen=True, slots=True)
class Step:
    """Something that a visitor does.

    Attributes:
        did: In words.
        act: Does it.
        rows: What has to come of it, in any order: of each row what differs from `PLAIN_EVENT`.
    """

    did: str
    act: Act
    rows: Sequence[Row] = ()


@dataclass(frozen=True, slots=True)
class Journey:
    """A visit from its first page to its end.

    Attributes:
        tracker: What is tried, in words.
        site: The site's domain and its pages' host.
        head: What the pages' heads hold; `COLLECTOR` stands for the collector's origin.
        steps: What the visitor does.
        attribution: What all rows say alike.
        visit: What the visit's row says besides: of it what differs from `PLAIN_VISIT`; None when
            there is to be no visit.
        scripts: Further content for the page server, by path.
        hosts: Further hosts of its pages.
        prepare: What is done to the profile before the first page.
        clock: Whether time in the pages can be put forward.
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


def sites_file(journeys: Sequence[Journey], *others: str) -> str:
    """A sites file with a site for each journey, and for further domains."""
    sites = [
        f'[[site]]\nid = {number}\ndomain = "{domain}"\n'
        f'[[site.revenue_goals]]\nevent = "Purchase"\ncurrency = "EUR"\n'
        for number, domain in enumerate([*(journey.site for journey in journeys), *others, END], 1)
    ]
    return "\n".join([*sites, "[exchange_rates]\nEUR = 0.5\n"])


class Collected:
    """The rows of one site."""

    def __init__(self, sluice: Sluice, domain: str) -> None:
        """Look at a site of a running collector.

        Args:
            sluice: The collector.
            domain: A domain of its sites file.
        """
        self._sluice = sluice
        numbers = re.findall(r'id = (\d+)\ndomain = "([^"]+)"', sluice.sites.read_text())
        self.site_id = next(int(number) for number, name in numbers if name == domain)

    def events(self) -> list[dict[str, Any]]:
        """The events' rows, in no order."""
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
        """The visits' rows as they are in the end."""
        rows = self._sluice.query(
            "SELECT *, acquisition_channel FROM sessions_v2 FINAL "
            f"WHERE site_id = {self.site_id} ORDER BY start"
        )
        for row in rows:
            keys, values = row.pop("entry_meta.key"), row.pop("entry_meta.value")
            row["entry_props"] = dict(zip(keys, values, strict=True))
        return rows

    def settle(self) -> None:
        """Wait until what the collector has received by now is stored."""
        path = f"/{secrets.token_hex(8)}"
        self._sluice.send(url=f"http://{END}{path}", domain=END)
        self._sluice.events(f"pathname = '{path}'")

    def wait_for(self, count: int, explain: Callable[[], str] = lambda: "") -> None:
        """Wait until there are that many events."""
        wait_until(lambda: len(self.events()) >= count, STEP_SECONDS, explain)


@dataclass(frozen=True, slots=True)
class Walked:
    """What came of a journey.

    Attributes:
        rows: The new events after each step, without what differs from run to run.
        visits: The visits' rows, likewise.
        problems: What the pages complained of, and how the rows do not belong together.
        posted: Bodies that the pages sent to the collector while they were there, to tell what
            went wrong.
    """

    rows: list[list[dict[str, Any]]]
    visits: list[dict[str, Any]]
    problems: list[str]
    posted: list[str]


def walk(journey: Journey, browser: Browser, pages: Pages, sluice: Sluice) -> Walked:
    """Have a visitor make a journey.

    Args:
        journey: The journey.
        browser: Where it is made.
        pages: Serves its pages, under all paths that have nothing else.
        sluice: Collects; it has to know the journey's site.
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
    """Remember an event on its way to the collector."""
    if sent.method == "POST" and sent.url.endswith("/api/event"):
        posted.append((sent.post_data_buffer or b"").decode("utf-8", "replace"))


def serve_pages(journey: Journey, pages: Pages, sluice: Sluice) -> None:
    """Put a journey's pages on the page server."""
    page = PAGE.format(title=journey.tracker, head=journey.head, port=pages.port)
    page = page.replace("COLLECTOR", f"http://collect.example:{sluice.port}")
    pages.content.update({path: make() for path, make in journey.scripts.items()})
    pages.pages_of_hosts.update(dict.fromkeys((journey.site, *journey.hosts), page))


def without(rows: Sequence[dict[str, Any]], known: Sequence[Row]) -> list[dict[str, Any]]:
    """Those of the rows that are new."""
    new = list(rows)
    for row in known:
        new.remove(dict(row))
    return new


def steady(row: Row) -> dict[str, Any]:
    """A row without what differs from run to run."""
    return {name: value for name, value in row.items() if name not in VOLATILE | {"site_id"}}


def expected_rows(journey: Journey, step: Step, port: int) -> list[dict[str, Any]]:
    """The full rows of a step, with the page server's port for `:PORT`."""
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
    """The full row of a journey's visit, if there is one."""
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
    """Rows in an order that does not hang on which request was faster."""
    return sorted(rows, key=lambda row: (row["name"], row["pathname"], str(row["props"])))


def collector_for(journeys: Sequence[Journey], directory: Path, *others: str) -> Sluice:
    """A collector, not yet started, that knows the journeys' sites and further domains."""
    directory.joinpath("sites.toml").write_text(sites_file(journeys, *others))
    return Sluice(directory, "chdb://chdb", SLUICE_FLUSH_SECONDS="0.05")
