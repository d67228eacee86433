"""A real browser for tests: the machine's Chromium in headless mode, controlled by Playwright.

It resolves every name to this machine, so that pages can have real host names, and no request
leaves the machine. It identifies as a normal Chrome, because collectors count a headless browser as
a bot, and trackers ignore an automated one.
"""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, expect, sync_playwright

from tests.waiting import WAIT_SECONDS

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
"""Names of usable programs; `SLUICE_TEST_CHROMIUM` can be set to another."""

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
    # Set for the whole browser: a context's user agent is not used for requests that outlive their
    # page.
    f"--user-agent={USER_AGENT}",
)
NOT_OF_PLAYWRIGHTS = ("--disable-back-forward-cache",)
"""Playwright's default arguments to omit, so that the browser behaves like a visitor's."""


def find_chromium() -> Path | None:
    """Return the path of the browser's program; None if there is none."""
    names = (os.environ.get("SLUICE_TEST_CHROMIUM", ""), *NAMES)
    found = (shutil.which(name) for name in names if name)
    return next((Path(path) for path in found if path), None)


def required() -> bool:
    """Whether a missing browser is a failure, and not a reason to skip tests."""
    return os.environ.get("CI") == "true"


@contextlib.contextmanager
def running_browser(program: Path) -> Iterator[Browser]:
    """Run the browser until the end of the block.

    Meanwhile, Playwright's event loop counts as running in this thread, so no other asyncio loop
    can run in it. A trio loop can.
    """
    expect.set_options(timeout=WAIT_SECONDS * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program,
            timeout=WAIT_SECONDS * 1000,
            args=list(ARGUMENTS),
            ignore_default_args=list(NOT_OF_PLAYWRIGHTS),
            # Do not use the environment's proxies, which do not know the names of the test.
            env={name: value for name, value in os.environ.items() if "proxy" not in name.lower()},
        )
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def visitor(browser: Browser, *, user_agent: str | None = None) -> Iterator[BrowserContext]:
    """Create a new, empty profile.

    Args:
        browser: The browser.
        user_agent: The user agent of its pages, if not `USER_AGENT`.
    """
    context = browser.new_context(user_agent=user_agent)
    context.set_default_timeout(WAIT_SECONDS * 1000)
    try:
        yield context
    finally:
        context.close()
