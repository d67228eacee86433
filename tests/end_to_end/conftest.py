"""The same tests against both stores, with the fast path and without; and a browser.

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
    """Let what the tests start hear Ctrl-C, which a shell has its background jobs ignore."""
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
    """The setting of the fast path that a case asks for."""
    return {"SLUICE_FAST_PATH": "off" if store.endswith("hypercorn") else "on"}


@pytest.fixture(scope="session")
def clickhouse_url(store: str, request: pytest.FixtureRequest) -> str:
    """The `CLICKHOUSE_URL` of a store that the whole run of tests shares."""
    if store.startswith("chdb"):
        return "chdb://chdb"
    server: ClickHouseServer = request.getfixturevalue("clickhouse")
    return server.url("shared")


@pytest.fixture(scope="session")
def sluice(
    clickhouse_url: str, store: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sluice]:
    """A server that the whole run of tests shares; tests tell their events apart by page."""
    with Sluice(tmp_path_factory.mktemp(store), clickhouse_url, **fast_path(store)) as server:
        yield server


@pytest.fixture
def fresh(store: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Sluice]:
    """A server, not yet started, with a store of its own."""
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
    """A browser that the whole run of tests shares; each test is a visitor of its own in it."""
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
    """A web server for the test's own pages, on another origin than the collector's."""
    with Pages() as server:
        yield server
