"""A log that cannot be trusted any more: events are refused, what is there is stored, and the
process ends by itself with 74."""

import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from tests.chaos.disk import SmallDisk
from tests.end_to_end.clickhouse_server import ClickHouseServer
from tests.end_to_end.sluice import CHROME, Sluice
from tests.waiting import WAIT_SECONDS, wait_until

BROKEN = 74
VISITORS = 4


class Sender:
    """Visitors who keep sending pageviews until the server has exited.

    Attributes:
        accepted: Pages with the response 202.
        refused: Pages with the response 503.
        others: Other responses.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._leave = threading.Event()
        self.accepted: list[str] = []
        self.refused: list[str] = []
        self.others: list[str] = []

    def _visit(self) -> None:
        number = 0
        with httpx.Client(
            base_url=self._url, headers={"user-agent": CHROME}, timeout=WAIT_SECONDS
        ) as client:
            while not self._leave.is_set():
                number += 1
                page = f"/{number}"
                try:
                    answer = client.post(
                        "/api/event",
                        json={
                            "n": "pageview",
                            "u": f"https://example.com{page}",
                            "d": "example.com",
                        },
                        headers={"x-forwarded-for": f"198.51.100.{number % VISITORS}"},
                    )
                except httpx.TransportError:
                    return
                if answer.status_code == 202:
                    self.accepted.append(page)
                elif answer.status_code == 503:
                    self.refused.append(page)
                else:
                    self.others.append(answer.text)
                self._leave.wait(0.005)

    @contextmanager
    def sending(self) -> Iterator["Sender"]:
        thread = threading.Thread(target=self._visit)
        thread.start()
        try:
            yield self
        finally:
            self._leave.set()
            thread.join()


def ready(sluice: Sluice) -> tuple[int, str]:
    """Return the status code of `/ready`, and the log's status in it."""
    answer = sluice.client.get("/ready")
    return answer.status_code, str(answer.json()["journal"]["status"])


def backlog(sluice: Sluice) -> int:
    return int(sluice.client.get("/ready").json()["journal"]["backlog_events"])


def remove(sluice: Sluice) -> None:
    # The server may make or rename a file there meanwhile.
    while sluice.state.exists():
        shutil.rmtree(sluice.state, ignore_errors=True)


def rename(sluice: Sluice) -> None:
    sluice.state.rename(sluice.state.with_name("elsewhere"))


def delete_segment(sluice: Sluice) -> None:
    next((sluice.state / "journal").glob("*-*.journal")).unlink()


def fail_syncs(sluice: Sluice) -> None:
    assert sluice.process is not None
    sluice.process.send_signal(signal.SIGUSR1)


@pytest.mark.parametrize("fsync", ["interval", "always"])
@pytest.mark.parametrize("fail", [remove, rename, delete_segment, fail_syncs])
def test_it_refuses_stores_and_ends(
    tmp_path: Path, fail: Callable[[Sluice], None], fsync: str
) -> None:
    sluice = Sluice(tmp_path, "chdb://chdb", SLUICE_FLUSH_SECONDS="2", SLUICE_JOURNAL_FSYNC=fsync)
    if fail is fail_syncs:
        sluice.program = ("tests.end_to_end.failing_sync",)
    refuses_and_ends(sluice, fail)


def test_its_file_system_goes(tmp_path: Path) -> None:
    try:
        disk = SmallDisk(tmp_path / "var")
    except OSError as error:
        pytest.skip(f"no small disk can be made here: {error}")
    try:
        sluice = Sluice(tmp_path, "chdb://chdb", SLUICE_FLUSH_SECONDS="2")
        refuses_and_ends(sluice, lambda _: disk.unmount())
    finally:
        disk.unmount()


def refuses_and_ends(sluice: Sluice, fail: Callable[[Sluice], None]) -> None:
    with sluice, Sender(sluice.url).sending() as sender:
        wait_until(lambda: len(sender.accepted) > 100, sluice.log_text)
        fail(sluice)
        wait_until(lambda: sender.refused, sluice.log_text)
        accepted = len(sender.accepted)
        with suppress(httpx.TransportError):  # It may have ended before it was asked.
            assert ready(sluice) == (503, "down")
        assert sluice.process is not None
        assert sluice.process.wait(timeout=WAIT_SECONDS) == BROKEN, sluice.log_text()
    assert len(sender.accepted) == accepted
    assert sender.others == []
    text = sluice.log_text()
    assert "log is broken, it takes no more events" in text
    assert "the store has not taken all of it" not in text
    # Another process stores no duplicates. It may find events that were refused because they could
    # not be synced.
    with sluice:
        wait_until(lambda: not backlog(sluice), sluice.log_text)
        rows = sluice.query("SELECT pathname FROM events_v2")
        stored = Counter(row["pathname"] for row in rows)
        assert set(stored.values()) == {1}
        assert set(sender.accepted) <= stored.keys()
        assert stored.keys() <= {*sender.accepted, *sender.refused}
        assert sluice.query(
            "SELECT sum(sign) AS visits, sum(sign * pageviews) AS views FROM sessions_v2"
        ) == [{"visits": VISITORS, "views": len(stored)}]


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseServer]:
    with ClickHouseServer(tmp_path_factory.mktemp("away")) as server:
        yield server


def test_it_waits_for_a_store_that_is_away(tmp_path: Path, server: ClickHouseServer) -> None:
    sluice = Sluice(tmp_path, server.url("waits"), SLUICE_FLUSH_SECONDS="0.2")
    with sluice, Sender(sluice.url).sending() as sender:
        wait_until(lambda: len(sender.accepted) > 50, sluice.log_text)
        server.kill()
        seen = len(sender.accepted)
        wait_until(lambda: len(sender.accepted) > seen + 100, sluice.log_text)
        remove(sluice)
        wait_until(lambda: sender.refused, sluice.log_text)
        time.sleep(2)
        assert ready(sluice) == (503, "down")
        server.start()
        assert sluice.process is not None
        assert sluice.process.wait(timeout=WAIT_SECONDS) == BROKEN, sluice.log_text()
    with sluice:
        rows = sluice.query("SELECT pathname FROM events_v2")
        assert Counter(row["pathname"] for row in rows) == Counter(sender.accepted)


def test_it_says_what_is_lost_if_it_may_not_wait(tmp_path: Path, server: ClickHouseServer) -> None:
    sluice = Sluice(
        tmp_path, server.url("lost"), SLUICE_FLUSH_SECONDS="0.2", SLUICE_SHUTDOWN_SECONDS="5"
    )
    with sluice:
        server.kill()
        with Sender(sluice.url).sending() as sender:
            wait_until(lambda: len(sender.accepted) > 100, sluice.log_text)
            remove(sluice)
            wait_until(lambda: sender.refused, sluice.log_text)
        assert sluice.stop() == BROKEN
    assert f"events_at_risk={len(sender.accepted)}" in sluice.log_text()
