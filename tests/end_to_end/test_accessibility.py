"""The live page with screen readers and without a pointer."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.end_to_end import front_page
from tests.end_to_end.accessibility import violations
from tests.end_to_end.browser import visitor
from tests.end_to_end.clickhouse_server import free_port
from tests.end_to_end.sluice import Sluice
from tests.waiting import wait_until

BOT = {"user-agent": "Mozilla/5.0 (compatible; Googlebot/2.1)"}
SIZES = {"desktop": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}
HEADLINES = {
    "healthy": "All is well",
    "store-down": "Events are taken and kept, but not stored",
    "front": front_page.HEADLINE,
}

# The focused element, and whether its focus is visible; a hidden button shows it on its label.
FOCUS = """() => {
  const at = document.activeElement;
  const seen = at.type === "radio" ? at.nextElementSibling : at;
  const { outlineStyle, outlineWidth } = getComputedStyle(seen);
  const { top, bottom } = seen.getBoundingClientRect();
  return {
    name: at.id || at.querySelector("h2")?.textContent || at.textContent.trim() || at.value,
    shows: outlineStyle !== "none" && parseFloat(outlineWidth) >= 2
      && bottom > 0 && top < innerHeight,
  };
}"""


@pytest.fixture(scope="module", params=HEADLINES)
def state(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def server(state: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sluice]:
    """A server with some events; its store is reachable or not."""
    nobody = f"clickhouse://127.0.0.1:{free_port()}/nobody"
    url = nobody if state == "store-down" else "chdb://chdb"
    with Sluice(tmp_path_factory.mktemp(state), url) as sluice:
        sluice.send(url="https://example.com/seen", r="https://news.ycombinator.com/")
        sluice.send(url="https://example.com/seen", headers=BOT)
        sluice.send(url="https://nobody.example/", domain="nobody.example")
        sluice.send("Signup", url="https://shop.example/", domain="shop.example")
        # More than the list can show without scrolling.
        for number in range(30):
            sluice.send(url=f"https://example.com/{number}")
        yield sluice


@contextmanager
def shown(browser: Browser, server: Sluice, headline: str, size: str = "desktop") -> Iterator[Page]:
    """Open the page, and wait until its content is complete."""
    with visitor(browser) as context:
        page = context.new_page()
        if headline == front_page.HEADLINE:
            front_page.pose_as_front(page)
        page.set_viewport_size({**SIZES[size]})  # type: ignore[typeddict-item]
        page.goto(server.url)
        expect(page.locator("#headline")).to_have_text(headline)
        seen = page.locator("#events tbody tr", has_text="/seen")
        expect(seen).to_have_count(2)
        yield page


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_the_rules_are_kept(
    browser: Browser, server: Sluice, state: str, scheme: Any, size: str
) -> None:
    with shown(browser, server, HEADLINES[state], size) as page:
        page.emulate_media(color_scheme=scheme)
        assert violations(page) == []
        for summary in page.locator("summary").all():
            summary.click()
        assert violations(page) == []


def test_a_fault_is_found(browser: Browser, server: Sluice, state: str) -> None:
    with shown(browser, server, HEADLINES[state]) as page:
        page.evaluate("document.getElementById('pause').textContent = ''")
        (found,) = violations(page)
        assert found.startswith("button-name (critical)")


def test_the_keyboard_goes_through_the_page_in_its_order(
    browser: Browser, server: Sluice, state: str
) -> None:
    with shown(browser, server, HEADLINES[state]) as page:
        met = []
        picks = page.locator("#sites a, #sites-rest a").all_inner_texts()
        assert {"example.com", "bot 1", "unknown site 1", "nobody.example 1"} < {*picks}
        for _ in range(14 + len(picks)):
            page.keyboard.press("Tab")
            met.append(page.evaluate(FOCUS))
        names = [one["name"] for one in met]
        assert [name for name in names if name not in picks] == [
            "Skip to the figures",
            "300",
            "chart",
            "The same as a table",
            "show",
            "site",
            "pause",
            "events-box",
            "Pipeline",
            "Settings",
            "statistics",
            "metrics",
            "readiness",
            "this page as JSON",
        ]
        assert [name for name in names if name in picks] == picks
        assert [one["name"] for one in met if not one["shows"]] == []
        page.locator("#events-box").focus()
        page.keyboard.press("End")
        expect(page.locator("#events tbody tr").last).to_be_in_viewport()


def test_only_the_verdict_is_announced(browser: Browser, server: Sluice, state: str) -> None:
    with shown(browser, server, HEADLINES[state]) as page:
        live = "[aria-live], [role=status], [role=alert], [role=log], [role=timer], output"
        assert [one.get_attribute("class") for one in page.locator(live).all()] == ["verdict-line"]
        page.evaluate(
            """() => {
              const headline = document.querySelector("#headline");
              window.announced = [headline.textContent];
              new MutationObserver(() => window.announced.push(headline.textContent)).observe(
                document.querySelector(".verdict-line"),
                { subtree: true, childList: true, characterData: true });
            }"""
        )
        accepted = page.locator("#tiles dd .remark").first
        before = accepted.inner_text()
        server.send(url="https://example.com/announced")
        expect(page.locator("#events tbody tr").first).to_contain_text("/announced")
        expect(accepted).not_to_have_text(before)
        # The verdict may change meanwhile, for instance if the machine is slow.
        announced = page.evaluate("window.announced")
        assert [one for one, next_ in pairwise(announced) if one == next_] == []


def test_what_is_read_stays_in_place(browser: Browser, server: Sluice, state: str) -> None:
    """The figures change, but selected text stays selected, and a screen reader keeps its place."""
    with shown(browser, server, HEADLINES[state]) as page:
        page.evaluate("getSelection().selectAllChildren(document.querySelector('#tiles dt'))")
        accepted = page.locator("#tiles dd .remark").first
        before = accepted.inner_text()
        server.send(url="https://example.com/marked")
        expect(accepted).not_to_have_text(before)
        assert page.evaluate("String(getSelection())") == "Accepted"


def test_a_moment_of_the_chart_keeps_its_value(
    browser: Browser, server: Sluice, state: str
) -> None:
    """Its position among the bars changes; as a value, each change would be read out."""
    with shown(browser, server, HEADLINES[state]) as page:
        chart = page.locator("#chart")
        chart.focus()
        page.keyboard.press("PageDown")
        value = chart.get_attribute("aria-valuenow")
        assert value is not None
        bounds = [chart.get_attribute(f"aria-value{end}") for end in ("min", "max")]
        assert float(bounds[0] or "nan") < float(value) < float(bounds[1] or "nan")
        place = "document.querySelector('.mark').getBBox().x"
        beyond = page.evaluate(f"{place} - 2 * document.querySelector('.mark').getBBox().width")
        wait_until(lambda: page.evaluate(place) < beyond)
        assert chart.get_attribute("aria-valuenow") == value
