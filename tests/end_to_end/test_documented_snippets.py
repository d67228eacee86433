"""Every snippet of docs/trackers.md does what it says, with the names that it has there."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Route

from tests.end_to_end.browser import visitor
from tests.end_to_end.bundler import bundle_source, node_modules
from tests.end_to_end.journeys import Collected, collector_for, without
from tests.end_to_end.pages import Pages
from tests.end_to_end.sluice import Sluice

DOCUMENT = Path(__file__).parents[2] / "docs" / "trackers.md"
SNIPPETS = re.findall(r"^```(\w+)\n(.*?)^```$", DOCUMENT.read_text(), re.DOTALL | re.MULTILINE)
COLLECTOR = "https://collect.example.com"
SITE = "example.com"


def snippets(*languages: str) -> list[str]:
    return [code for language, code in SNIPPETS if language in languages]


def events_of(code: str) -> list[str]:
    """The custom events that a snippet sends."""
    return re.findall(r'(?:plausible|track|trackEvent|sendEvent)\("([^"]+)"', code)


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sluice]:
    with collector_for([], tmp_path_factory.mktemp("snippets"), SITE) as server:
        yield server


def pass_on(context: BrowserContext, pages: Pages, origin: str) -> None:
    """Have two paths of the page server lead to the collector, as the document's proxy does."""

    def to_collector(route: Route) -> None:
        route.continue_(url=route.request.url.replace(pages.url("", SITE), origin))

    for path in ("/js/script.js", "/api/event"):
        context.route(pages.url(path, SITE), to_collector)


def compare(
    head: str,
    code: str,
    expected: list[str],
    browser: Browser,
    pages: Pages,
    collector: Sluice,
) -> None:
    """Open a page and leave it, and compare the names of the rows that come of it."""
    collected = Collected(collector, SITE)
    before = collected.events()
    origin = f"http://collect.example:{collector.port}"
    pages.pages_of_hosts[SITE] = f"<!doctype html>{head}".replace(COLLECTOR, origin)
    pages.content["/code.js"] = code.replace(COLLECTOR, origin)
    failures: list[str] = []
    with visitor(browser) as context:
        pass_on(context, pages, origin)
        context.on("weberror", lambda failure: failures.append(str(failure.error)))
        page = context.new_page()
        page.goto(pages.url("/", SITE))
        page.goto(pages.url("/", "elsewhere.example"))
        collected.wait_for(len(before) + len(expected), lambda: str(failures))
    assert failures == []
    collected.settle()
    names = [str(row["name"]) for row in without(collected.events(), before)]
    assert sorted(names) == sorted(expected)


@pytest.mark.parametrize("head", snippets("html"))
def test_tags(head: str, browser: Browser, pages: Pages, collector: Sluice) -> None:
    # A request to a path that is passed on does not outlive its page here.
    told = [] if "data-api" in head else ["engagement"]
    expected = ["pageview", *told, *events_of(head)]
    compare(head, "", expected, browser, pages, collector)


@pytest.mark.parametrize("code", snippets("js"))
def test_code(code: str, browser: Browser, pages: Pages, collector: Sluice) -> None:
    """Modules are bundled; what calls `plausible` is run on a page with our own tracker."""
    expected = ["pageview", *events_of(code)]
    head = '<script src="/code.js"></script>'
    if "@plausible-analytics" in code:
        expected.append("engagement")
    if "import" in code:
        code = bundle_source(code)
    elif "plausible(" in code:
        expected.append("engagement")
        head = snippets("html")[0].replace(" defer", "") + head
    compare(head, code, expected, browser, pages, collector)


@pytest.mark.parametrize(
    "command",
    [
        *(["node", "--input-type=module", "--eval", code] for code in snippets("mjs")),
        *(["sh", "-c", code] for code in snippets("sh")),
    ],
    ids=lambda command: command[0],
)
def test_programs(command: list[str], collector: Sluice) -> None:
    collected = Collected(collector, SITE)
    before = collected.events()
    subprocess.run(
        [part.replace(COLLECTOR, collector.url) for part in command],
        cwd=node_modules().parent,
        env={name: value for name, value in os.environ.items() if "proxy" not in name.lower()},
        check=True,
        capture_output=True,
        timeout=60,
    )
    collected.settle()
    assert [row["name"] for row in without(collected.events(), before)] == ["Renewal"]
