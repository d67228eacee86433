"""A real browser for tests: the machine's Chromium without a window, driven by Playwright.

It resolves every name to this machine, so that pages have the hosts that they would have in the
world, and nothing leaves the machine. It shows itself as the Chrome that people have: one without a
window is a bot to collectors, and one that says it is driven is ignored by trackers.
"""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
"""Programs that do; `SLUICE_TEST_CHROMIUM` names another."""

USER_AGENT = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/142.0.0.0 Safari/537.36"
)
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-blink-features=AutomationControlled",
    "--host-resolver-rules=MAP * 127.0.0.1",
    # For the whole browser: a context's own is forgotten in requests that outlive their page.
    f"--user-agent={USER_AGENT}",
)
NOT_OF_PLAYWRIGHTS = ("--disable-back-forward-cache",)
"""What Playwright would have the browser do otherwise than people's."""

ACTION_SECONDS = 60.0


def find_chromium() -> Path | None:
    """Where the browser's program is; None when there is none."""
    names = (os.environ.get("SLUICE_TEST_CHROMIUM", ""), *NAMES)
    found = (shutil.which(name) for name in names if name)
    return next((Path(path) for path in found if path), None)


def required() -> bool:
    """Whether a missing browser is a failure and no reason to leave tests out."""
    return os.environ.get("CI") == "true"


@contextlib.contextmanager
def running_browser(program: Path) -> Iterator[Browser]:
    """The browser, until the end of the block.

    Playwright's event loop counts as running in this thread for as long: no other asyncio loop can
    run in it; trio's can.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program,
            args=list(ARGUMENTS),
            ignore_default_args=list(NOT_OF_PLAYWRIGHTS),
            # A proxy of the environment would be asked for names that only this machine knows.
            env={name: value for name, value in os.environ.items() if "proxy" not in name.lower()},
        )
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def visitor(browser: Browser, *, user_agent: str | None = None) -> Iterator[BrowserContext]:
    """A profile of its own, with nothing remembered.

    Args:
        browser: The browser.
        user_agent: What its pages say it is, if not `USER_AGENT`.
    """
    context = browser.new_context(user_agent=user_agent)
    context.set_default_timeout(ACTION_SECONDS * 1000)
    try:
        yield context
    finally:
        context.close()
