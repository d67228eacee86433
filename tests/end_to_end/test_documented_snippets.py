"""Every snippet of docs/trackers.md sends the documented events."""

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from ingest.sites.site import SiteScript
from ingest.sites.site_file import read_sites
from ingest.sites.site_file_edit import put_sites
from tests.documentation import TRACKERS, blocks
from tests.end_to_end.browser import visitor
from tests.end_to_end.bundler import bundle_source, node_modules
from tests.end_to_end.journeys import Collected, collector_for, without
from tests.end_to_end.pages import Pages
from tests.end_to_end.proxy import Proxy
from tests.end_to_end.sluice import Sluice
from tests.waiting import WAIT_SECONDS

COLLECTOR = "https://collect.example.com"
SITE = "example.com"
TAGS = blocks(TRACKERS, "html")
THE_SITES_OWN = [head for head in TAGS if "data-api" in head]


def events_of(code: str) -> list[str]:
    """Return the names of the custom events that a snippet sends."""
    return re.findall(r'(?:plausible|track|trackEvent|sendEvent)\("([^"]+)"', code)


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sluice]:
    server = collector_for([], tmp_path_factory.mktemp("snippets"), SITE)
    (script_id,) = re.findall(r"/js/pa-(\w+)\.js", "".join(TAGS))
    (site,) = (site for site in read_sites(server.sites) if site.domain == SITE)
    changed = replace(site, script=SiteScript(script_id))
    server.sites.write_text(put_sites(server.sites.read_text(), [changed], "sites.toml"))
    with server:
        yield server


def compare(
    head: str,
    code: str,
    expected: list[str],
    browser: Browser,
    pages: Pages,
    collector: Sluice,
    *,
    port: int | None = None,
) -> None:
    """Open and leave a page, and compare the names of the stored events.

    Args:
        head: Content of the page's head; `COLLECTOR` stands for the collector's origin.
        code: Content of `/code.js`, likewise.
        expected: The expected names.
        browser: The browser.
        pages: The page server.
        collector: The collector.
        port: The port for the browser; None for the page server's own port.
    """
    collected = Collected(collector, SITE)
    before = collected.events()
    origin = f"http://collect.example:{collector.port}"
    pages.pages_of_hosts[SITE] = f"<!doctype html>{head}".replace(COLLECTOR, origin)
    pages.content["/code.js"] = code.replace(COLLECTOR, origin)
    failures: list[str] = []
    with visitor(browser) as context:
        context.on("weberror", lambda failure: failures.append(str(failure.error)))
        page = context.new_page()
        page.goto(f"http://{SITE}:{port or pages.port}/")
        # An engagement that arrives before its pageview is dropped.
        of_page = len(expected) - expected.count("engagement")
        collected.wait_for(len(before) + of_page, lambda: str(failures))
        page.goto(pages.url("/", "elsewhere.example"))
        collected.wait_for(len(before) + len(expected), lambda: str(failures))
    assert failures == []
    collected.settle()
    names = [str(row["name"]) for row in without(collected.events(), before)]
    assert sorted(names) == sorted(expected)


@pytest.mark.parametrize("head", [head for head in TAGS if head not in THE_SITES_OWN])
def test_tags(head: str, browser: Browser, pages: Pages, collector: Sluice) -> None:
    expected = ["pageview", "engagement", *events_of(head)]
    compare(head, "", expected, browser, pages, collector)


def test_the_sites_own_host(
    browser: Browser, pages: Pages, collector: Sluice, tmp_path: Path
) -> None:
    """nginx serves the site's pages, and forwards two paths."""
    (head,) = THE_SITES_OWN
    (locations,) = blocks(TRACKERS, "nginx")
    server = (
        f"server {{ listen 80; {locations} location / {{ proxy_set_header Host {SITE}; "
        f"proxy_pass http://127.0.0.1:{pages.port}; }} }}"
    )
    with Proxy("nginx", tmp_path / "nginx", collector.port, server=server) as proxy:
        expected = ["pageview", "engagement"]
        compare(head, "", expected, browser, pages, collector, port=proxy.port)


@pytest.mark.parametrize("code", blocks(TRACKERS, "js"))
def test_code(code: str, browser: Browser, pages: Pages, collector: Sluice) -> None:
    """Bundle modules; run code that calls `plausible` on a page with Sluice's own tracker."""
    expected = ["pageview", *events_of(code)]
    head = '<script src="/code.js"></script>'
    if "@plausible-analytics" in code:
        expected.append("engagement")
    if "import" in code:
        code = bundle_source(code)
    elif "plausible(" in code:
        expected.append("engagement")
        head = TAGS[0].replace(" defer", "") + head
    compare(head, code, expected, browser, pages, collector)


@pytest.mark.parametrize(
    "command",
    [
        *(["node", "--input-type=module", "--eval", code] for code in blocks(TRACKERS, "mjs")),
        *(["sh", "-c", code] for code in blocks(TRACKERS, "sh")),
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
        timeout=WAIT_SECONDS,
    )
    collected.settle()
    assert [row["name"] for row in without(collected.events(), before)] == ["Renewal"]
