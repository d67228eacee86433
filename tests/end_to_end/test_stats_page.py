"""The page with statistics in a real browser, from a real server."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from tests.end_to_end.accessibility import violations
from tests.end_to_end.browser import visitor
from tests.end_to_end.sluice import CHROME, Sluice
from tests.end_to_end.test_live_page import FAINT, MARKUP, Watched, opened

TOKEN = "the-operators-own-token"
BEARER = {"authorization": f"Bearer {TOKEN}"}
SIZES = {"desktop": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}
DAY = 86_400
NOON = int(time.time()) // DAY * DAY - DAY // 2
"""Yesterday at noon, UTC."""

YESTERDAY, BEFORE = (time.strftime("%Y-%m-%d", time.gmtime(NOON - ago)) for ago in (0, DAY))
PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1"
)
SITES = """
[[site]]
id = 1
domain = "example.com"
[[site]]
id = 2
domain = "new.example/shop"
[[site]]
id = 3
domain = "marked.example"
"""


def events() -> Iterator[dict[str, Any]]:
    """Yesterday two visitors, of whom one signs up; one visitor the day before."""
    visits = [
        (NOON - DAY, "203.0.113.1", CHROME, [("pageview", "/", 0)]),
        (NOON, "203.0.113.2", CHROME, [("pageview", "/", 0), ("pageview", "/pricing", 60)]),
        (NOON + 91, "203.0.113.2", CHROME, [("Signup", "/pricing", 0)]),
        (
            NOON + 3600,
            "203.0.113.3",
            PHONE,
            [("pageview", f"/p{page}", page) for page in range(20)],
        ),
    ]
    for begin, address, agent, steps in visits:
        for name, page, after in steps:
            yield {
                "n": name,
                "u": f"https://example.com{page}",
                "d": "example.com",
                "r": "https://www.google.com/" if page == "/" else None,
                "timestamp": begin + after,
                "ip": address,
                "user_agent": agent,
            }
    yield {
        "n": MARKUP,
        "u": f"https://marked.example/{MARKUP}",
        "d": "marked.example",
        "r": "https://news.ycombinator.com/",
        "timestamp": NOON,
        "ip": "203.0.113.4",
        "user_agent": CHROME,
    }


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sluice]:
    directory: Path = tmp_path_factory.mktemp("stats")
    (directory / "sites.toml").write_text(SITES)
    with Sluice(directory, "chdb://chdb", SLUICE_ADMIN_TOKEN=TOKEN) as sluice:
        sent = list(events())
        answer = sluice.client.post("/api/events", json=sent, headers=BEARER)
        assert answer.json()["accepted"] == len(sent), answer.text
        # Visits are stored after events.
        sluice.rows(f"SELECT 1 FROM sessions_v2 HAVING sum(sign * events) = {len(sent)}")
        yield sluice


@contextmanager
def shown(browser: Browser, server: Sluice, path: str, size: str = "desktop") -> Iterator[Page]:
    """Open the page as the operator, and wait until all figures are there."""
    with visitor(browser) as context:
        context.set_extra_http_headers(BEARER)
        page = context.new_page()
        page.set_viewport_size({**SIZES[size]})  # type: ignore[typeddict-item]
        page.goto(f"{server.url}/stats/{path}")
        complete(page)
        yield page


def complete(page: Page) -> None:
    expect(page.locator("body")).to_have_attribute("aria-busy", "false")


def tile(page: Page, name: str) -> Locator:
    return page.locator("#tiles > div", has=page.get_by_text(name, exact=True)).locator("dd")


def rows(page: Page, box: str) -> list[str]:
    listed = page.locator(f"[data-box={box}] tbody tr").all()
    return [" ".join(row.locator("th, td").all_inner_texts()) for row in listed]


def test_figures(browser: Browser, server: Sluice) -> None:
    with shown(
        browser, server, f"example.com?period=custom&from={YESTERDAY}&to={YESTERDAY}"
    ) as page:
        expect(page.locator("#site")).to_have_text("example.com")
        expect(page).to_have_title("example.com – Sluice")
        expect(tile(page, "Visitors")).to_have_text("2▲ 100 % from 1")
        expect(tile(page, "Visits")).to_have_text("2▲ 100 % from 1")
        expect(tile(page, "Pageviews")).to_contain_text("22")
        expect(tile(page, "Views per visit")).to_have_text("11.00▲ 1,000 % from 1.00")
        expect(tile(page, "Bounce rate")).to_have_text("0 %▼ 100 points from 100 %")
        # (91 + 19) / 2
        expect(tile(page, "Visit duration")).to_contain_text("55 s")
        expect(page.locator("#now")).to_have_text("0 visitors now")
        page.get_by_text("The same as a table").click()
        table = page.locator("#chart-table tbody tr")
        expect(table).to_have_count(24)
        expect(table.nth(12)).to_have_text("12:0012")
        expect(table.nth(13)).to_have_text("13:00120")
        expect(page.locator("#chart .bars")).to_have_count(2)
        assert rows(page, "goals") == ["Signup 1 1 50 %"]
        assert rows(page, "sources") == ["Direct / None 1 1", "Google 1 1"]
        assert len(rows(page, "pages")) == 9
        page.get_by_role("button", name="Show all 22").click()
        assert len(rows(page, "pages")) == 22


def test_the_command_shows_the_same(server: Sluice) -> None:
    finished = server.command("stats", "example.com", "--period", "7d", "--json")
    assert finished.returncode == 0, finished.stderr
    figures = json.loads(finished.stdout)["figures"]
    for name, figure in figures.items():
        parameters = {"site": "example.com", "period": "7d", "of": name}
        answer = server.client.get("/api/stats", params=parameters, headers=BEARER)
        assert answer.json() == figure, name
    assert figures["visitors"]["visitors"] == 3
    text = server.command("stats", "example.com", "--period", "7d").stdout
    assert "\n  visitors                   3\n" in text


def test_lists_are_chosen(browser: Browser, server: Sluice) -> None:
    with shown(browser, server, "example.com?period=7d") as page:
        pages = page.locator("[data-box=pages]")
        pages.get_by_text("Entry", exact=True).click()
        expect(pages.locator("thead")).to_contain_text("Entrances")
        assert rows(page, "pages") == ["/ 2", "/p0 1"]
        pages.get_by_text("Exit", exact=True).click()
        expect(pages.locator("thead")).to_contain_text("Exits")
        assert rows(page, "pages") == ["/ 1", "/p19 1", "/pricing 1"]
        devices = page.locator("[data-box=devices]")
        expect(devices).to_contain_text("Safari")
        devices.get_by_text("Size", exact=True).click()
        expect(devices).to_contain_text("Mobile")


def test_periods_are_chosen_and_kept_in_the_address(browser: Browser, server: Sluice) -> None:
    with shown(browser, server, "example.com") as page:
        expect(tile(page, "Visitors")).to_have_text("3")
        page.locator("#period").select_option("12mo")
        expect(page.locator("#dates")).to_contain_text("up to the same time of day")
        assert page.url.endswith("/stats/example.com?period=12mo")
        complete(page)
        page.locator("#period").select_option("custom")
        page.locator("#from").fill(BEFORE)
        page.locator("#to").fill(BEFORE)
        page.get_by_role("button", name="Show", exact=True).click()
        expect(tile(page, "Visitors")).to_have_text("1")
        assert page.url.endswith(f"?period=custom&from={BEFORE}&to={BEFORE}")
        page.go_back()
        expect(page.locator("#period")).to_have_value("12mo")
        expect(tile(page, "Visitors")).to_have_text("3")
        page.reload()
        complete(page)
        expect(page.locator("#period")).to_have_value("12mo")


def test_sites_are_chosen_also_with_a_path(browser: Browser, server: Sluice) -> None:
    with shown(browser, server, "") as page:
        expect(page.locator("#site")).to_have_text("example.com")
        page.locator("#sites").select_option("new.example/shop")
        expect(page.locator("#site")).to_have_text("new.example/shop")
        expect(page.locator("#empty")).to_be_visible()
        assert page.url.endswith("/stats/new.example%2Fshop")
    for path in ("new.example%2Fshop", "new.example/shop"):
        with shown(browser, server, path) as page:
            expect(page.locator("#site")).to_have_text("new.example/shop")
            # Its style is there.
            expect(page.locator("#empty pre").first).to_have_css("padding-left", "12px")


def test_without_events_it_says_what_to_do(browser: Browser, server: Sluice) -> None:
    with shown(browser, server, "new.example%2Fshop") as page:
        empty = page.locator("#empty")
        expect(empty).to_contain_text("No events in this period")
        expect(empty).to_contain_text(
            f'data-domain="new.example/shop" src="{server.url}/js/script.js"'
        )
        expect(page.locator("#boxes [data-box]").first).to_be_hidden()
        expect(page.locator(".tiles")).to_be_hidden()
        command = empty.locator("#curl").inner_text()
        assert f"curl -i {server.url}/api/event" in command
        body = command.partition("--data '")[2].removesuffix("'")
        assert json.loads(body)["domain"] == "new.example/shop"
        empty.get_by_role("link", name="live page").click()
        expect(page.locator("#headline")).to_have_text("All is well")


def test_an_unknown_site_and_an_unknown_period(browser: Browser, server: Sluice) -> None:
    for path, words in (
        ("none.example", "sluice sites add"),
        ("example.com?period=week", "expected today, 7d"),
    ):
        with visitor(browser) as context:
            context.set_extra_http_headers(BEARER)
            page = context.new_page()
            page.goto(f"{server.url}/stats/{path}")
            expect(page.get_by_role("alert")).to_contain_text(words)
            expect(page.locator(".tiles")).to_be_hidden()
            page.locator("#period").select_option("7d")
            if "week" in path:
                expect(tile(page, "Visitors")).to_have_text("3")
                expect(page.get_by_role("alert")).to_be_hidden()


def test_an_address_that_is_no_text(browser: Browser, server: Sluice) -> None:
    with shown(browser, server, "%zz") as page:
        expect(page.locator("#failure")).to_contain_text("No site has this domain")


def test_a_figure_that_fails_shows_so_in_its_own_box(browser: Browser, server: Sluice) -> None:
    def fail(route: Route) -> None:
        route.fulfill(status=400, json={"errors": {"of": ["memory limit exceeded"]}})

    with visitor(browser) as context:
        context.set_extra_http_headers(BEARER)
        page = context.new_page()
        for figure in ("sources", "visits", "series"):
            page.route(f"**/api/stats?*of={figure}", fail)
        page.goto(f"{server.url}/stats/example.com")
        complete(page)
        expect(page.locator("[data-box=sources]")).to_contain_text("memory limit exceeded")
        expect(page.locator("[data-box=series]")).to_contain_text("memory limit exceeded")
        expect(tile(page, "Bounce rate")).to_have_text("–memory limit exceeded")
        expect(tile(page, "Visitors")).to_have_text("3")
        assert rows(page, "goals") == ["Signup 1 1 33 %"]
        assert violations(page) == []
        page.unroute_all()
        page.locator("[data-box=sources]").get_by_text("Channel", exact=True).click()
        expect(page.locator("[data-box=sources]")).to_contain_text("Organic Search")
        expect(page.locator("[data-box=sources]")).not_to_contain_text("memory")


def test_a_store_that_is_away_is_told_once(browser: Browser, server: Sluice) -> None:
    def fail(route: Route) -> None:
        route.fulfill(status=503, json={"errors": {"of": ["the connection failed"]}})

    with visitor(browser) as context:
        context.set_extra_http_headers(BEARER)
        page = context.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.route("**/api/stats?*of=*", fail)
        page.goto(f"{server.url}/stats/example.com")
        expect(page.get_by_role("alert")).to_have_text("the connection failed")
        expect(page.locator(".tiles")).to_be_hidden()
        expect(page.locator("#boxes [data-box]").first).to_be_hidden()
        assert len([address for address in asked if "of=" in address]) == 2
        page.unroute_all()
        page.locator("#period").select_option("7d")
        expect(tile(page, "Visitors")).to_have_text("3")


def test_what_clients_send_is_text(browser: Browser, server: Sluice) -> None:
    with shown(browser, server, "marked.example") as page:
        expect(page.locator("[data-box=goals]")).to_contain_text("<img src=x")
        assert page.evaluate("window.hacked") is None
        assert page.locator("#boxes img, #boxes script").count() == 0


def test_nothing_else_is_asked_and_nothing_is_complained_about(
    browser: Browser, tmp_path: Path
) -> None:
    """On this machine without a token, as somebody first sees it."""
    with Sluice(tmp_path, "chdb://chdb") as sluice:
        sluice.send()
        sluice.rows("SELECT 1 FROM events_v2")
        with opened(browser, f"{sluice.url}/stats/example.com?period=today") as watched:
            complete(watched.page)
            assert_it_fits(watched)
            expect(watched.page.locator("#now")).to_have_text("1 visitor now")


def assert_it_fits(watched: Watched) -> None:
    for width in (1280, 800, 390, 320):
        watched.page.set_viewport_size({"width": width, "height": 800})
        watched.expect_to_fit()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("path", ["example.com?period=7d", "new.example%2Fshop"])
def test_the_rules_of_accessibility_are_kept(
    browser: Browser, server: Sluice, scheme: Any, size: str, path: str
) -> None:
    with shown(browser, server, path, size) as page:
        page.emulate_media(color_scheme=scheme)
        assert violations(page) == []
        assert page.evaluate(FAINT) == []
        page.locator("#period").select_option("custom")
        for summary in page.locator("summary").all():
            if summary.is_visible():
                summary.click()
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_the_keyboard_reaches_everything(browser: Browser, server: Sluice) -> None:
    with shown(browser, server, "example.com?period=7d") as page:
        met = []
        for _ in range(10):
            page.keyboard.press("Tab")
            met.append(
                page.evaluate(
                    "() => document.activeElement.id || document.activeElement.value"
                    " || document.activeElement.textContent.trim()"
                )
            )
        assert met == [
            *("Skip to the figures", "sites", "period", "The same as a table", "pages"),
            *("Show all 22", "sources", "browsers", "live page"),
            met[-1],
        ]
        page.locator("input[value=pages]").focus()
        page.keyboard.press("ArrowRight")
        expect(page.locator("[data-box=pages] thead")).to_contain_text("Entrances")
