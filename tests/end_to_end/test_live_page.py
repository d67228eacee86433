"""The live page in a real browser, from a real server."""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from ingest.commands.sites import snippet
from tests.end_to_end import front_page
from tests.end_to_end.accessibility import violations
from tests.end_to_end.browser import visitor
from tests.end_to_end.clickhouse_server import ClickHouseServer, free_port
from tests.end_to_end.sluice import SITES, Sluice
from tests.waiting import WAIT_SECONDS, wait_until

BOT = {"user-agent": "Mozilla/5.0 (compatible; Googlebot/2.1)"}
SHIELDED = {"x-forwarded-for": "203.0.113.7"}
PATH = re.compile(r"^M")
"""Matches a path that draws something."""

PHONE = {"width": 360, "height": 740}
TOKEN = "a-long-enough-token"
MARKUP = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'

# Text with too little contrast to its background (WCAG 2.2, criterion 1.4.3).
FAINT = """() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => [r, g, b]
    .map((one) => one / 255)
    .map((one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4))
    .reduce((sum, one, at) => sum + one * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const colour = parse(getComputedStyle(one).backgroundColor);
      if (colour.length < 4 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.textContent.trim() || !element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const front = element instanceof SVGElement ? style.fill : style.color;
    const both = [luminance(parse(front)), luminance(behind(element))];
    const [light, dark] = both.sort((a, b) => b - a);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.6 && Number(style.fontWeight) >= 700);
    const ratio = (light + 0.05) / (dark + 0.05);
    if (ratio < (large ? 3 : 4.5)) found.push(`${node.textContent.trim()}: ${ratio.toFixed(2)}`);
  }
  return found;
}"""


class Watched:
    """A page with its errors and requests."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        self.page = context.new_page()
        self.complaints: list[str] = []
        self.asked: set[str] = set()
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        self.page.on("request", lambda request: self.asked.add(request.url))
        self.page.goto(address)

    def expect_to_fit(self) -> None:
        """Wait until the page is not wider than its window, whose new size takes effect later."""
        overflow = "document.documentElement.scrollWidth - innerWidth"
        wait_until(
            lambda: self.page.evaluate(overflow) <= 0,
            lambda: f"{self.page.evaluate(overflow)} px too wide for {self.page.viewport_size}",
        )


@contextmanager
def opened(browser: Browser, address: str) -> Iterator[Watched]:
    """Open the page, which must have no errors and send no requests to other hosts."""
    with visitor(browser) as context:
        watched = Watched(context, address)
        yield watched
        assert watched.complaints == []
        assert {httpx.URL(url).netloc for url in watched.asked} == {httpx.URL(address).netloc}


def events_of(page: Page, text: str) -> Any:
    return page.locator("#events tbody tr", has_text=text)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sluice]:
    with Sluice(tmp_path_factory.mktemp("live"), "chdb://chdb") as sluice:
        yield sluice


def test_all_is_well(browser: Browser, server: Sluice) -> None:
    server.send(url="https://example.com/well", r="https://news.ycombinator.com/")
    server.send(url="https://example.com/well", headers=BOT)
    server.send(url="https://shielded.example/", domain="shielded.example", headers=SHIELDED)
    with opened(browser, server.url) as watched:
        page = watched.page
        expect(page.locator("#headline")).to_have_text("All is well")
        expect(page.locator("#start")).to_be_hidden()
        expect(page.locator("#connection")).to_have_text("Live")
        expect(page).to_have_title(f"Sluice – 127.0.0.1:{server.port}")
        site = page.locator("#sites tbody tr", has_text="example.com")
        expect(site.first).to_contain_text("bot 1")
        shielded = page.locator("#sites tbody tr", has_text="shielded.example")
        expect(shielded).to_contain_text("address blocked 1")
        expect(page.locator("#chart .bars.accepted")).to_have_attribute("d", PATH)
        expect(page.locator("#chart .bars.dropped")).to_have_attribute("d", PATH)
        expect(page.locator("#inserts")).to_contain_text("events_v2")
        expect(page.locator("#stages li")).to_have_count(6)
        expect(page.locator("#stages")).to_be_hidden()
        page.locator("#pipeline-title").click()
        expect(page.locator("#stages")).to_be_visible()
        expect(page.locator("#process")).to_contain_text(
            f"Sites registered{SITES.count('[[site]]')}"
        )
        page.locator("#settings-title").click()
        row = page.locator("#settings tr", has_text="SLUICE_FLUSH_SECONDS")
        expect(row).to_contain_text("0.1set")


def test_events_show_as_they_come_with_the_rule_that_hit(browser: Browser, server: Sluice) -> None:
    with opened(browser, server.url) as watched:
        page = watched.page
        expect(page.locator("#connection")).to_have_text("Live")
        server.send(url="https://shielded.example/admin/x", domain="shielded.example")
        server.send("Signup", url="https://example.com/comes", r="https://www.google.com/")
        dropped = events_of(page, "/admin/x").first
        expect(dropped).to_contain_text("page blocked")
        expect(dropped).to_contain_text("/admin/**")
        accepted = events_of(page, "/comes")
        expect(accepted).to_contain_text("Signup")
        expect(accepted).to_contain_text("Google · Chrome · Mac · Desktop")


def test_events_can_be_chosen_and_held(browser: Browser, server: Sluice) -> None:
    with opened(browser, server.url) as watched:
        page = watched.page
        expect(page.locator("#connection")).to_have_text("Live")
        server.send(url="https://example.com/kept")
        server.send(url="https://example.com/bots", headers=BOT)
        server.send(url="https://shop.example/kept", domain="shop.example")
        expect(events_of(page, "/bots")).to_have_count(1)
        page.locator("#show").select_option("accepted")
        expect(events_of(page, "/kept")).to_have_count(2)
        expect(events_of(page, "/bots")).to_have_count(0)
        page.locator("#site").select_option("shop.example")
        expect(events_of(page, "/kept")).to_have_count(1)
        pause = page.get_by_role("button", name="Pause")
        pause.click()
        server.send(url="https://shop.example/held", domain="shop.example")
        expect(page.locator("#events-state")).to_contain_text("1 event since")
        expect(events_of(page, "/held")).to_have_count(0)
        page.get_by_role("button", name="Go on").click()
        expect(events_of(page, "/held")).to_have_count(1)


def test_chips_and_names_are_filters(browser: Browser, server: Sluice) -> None:
    server.send(url="https://people.example/seen", domain="people.example")
    server.send(url="https://people.example/bot", domain="people.example", headers=BOT)
    server.send(url="https://example.com/other-bot", headers=BOT)
    server.send(url="https://nobody.example/lost", domain="nobody.example")
    with opened(browser, server.url) as watched:
        page = watched.page
        row = page.locator("#sites tbody tr", has_text="people.example")
        clear = page.get_by_role("button", name="Show all")
        expect(clear).to_be_hidden()
        row.get_by_role("link", name="bot").click()
        expect(page).to_have_url(f"{server.url}/#site=people.example&show=bot")
        expect(events_of(page, "/bot")).to_have_count(1)
        expect(page.locator("#events tbody tr")).to_have_count(1)
        expect(page.locator("#show")).to_have_value("bot")
        expect(page.locator("#site")).to_have_value("people.example")
        expect(page.locator("#sites [aria-current]")).to_have_text("bot 1")
        expect(page.locator("#events-box")).to_be_focused()
        server.send(url="https://people.example/seen-later", domain="people.example")
        server.send(url="https://people.example/bot-later", domain="people.example", headers=BOT)
        expect(events_of(page, "/bot-later")).to_have_count(1)
        expect(events_of(page, "/seen-later")).to_have_count(0)

        page.reload()
        expect(page.locator("#events tbody tr")).to_have_count(2)
        expect(page.locator("#show")).to_have_value("bot")
        page.go_back()
        expect(page).to_have_url(f"{server.url}/")
        expect(events_of(page, "/other-bot")).to_have_count(1)
        page.go_forward()
        expect(events_of(page, "/other-bot")).to_have_count(0)

        row.get_by_role("link", name="people.example").focus()
        page.keyboard.press("Enter")
        expect(events_of(page, "/seen")).to_have_count(2)
        expect(page.locator("#show")).to_have_value("")
        page.get_by_role("link", name="nobody.example 1").click()
        expect(page.locator("#events tbody tr")).to_have_count(1)
        expect(events_of(page, "/lost")).to_contain_text("unknown site")
        expect(page.locator("#site")).to_have_value("nobody.example")

        clear.focus()
        page.keyboard.press("Enter")
        expect(page).to_have_url(f"{server.url}/")
        expect(clear).to_be_hidden()
        expect(events_of(page, "/other-bot")).to_have_count(1)
        events_of(page, "/other-bot").get_by_text("bot", exact=True).click()
        expect(page).to_have_url(f"{server.url}/#show=bot")
        events_of(page, "/other-bot").get_by_text("example.com", exact=True).click()
        expect(page).to_have_url(f"{server.url}/#site=example.com&show=bot")


@pytest.mark.parametrize("fragment", ["#main", "#show=else&other=1", "#", "#%", "#site="])
def test_other_addresses_filter_nothing(browser: Browser, server: Sluice, fragment: str) -> None:
    server.send(url="https://example.com/anyway")
    with opened(browser, f"{server.url}/{fragment}") as watched:
        expect(events_of(watched.page, "/anyway").first).to_be_visible()
        expect(watched.page.locator("#clear")).to_be_hidden()


def test_a_filter_stays_when_the_figures_are_skipped_to(browser: Browser, server: Sluice) -> None:
    server.send(url="https://example.com/skipped", headers=BOT)
    with opened(browser, f"{server.url}/#show=bot") as watched:
        page = watched.page
        expect(events_of(page, "/skipped").first).to_be_visible()
        page.locator(".skip").focus()
        page.keyboard.press("Enter")
        expect(page.locator("#main")).to_be_focused()
        expect(page.locator("#clear")).to_be_visible()


def test_what_an_address_names_is_text(browser: Browser, server: Sluice) -> None:
    with opened(browser, f"{server.url}/#site={quote(MARKUP)}") as watched:
        page = watched.page
        expect(page.locator("#site option", has_text="onerror")).to_have_text(MARKUP)
        expect(page.locator("#connection")).to_have_text("Live")
        assert page.evaluate("window.hacked") is None


def test_unknown_domains_are_named_with_the_command_that_adds_them(
    browser: Browser, server: Sluice
) -> None:
    server.send(url="https://new.example/", domain="new.example")
    server.send(url="https://new.example/", domain="new.example; reboot")
    with opened(browser, server.url) as watched:
        page = watched.page
        finding = page.locator("#findings li", has_text="named no registered site")
        expect(finding).to_contain_text("“new.example” (1 event)")
        expect(finding).not_to_contain_text("reboot")
        command = finding.locator("code", has_text="new.example")
        program, *arguments = command.inner_text().split()
        assert program == "sluice"
        added = server.command(*arguments)
        assert added.returncode == 0, added.stderr
        expect(command).to_have_count(0)
        expect(page.locator("#sites-rest")).to_contain_text("new.example")
        assert server.command("sites", "remove", "new.example", "--yes").returncode == 0


def test_what_clients_make_up_is_text(browser: Browser, server: Sluice) -> None:
    server.send(MARKUP, url="https://example.com/markup")
    server.send(url=f"https://shop.example/{MARKUP}", domain="shop.example")
    server.send(url="https://example.com/markup-domain", domain=MARKUP)
    server.send(url="https://example.com/markup-referrer", r=f"https://example.org/{MARKUP}")
    server.send(url="https://example.com/rtl-\u202e\u0000\ud83d\ude00", n=MARKUP)
    with opened(browser, server.url) as watched:
        page = watched.page
        named = page.locator("#events strong", has_text="onerror").first
        expect(named).to_contain_text(MARKUP)
        expect(events_of(page, "/markup-domain")).to_contain_text(MARKUP)
        for tag in ("img", "script", "b", "iframe"):
            expect(page.locator(f"#events {tag}")).to_have_count(0)
        assert page.evaluate("window.hacked") is None


def test_long_text_does_not_widen_a_phone(browser: Browser, server: Sluice) -> None:
    long = "x" * 1900
    server.send("N" * 119, url=f"https://example.com/{long}")
    server.send(url="https://example.com/long-domain", domain="d" * 200)
    with opened(browser, server.url) as watched:
        page = watched.page
        page.set_viewport_size({"width": PHONE["width"], "height": PHONE["height"]})
        expect(events_of(page, "xxxx").first).to_be_visible()
        for summary in page.locator("summary").all():
            summary.click()
        watched.expect_to_fit()
        for name in ("verdict", "tiles", "chart", "sites", "events", "stages", "store", "settings"):
            box = page.locator(f"#{name}").bounding_box()
            assert box is not None
            assert box["x"] >= 0, name
            assert box["x"] + box["width"] <= PHONE["width"], name


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out(browser: Browser, server: Sluice, scheme: Any) -> None:
    server.send(url="https://example.com/contrast")
    server.send(url="https://example.com/contrast", headers=BOT)
    with opened(browser, server.url) as watched:
        page = watched.page
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        expect(events_of(page, "/contrast").first).to_be_visible()
        for summary in page.locator("summary").all():
            summary.click()
        for status in ("ok", "degraded", "down"):
            page.evaluate(f"document.getElementById('verdict').dataset.status = '{status}'")
            assert page.evaluate(FAINT) == []
        assert page.evaluate("getComputedStyle(document.querySelector('.dot')).animationName") == (
            "none"
        )


def test_the_keyboard_reads_the_chart(browser: Browser, server: Sluice) -> None:
    server.send(url="https://example.com/keyboard")
    with opened(browser, server.url) as watched:
        page = watched.page
        expect(page.locator("#chart .bars.accepted")).to_have_attribute("d", PATH)
        page.keyboard.press("Tab")
        expect(page.locator(".skip")).to_be_focused()
        page.get_by_label("5 minutes").focus()
        page.keyboard.press("Tab")
        chart = page.locator("#chart")
        expect(chart).to_be_focused()
        page.keyboard.press("End")
        expect(page.locator("#readout")).to_contain_text("accepted")
        # At once: both change as time goes on.
        text, value = page.evaluate(
            "() => [document.getElementById('readout').textContent,"
            " document.getElementById('chart').getAttribute('aria-valuetext')]"
        )
        assert value == f"{text} per second"
        page.keyboard.press("ArrowLeft")
        expect(page.locator("#readout")).not_to_have_text(text)
        page.keyboard.press("Escape")
        expect(page.locator("#readout")).to_have_text("")
        # Links in the list of events do no more than the choices above it.
        focusable = page.locator("button, select, a:not(#events a), input, summary")
        for one in focusable.all():
            assert one.evaluate("(element) => element.tabIndex") >= 0
        levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3')].map((h) => h.tagName)")
        assert levels[0] == "H1"
        assert levels.count("H1") == 1


def test_a_front_lists_its_cluster(browser: Browser, server: Sluice) -> None:
    with opened(browser, server.url) as watched:
        page = watched.page
        expect(page.locator("#store-card")).to_be_visible()
        expect(page.locator("#cluster-card")).to_be_hidden()
        front_page.pose_as_front(page)
        expect(page.locator("#headline")).to_have_text(front_page.HEADLINE)
        expect(page.locator("#store-card")).to_be_hidden()
        expect(page.locator("#journal-title")).to_have_text("Outbox")
        expect(page.locator("#tiles")).to_contain_text("Not yet in Kafka")
        expect(page.locator("#tiles")).to_contain_text("40,003messages; the oldest for 3 min")
        expect(page.locator("#tiles")).to_contain_text("11 partition without one")
        expect(page.locator("#stages")).to_contain_text("sends to Kafka")
        expect(page.locator("#cluster-summary")).to_have_text(
            "2 fronts, 1 worker; 3 of 4 partitions with a worker; Kafka keeps events for 2 days"
        )
        rows = page.locator("#cluster tbody tr")
        expect(rows).to_have_count(4)
        for row, texts in enumerate(
            [
                ["front web", "this process", "812", "now", "running"],
                ["front web", "f2", "1 event", "running"],
                ["worker back", "3", "40,003 messages, 3 min", "in trouble", front_page.TROUBLE],
                ["worker back", "gone", "60 s ago", "silent"],
            ]
        ):
            for text in texts:
                expect(rows.nth(row)).to_contain_text(text)
        expect(page.locator("#findings")).to_contain_text(front_page.TROUBLE)
        page.set_viewport_size({"width": PHONE["width"], "height": PHONE["height"]})
        watched.expect_to_fit()


def test_another_name_for_this_machine_is_refused(browser: Browser, server: Sluice) -> None:
    """DNS rebinding: the tests' browser resolves every name to this machine."""
    with visitor(browser) as context:
        page = context.new_page()
        answer = page.goto(f"http://rebound.example:{server.port}/")
        assert answer is not None
        assert answer.status == 403
        expect(page.locator("h1")).to_have_text("This page is for this machine")
    refused = server.client.get("/api/status", headers={"host": "rebound.example"})
    assert refused.status_code == 403


def test_another_page_cannot_read_it(browser: Browser, server: Sluice) -> None:
    with visitor(browser) as context:
        page = context.new_page()
        page.goto(f"http://rebound.example:{server.port}/health")
        read = page.evaluate(
            "(url) => fetch(url).then(() => 'read', () => 'refused')",
            f"{server.url}/api/status",
        )
        assert read == "refused"


def test_signing_in(browser: Browser, tmp_path: Path) -> None:
    with Sluice(tmp_path, "chdb://chdb", SLUICE_ADMIN_TOKEN=TOKEN) as server:
        asked = server.client.get("/", headers={"accept": "text/html"})
        assert asked.status_code == 401
        assert any("Basic" in one for one in asked.headers.get_list("www-authenticate"))
        assert "<h1>Sign in</h1>" in asked.text
        context = browser.new_context(
            http_credentials={"username": "me", "password": TOKEN, "origin": server.url}
        )
        context.set_default_timeout(WAIT_SECONDS * 1000)
        try:
            watched = Watched(context, server.url)
            expect(watched.page.locator("#connection")).to_have_text("Live")
            server.send(url="https://example.com/signed-in")
            expect(events_of(watched.page, "/signed-in")).to_have_count(1)
            watched.page.locator("#settings-title").click()
            row = watched.page.locator("#settings tr", has_text="SLUICE_ADMIN_TOKEN")
            expect(row).to_contain_text("***")
            assert TOKEN not in watched.page.content()
        finally:
            context.close()


def test_the_first_event_is_waited_for(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "sites.toml").write_text("")
    with Sluice(tmp_path, "chdb://chdb") as server, opened(browser, server.url) as watched:
        page = watched.page
        start = page.locator("#start")
        expect(start).to_contain_text("Waiting for the first event")
        expect(start.locator("code")).to_have_count(1)
        (command,) = start.locator("code").all_inner_texts()
        assert command == "sluice sites add your.site"
        assert server.command("sites", "add", "shop.example").returncode == 0
        expect(start.locator("code")).to_have_count(2)
        html, curl = start.locator("code").all_inner_texts()
        assert html == snippet("shop.example", server.url)
        page.set_viewport_size({"width": PHONE["width"], "height": PHONE["height"]})
        watched.expect_to_fit()
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            assert violations(page) == []
            assert page.evaluate(FAINT) == []
        direct = os.environ | {"NO_PROXY": "*"}
        subprocess.run(["/bin/sh", "-c", curl], env=direct, timeout=60, check=True)
        expect(start).to_be_hidden()
        expect(events_of(page, "shop.example")).to_contain_text("accepted")
        expect(events_of(page, "shop.example")).to_contain_text("Firefox")


def test_trouble_shows_and_ends(browser: Browser, tmp_path: Path) -> None:
    with (
        ClickHouseServer(tmp_path / "clickhouse") as clickhouse,
        Sluice(tmp_path, clickhouse.url("trouble"), PORT=str(free_port())) as server,
        visitor(browser) as context,
    ):
        page = Watched(context, server.url).page
        headline = page.locator("#headline")
        expect(headline).to_have_text("All is well")
        clickhouse.kill()
        server.send(url="https://example.com/outage")
        kept = "Events are taken and kept, but not stored"
        expect(headline).to_have_text(kept)
        expect(page.locator("#findings")).to_contain_text("wait in the journal (1 so far")
        expect(page).to_have_title(f"! Sluice – 127.0.0.1:{server.port}")
        clickhouse.start()
        expect(headline).to_have_text("All is well")
        expect(page.locator("#findings li")).to_have_count(0)
        server.stop()
        expect(headline).to_have_text("The server cannot be reached")
        expect(page.locator("#connection")).to_contain_text("No connection")
        server.start()
        expect(headline).to_have_text("All is well")
        expect(page.locator("#connection")).to_have_text("Live")
        server.send(url="https://example.com/again")
        expect(events_of(page, "/again")).to_have_count(1)
