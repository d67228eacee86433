"""A start with the state of a version with an old journal; a change of `SLUICE_DURABILITY`."""

import itertools
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.end_to_end.clickhouse_server import ClickHouseServer, free_port
from tests.end_to_end.old_journal import VISITORS, leave_old_journal
from tests.end_to_end.sluice import CHROME, Sluice
from tests.waiting import WAIT_SECONDS, wait_until

OLD_EVENTS = 3000


class Traffic:
    """A visitor who keeps sending pageviews, whatever happens to the server.

    Attributes:
        accepted: Pages with the response 202.
    """

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"
        self._leave = threading.Event()
        self.accepted: list[str] = []

    def _visit(self) -> None:
        # So long that only a killed server leaves a request without a response.
        with httpx.Client(
            base_url=self._url, headers={"user-agent": CHROME}, timeout=WAIT_SECONDS
        ) as client:
            for number in itertools.count():
                if self._leave.is_set():
                    return
                page = f"/new/{number}"
                body = {"n": "pageview", "u": f"https://example.com{page}", "d": "example.com"}
                try:
                    answer = client.post("/api/event", json=body)
                except httpx.TransportError:
                    self._leave.wait(0.05)
                    continue  # do not retry, since the event may have been accepted
                if answer.status_code == 202:
                    self.accepted.append(page)
                self._leave.wait(0.01)

    @contextmanager
    def going_on(self) -> Iterator["Traffic"]:
        thread = threading.Thread(target=self._visit)
        thread.start()
        try:
            yield self
        finally:
            self._leave.set()
            thread.join()


def backlog(sluice: Sluice) -> int:
    return int(sluice.client.get("/ready").json()["journal"]["backlog_events"])


def check_stored(sluice: Sluice, accepted: list[str], visits: int, *, unknown: int = 0) -> None:
    """Check that the store has each accepted event once, and that the sessions' sums are correct.

    Args:
        sluice: The running server.
        accepted: The accepted pages.
        visits: The number of sessions.
        unknown: The maximum number of additional events, whose requests had no response.
    """
    wait_until(lambda: backlog(sluice) == 0, sluice.log_text)
    rows = sluice.query("SELECT pathname, toString(session_id) AS visit FROM events_v2")
    stored = Counter(row["pathname"] for row in rows)
    assert set(stored.values()) == {1}
    assert set(accepted) <= stored.keys()
    assert len(stored) <= len(accepted) + unknown
    sums = sluice.query(
        "SELECT toString(session_id) AS visit, sum(sign) AS signs, sum(sign * pageviews) AS views "
        "FROM sessions_v2 GROUP BY session_id"
    )
    assert {row["signs"] for row in sums} == {1}
    assert {row["visit"]: row["views"] for row in sums} == Counter(row["visit"] for row in rows)
    assert len(sums) == visits


def names(sluice: Sluice) -> set[str]:
    """Return the names of the old version's remaining files."""
    journal = sluice.state / "journal"
    found = {path.name for path in journal.glob("[0-9]" * 20 + ".journal")}
    found |= {
        path.name
        for path in (journal / "progress", sluice.state / "sessions.jsonl")
        if path.exists()
    }
    return found


def test_killed_under_load(tmp_path: Path) -> None:
    port = free_port()
    sluice = Sluice(tmp_path, "chdb://chdb", PORT=str(port), SLUICE_FLUSH_ROWS="100")
    old = leave_old_journal(sluice.state, OLD_EVENTS)
    kills = 0
    with Traffic(port).going_on() as traffic:
        for share in (0.9, 0.5, 0.0):
            sluice.start()
            seen = len(traffic.accepted)
            wait_until(lambda seen=seen: len(traffic.accepted) > seen + 5, sluice.log_text)
            wait_until(
                lambda share=share: backlog(sluice) <= OLD_EVENTS * share + len(traffic.accepted),
                sluice.log_text,
            )
            sluice.stop(signal.SIGKILL)
            kills += 1
        sluice.start()
        seen = len(traffic.accepted)
        wait_until(lambda: len(traffic.accepted) > seen + 5, sluice.log_text)
    check_stored(sluice, [*old, *traffic.accepted], VISITORS + 1, unknown=kills)
    wait_until(lambda: not names(sluice), sluice.log_text)
    assert sluice.stop() == 0


def test_durability_is_changed_while_the_store_is_away(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Change from an old journal plus a new log to memory, and back to a log on disk."""
    with ClickHouseServer(tmp_path_factory.mktemp("changed")) as server:
        sluice = Sluice(tmp_path, server.url("changed"), SLUICE_SHUTDOWN_SECONDS="5")
        pages = leave_old_journal(sluice.state, 300)

        def visit(page: str) -> None:
            assert sluice.send(url=f"https://example.com{page}").status_code == 202
            pages.append(page)

        with sluice:
            server.kill()
        # The store was reachable at the start, so some events may be stored.
        with sluice:
            for number in range(20):
                visit(f"/disk/{number}")
            sluice.stop(signal.SIGKILL)
        sluice.environment["SLUICE_DURABILITY"] = "memory"
        with sluice:
            assert backlog(sluice) >= 20
            sluice.stop(signal.SIGKILL)
        with sluice:
            visit("/memory/0")
            # Events in memory are only kept as dead letters.
            assert sluice.stop() == 0
        server.start()
        with sluice:
            visit("/memory/1")
            wait_until(lambda: backlog(sluice) == 0, sluice.log_text)
            wait_until(lambda: not (sluice.state / "journal").exists(), sluice.log_text)
            assert sluice.stop() == 0
        sluice.environment["SLUICE_DURABILITY"] = "journal"
        with sluice:
            visit("/disk/again")
            rows = sluice.rows("SELECT pathname FROM events_v2", len(pages))
            assert Counter(row["pathname"] for row in rows) == Counter(pages)
            assert sluice.query(
                "SELECT sum(sign * pageviews) AS views, min(signs) AS least, max(signs) AS most "
                "FROM sessions_v2 JOIN (SELECT session_id, sum(sign) AS signs FROM sessions_v2 "
                "GROUP BY session_id) AS sums USING session_id"
            ) == [{"views": len(pages), "least": 1, "most": 1}]
            assert sluice.stop() == 0
