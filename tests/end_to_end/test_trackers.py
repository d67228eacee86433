"""Journeys with each tracker in a real browser, and a full comparison of their rows."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import Browser

from tests.end_to_end.browser import USER_AGENT, visitor
from tests.end_to_end.bundler import OWN_MINIFIED, minify_own
from tests.end_to_end.journeys import (
    Collected,
    Journey,
    Walked,
    collector_for,
    expected_rows,
    expected_visits,
    in_order,
    serve_pages,
    walk,
)
from tests.end_to_end.own_tracker import FEATURES, NEVER_TOLD, tag
from tests.end_to_end.pages import Pages
from tests.end_to_end.server_clients import SERVER_CLIENTS, SITE, ServerClient, expected, run
from tests.end_to_end.sluice import Sluice
from tests.end_to_end.trackers import JOURNEYS, OFFICIAL_MODULE, OWN

MORE_SITES = ["both-a.example", "both-b.example", "headless.example", "odd-words.example"]


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sluice]:
    """A collector with the sites of all journeys."""
    directory = tmp_path_factory.mktemp("trackers")
    journeys = [*JOURNEYS, *FEATURES, *NEVER_TOLD]
    with collector_for(journeys, directory, SITE, *MORE_SITES) as server:
        yield server


def compare(journey: Journey, walked: Walked, port: int) -> None:
    """Compare the result of a journey with the expected rows."""
    for step, rows in zip(journey.steps, walked.rows, strict=True):
        assert in_order(rows) == in_order(expected_rows(journey, step, port)), step.did
    assert walked.visits == expected_visits(journey)
    assert walked.problems == []


@pytest.mark.parametrize("journey", JOURNEYS, ids=lambda journey: journey.site)
def test_trackers(journey: Journey, browser: Browser, pages: Pages, collector: Sluice) -> None:
    compare(journey, walk(journey, browser, pages, collector), pages.port)


@pytest.mark.parametrize("journey", FEATURES, ids=lambda journey: journey.site)
def test_features_of_our_own(
    journey: Journey, browser: Browser, pages: Pages, collector: Sluice
) -> None:
    compare(journey, walk(journey, browser, pages, collector), pages.port)


@pytest.mark.parametrize("journey", NEVER_TOLD, ids=lambda journey: journey.site)
def test_our_own_keeps_silent_when_it_should(
    journey: Journey, browser: Browser, pages: Pages, collector: Sluice
) -> None:
    walked = walk(journey, browser, pages, collector)
    compare(journey, walked, pages.port)
    assert walked.posted == []


@pytest.mark.parametrize("client", SERVER_CLIENTS, ids=lambda client: client.name)
def test_programs_without_a_browser(client: ServerClient, collector: Sluice) -> None:
    assert run(client, collector) == expected(client)


def test_our_own_warns_of_unknown_words(browser: Browser, pages: Pages, collector: Sluice) -> None:
    """It does the rest of what its name says."""
    site, name = "odd-words.example", "/js/script.hash.mystery.js"
    origin = f"http://collect.example:{collector.port}"
    pages.pages_of_hosts[site] = (
        f'<script defer data-domain="{site}" src="{origin}{name}"></script>'
    )
    with visitor(browser) as context:
        page = context.new_page()
        with page.expect_console_message() as message:
            page.goto(pages.url("/a#b", site))
        assert message.value.type == "warning"
        assert message.value.text == f"sluice: {name} has unknown words: mystery"
        collected = Collected(collector, site)
        # An event that is on its way may end with the context.
        collected.wait_for(1)
    assert collected.events()[0]["pathname"] == "/a#b"
    findings = collector.client.get("/api/status").json()["findings"]
    assert any(f"“{name}” (1 request)" in finding["what"] for finding in findings)


def test_our_own_tells_two_sites(browser: Browser, pages: Pages, collector: Sluice) -> None:
    sites = ["both-a.example", "both-b.example"]
    pages.pages_of_hosts["both-a.example"] = tag(", ".join(sites)).replace(
        "COLLECTOR", f"http://collect.example:{collector.port}"
    )
    rows = [Collected(collector, site) for site in sites]
    with visitor(browser) as context:
        page = context.new_page()
        page.goto(pages.url("/both", "both-a.example"))
        # An engagement that overtakes its pageview has no visit.
        for of_site in rows:
            of_site.wait_for(1)
        page.goto(pages.url("/", "elsewhere.example"))
        for of_site in rows:
            of_site.wait_for(2)
    (a, b) = ([(row["name"], row["pathname"]) for row in of_site.events()] for of_site in rows)
    assert sorted(a) == sorted(b) == [("engagement", "/both"), ("pageview", "/both")]


@pytest.mark.parametrize("journey", [OFFICIAL_MODULE, OWN], ids=lambda journey: journey.site)
def test_a_browser_without_a_window_is_a_bot(
    journey: Journey, browser: Browser, pages: Pages, collector: Sluice
) -> None:
    """For this reason the tests' browser has another user agent."""
    site = "headless.example"
    head = journey.head.replace(journey.site, site)
    serve_pages(replace(journey, site=site, head=head), pages, collector)
    headless = USER_AGENT.replace("Chrome", "HeadlessChrome")
    with visitor(browser, user_agent=headless) as context:
        page = context.new_page()
        with page.expect_response("**/api/event") as answer:
            page.goto(pages.url("/", site))
        assert answer.value.headers["x-plausible-dropped"] == "1"
    assert collector.dropped(site, "bot")


def test_our_own_is_served_as_its_source_says() -> None:
    """`python -m tests.end_to_end.bundler` updates it."""
    assert minify_own() == OWN_MINIFIED.read_text()


def test_our_own_by_real_http(collector: Sluice) -> None:
    whole = collector.client.get("/js/script.js")
    assert whole.headers["content-encoding"] == "gzip"
    assert int(whole.headers["content-length"]) <= 2300
    assert whole.text == OWN_MINIFIED.read_text()
    known = {"if-none-match": whole.headers["etag"]}
    again = collector.client.get("/js/script.js", headers=known)
    assert (again.status_code, again.content) == (304, b"")
    head = collector.client.head("/js/script.js")
    assert head.headers["etag"] == whole.headers["etag"]
    assert head.headers["content-length"] == whole.headers["content-length"]
