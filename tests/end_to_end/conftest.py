"""Fixtures that run the same tests with both stores, with and without the fast path; a browser.

The stores are chDB in the server's process, and a ClickHouse server. With the latter the same tests
also run against a cluster.
"""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.cluster.brokers import Brokers
from tests.end_to_end.browser import find_chromium, required, running_browser
from tests.end_to_end.channels import check_channels
from tests.end_to_end.clickhouse_server import ClickHouseServer
from tests.end_to_end.cluster import Cluster
from tests.end_to_end.pages import Pages
from tests.end_to_end.sluice import SINGLE_PROCESSES, Sluice


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> None:
    """Let started processes receive Ctrl-C, which is ignored in a shell's background jobs."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseServer]:
    with ClickHouseServer(tmp_path_factory.mktemp("clickhouse")) as server:
        yield server


@pytest.fixture(scope="session", params=[*SINGLE_PROCESSES, "cluster"])
def store(request: pytest.FixtureRequest) -> str:
    """What the shared server is: a single process with one of the stores, or a cluster."""
    return str(request.param)


@pytest.fixture(scope="session")
def cluster(
    brokers: Brokers, clickhouse: ClickHouseServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """A cluster that all tests share. A test that ends a process starts another one."""
    directory = tmp_path_factory.mktemp("cluster")
    with Cluster(directory, clickhouse.url("cluster"), brokers, "shared.") as running:
        yield running


def fast_path(store: str) -> dict[str, str]:
    """Return the setting of the fast path for a case."""
    return {"SLUICE_FAST_PATH": "off" if store.endswith("hypercorn") else "on"}


def _url(store: str, database: str, request: pytest.FixtureRequest) -> str:
    if store.startswith("chdb"):
        return "chdb://chdb"
    clickhouse: ClickHouseServer = request.getfixturevalue("clickhouse")
    return clickhouse.url(database)


@pytest.fixture(scope="session")
def sluice(
    store: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sluice]:
    """A server that all tests share; each test has its own pages to identify its events."""
    if store == "cluster":
        running: Cluster = request.getfixturevalue("cluster")
        yield running
        check_channels(running)
        return
    url = _url(store, "shared", request)
    with Sluice(tmp_path_factory.mktemp(store), url, **fast_path(store)) as server:
        yield server
        check_channels(server)


@pytest.fixture(scope="session", params=SINGLE_PROCESSES)
def single_process(request: pytest.FixtureRequest) -> str:
    """What `fresh` is."""
    return str(request.param)


@pytest.fixture
def fresh(single_process: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Sluice]:
    """A single process, not yet started, with a separate store."""
    url = _url(single_process, tmp_path.name.replace("-", "_")[:60], request)
    server = Sluice(tmp_path, url, **fast_path(single_process))
    yield server
    if server.ready():
        check_channels(server)
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
