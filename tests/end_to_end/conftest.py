"""Fixtures that run the same tests with both stores, with and without the fast path; a browser.

The stores are chDB in the server's process, and a ClickHouse server.
"""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.end_to_end.browser import find_chromium, required, running_browser
from tests.end_to_end.clickhouse_server import ClickHouseServer
from tests.end_to_end.pages import Pages
from tests.end_to_end.sluice import Sluice


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> None:
    """Let started processes receive Ctrl-C, which is ignored in a shell's background jobs."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseServer]:
    with ClickHouseServer(tmp_path_factory.mktemp("clickhouse")) as server:
        yield server


@pytest.fixture(scope="session", params=["chdb", "clickhouse", "chdb-hypercorn"])
def store(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def fast_path(store: str) -> dict[str, str]:
    """Return the setting of the fast path for a case."""
    return {"SLUICE_FAST_PATH": "off" if store.endswith("hypercorn") else "on"}


@pytest.fixture(scope="session")
def clickhouse_url(store: str, request: pytest.FixtureRequest) -> str:
    """The `CLICKHOUSE_URL` of a store that all tests share."""
    if store.startswith("chdb"):
        return "chdb://chdb"
    server: ClickHouseServer = request.getfixturevalue("clickhouse")
    return server.url("shared")


@pytest.fixture(scope="session")
def sluice(
    clickhouse_url: str, store: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sluice]:
    """A server that all tests share; each test has its own pages to identify its events."""
    with Sluice(tmp_path_factory.mktemp(store), clickhouse_url, **fast_path(store)) as server:
        yield server


@pytest.fixture
def fresh(store: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Sluice]:
    """A server, not yet started, with a separate store."""
    if store.startswith("chdb"):
        url = "chdb://chdb"
    else:
        clickhouse: ClickHouseServer = request.getfixturevalue("clickhouse")
        url = clickhouse.url(tmp_path.name.replace("-", "_")[:60])
    server = Sluice(tmp_path, url, **fast_path(store))
    yield server
    server.__exit__()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A browser that all tests share; each test is a separate visitor."""
    program = find_chromium()
    if program is None:
        message = "no Chromium on this machine: tests/end_to_end/provide_chromium installs it"
        if required():
            pytest.fail(message)
        pytest.skip(message)
    with running_browser(program) as running:
        yield running


@pytest.fixture
def pages() -> Iterator[Pages]:
    """A web server for the test's pages, with a different origin than the collector."""
    with Pages() as server:
        yield server
