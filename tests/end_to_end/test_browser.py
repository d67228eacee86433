"""The tests' browser, also together with pytest-trio's tests."""

from pathlib import Path

import pytest
import trio
from playwright.sync_api import Browser
from trio.testing import MockClock

from tests.end_to_end.browser import USER_AGENT, find_chromium, required, visitor
from tests.end_to_end.pages import Pages

FIGURES = "[navigator.userAgent, navigator.webdriver, location.host, document.body.textContent]"


def test_a_page_has_the_host_that_it_would_have_in_the_world(
    browser: Browser, pages: Pages
) -> None:
    pages.content["/"] = "<body>hello</body>"
    with visitor(browser) as context:
        page = context.new_page()
        page.goto(pages.url(host="shop.example"))
        seen = page.evaluate(FIGURES)
    assert seen == [USER_AGENT, False, f"shop.example:{pages.port}", "hello"]


def test_a_visitor_remembers_nothing_of_another(browser: Browser, pages: Pages) -> None:
    pages.content["/"] = (
        "<script>document.title = localStorage.n = +(localStorage.n || 0) + 1</script>"
    )
    titles = []
    for _ in range(2):
        with visitor(browser) as context:
            page = context.new_page()
            for _ in range(2):
                page.goto(pages.url())
            titles.append(page.title())
    assert titles == ["2", "2"]


def test_a_visitor_can_have_a_user_agent_of_its_own(browser: Browser, pages: Pages) -> None:
    with visitor(browser, user_agent="Something/1.0") as context:
        page = context.new_page()
        page.goto(pages.url())
        assert page.evaluate("navigator.userAgent") == "Something/1.0"


@pytest.mark.parametrize(
    ("path", "content_type", "status"),
    [
        ("/", "text/html; charset=utf-8", 200),
        ("/a/b", "text/html; charset=utf-8", 200),
        ("/a.html?b=c", "text/html; charset=utf-8", 200),
        ("/a.js", "text/javascript; charset=utf-8", 200),
        ("/a.pdf", "text/plain; charset=utf-8", 200),
        ("/nowhere", "text/html; charset=utf-8", 404),
    ],
)
def test_pages(browser: Browser, path: str, content_type: str, status: int) -> None:
    content = {"/": "1", "/a/b": "2", "/a.html": "3", "/a.js": "4", "/a.pdf": "5"}
    with Pages(content) as pages, visitor(browser) as context:
        answer = context.request.get(f"http://127.0.0.1:{pages.port}{path}")
        assert (answer.status, answer.headers["content-type"]) == (status, content_type)
        assert answer.text() == content.get(path.partition("?")[0], "nothing here")


async def test_trio_runs_while_the_browser_does(
    browser: Browser, autojump_clock: MockClock
) -> None:
    assert browser.is_connected()
    with trio.move_on_after(60) as scope:
        await trio.sleep_forever()
    assert scope.cancelled_caught


def test_another_program_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "my-browser"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_chromium() is None
    (tmp_path / "chromium").symlink_to(program)
    assert find_chromium() == tmp_path / "chromium"
    monkeypatch.setenv("SLUICE_TEST_CHROMIUM", str(program))
    assert find_chromium() == program


@pytest.mark.parametrize(("value", "expected"), [("true", True), ("false", False), ("", False)])
def test_only_ci_has_to_have_one(
    monkeypatch: pytest.MonkeyPatch, value: str, expected: bool
) -> None:
    monkeypatch.setenv("CI", value)
    assert required() is expected
