"""The guarantees for crashes, restarts and full disks, tested with real processes."""

import itertools
import json
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from actors.letters.dead_letters import DeadLetters
from ingest.model.event import Visitor
from tests.chaos.disk import SmallDisk
from tests.end_to_end.clickhouse_server import ClickHouseServer, free_port
from tests.end_to_end.sluice import CHROME, Sluice
from tests.examples import an_enriched_event
from tests.waiting import WAIT_SECONDS, wait_until

VISITORS = 8


def backlog(sluice: Sluice) -> int:
    return int(sluice.client.get("/ready").json()["journal"]["backlog_events"])


class Visitors:
    """Visitors who keep sending pageviews, whatever happens to the server.

    Attributes:
        accepted: Pages with the response 202, by visitor.
    """

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"
        self._leave = threading.Event()
        self.accepted: list[list[str]] = [[] for _ in range(VISITORS)]

    def leave(self) -> None:
        self._leave.set()

    def visit(self, number: int) -> None:
        headers = {"user-agent": CHROME, "x-forwarded-for": f"198.51.100.{number}"}
        with httpx.Client(base_url=self._url, headers=headers, timeout=60) as client:
            for page in itertools.count():
                if self._leave.is_set():
                    return
                path = f"/{number}/{page}"
                body = {"n": "pageview", "u": f"https://example.com{path}", "d": "example.com"}
                try:
                    answer = client.post("/api/event", json=body)
                except httpx.TransportError:
                    self._leave.wait(0.05)
                    continue  # do not retry, since the event may have been accepted
                if answer.status_code == 202 and "x-plausible-dropped" not in answer.headers:
                    self.accepted[number].append(path)
                self._leave.wait(0.01)

    @property
    def pages(self) -> int:
        return sum(map(len, self.accepted))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["rolling", "kill -9"])
def test_restarts_under_load_lose_nothing_and_split_no_visit(
    fresh: Sluice, number: signal.Signals
) -> None:
    fresh.environment["PORT"] = str(free_port())
    visitors = Visitors(int(fresh.environment["PORT"]))
    with ThreadPoolExecutor(VISITORS) as pool:
        try:
            tours = [pool.submit(visitors.visit, visitor) for visitor in range(VISITORS)]
            for _ in range(3):
                fresh.start()
                seen = visitors.pages
                wait_until(lambda seen=seen: visitors.pages > seen + 80, fresh.log_text)
                assert fresh.stop(number) == (0 if number == signal.SIGTERM else -number)
            fresh.start()
            seen = visitors.pages
            wait_until(lambda: visitors.pages > seen + 40, fresh.log_text)
        finally:
            visitors.leave()
        for tour in tours:
            tour.result()
    wait_until(lambda: backlog(fresh) == 0, fresh.log_text)
    rows = fresh.query("SELECT pathname, toString(session_id) AS visit FROM events_v2")
    stored = Counter(row["pathname"] for row in rows)
    assert {page for pages in visitors.accepted for page in pages} <= stored.keys()
    assert set(stored.values()) == {1}
    visits = {(row["pathname"].split("/")[1], row["visit"]) for row in rows}
    assert len(visits) == VISITORS
    (sums,) = fresh.query(
        "SELECT sum(sign) AS visits, sum(sign * pageviews) AS pages FROM sessions_v2"
    )
    assert sums == {"visits": VISITORS, "pages": len(rows)}


def test_visits_of_the_past_go_on_after_a_crash_and_apart_from_those_of_now(
    tmp_path: Path,
) -> None:
    fresh = Sluice(tmp_path, "chdb://chdb")
    token = "0123456789abcdef"
    fresh.environment["SLUICE_ADMIN_TOKEN"] = token
    day = int(time.time()) - 3 * 86_400

    def send_past(first: int) -> None:
        items = [
            {
                "n": "pageview",
                "u": f"https://example.com/past/{first + number}",
                "d": "example.com",
                "timestamp": day + 60 * (first + number),
                "ip": "198.51.100.7",
            }
            for number in range(3)
        ]
        answer = fresh.client.post(
            "/api/events",
            content=json.dumps(items),
            headers={"authorization": f"Bearer {token}", "content-type": "application/json"},
        )
        assert answer.json()["accepted"] == 3

    for number, end in enumerate((signal.SIGKILL, signal.SIGTERM, None)):
        fresh.start()
        send_past(3 * number)
        fresh.send(url=f"https://example.com/now/{number}")
        if end is not None:
            fresh.stop(end)
    fresh.events("1", 12)
    wait_until(lambda: backlog(fresh) == 0, fresh.log_text)
    visits = fresh.query(
        "SELECT start < now() - INTERVAL 1 DAY AS past, sum(sign) AS visits, "
        "sum(sign * pageviews) AS pages, sum(sign * duration) >= 480 AS long "
        "FROM sessions_v2 GROUP BY past ORDER BY past"
    )
    fresh.stop()
    assert [(int(row["past"]), row["visits"], row["pages"]) for row in visits] == [
        (0, 1, 3),
        (1, 1, 9),
    ]


def test_letters_put_back_are_stored_once_however_often_it_is_killed(tmp_path: Path) -> None:
    fresh = Sluice(tmp_path, "chdb://chdb")
    letters = DeadLetters(fresh.state / "dead-letters")
    for number in range(400):
        event = an_enriched_event(
            pathname=f"/{number}", visitor=Visitor(number, None), timestamp=int(time.time())
        )
        letters.keep("sessions", event, "x", redrive=True)
    letters.flush()

    def left() -> int:
        return len(letters.directory.scan().letters)

    for limit in (300, 200, 100):
        with fresh:
            wait_until(lambda limit=limit: left() < limit, fresh.log_text)
            fresh.stop(signal.SIGKILL)
    with fresh:
        wait_until(lambda: left() == 0, fresh.log_text)
        wait_until(lambda: backlog(fresh) == 0, fresh.log_text)
        rows = fresh.events("1", 400)
        assert Counter(row["pathname"] for row in rows) == {f"/{n}": 1 for n in range(400)}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    try:
        disk = SmallDisk(tmp_path / "var")
    except OSError as error:
        pytest.skip(f"no small disk can be made here: {error}")
    yield disk
    disk.unmount()


def test_a_start_on_a_full_disk_stores_the_backlog_and_so_makes_room(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, small_disk: SmallDisk
) -> None:
    with ClickHouseServer(tmp_path_factory.mktemp("full")) as server:
        sluice = Sluice(tmp_path, server.url("full"), SLUICE_FLUSH_SECONDS="0.2")
        with sluice:
            server.kill()
            accepted = [sluice.send(url=f"https://example.com/{n}") for n in range(50)]
            sluice.stop(signal.SIGKILL)
        assert {answer.status_code for answer in accepted} == {202}
        small_disk.fill()
        with sluice:
            answer = sluice.send(url="https://example.com/refused")
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
            assert sluice.client.get("/ready").json()["journal"]["reason"]
            server.start()
            wait_until(lambda: backlog(sluice) == 0, sluice.log_text)
            # The disk is as full as before, except for the space that the journal has freed.
            wait_until(
                lambda: sluice.send(url="https://example.com/more").status_code == 202,
                sluice.log_text,
            )
            rows = sluice.events("pathname LIKE '/%'", 51)
            assert Counter(row["pathname"] for row in rows) == {
                **{f"/{n}": 1 for n in range(50)},
                "/more": 1,
            }
            assert len({row["session_id"] for row in rows}) == 1
            small_disk.free()
            assert sluice.stop() == 0


@pytest.mark.parametrize("when", ["starting", "running"])
def test_sigterm_while_the_store_hangs(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, when: str
) -> None:
    environment = {"SLUICE_SHUTDOWN_SECONDS": "5", "SLUICE_FLUSH_SECONDS": "0.2"}
    with ClickHouseServer(tmp_path_factory.mktemp("hangs")) as server:
        sluice = Sluice(tmp_path, server.url("hangs"), **environment)
        with sluice:
            sluice.send(url="https://example.com/0")
            sluice.events("1")
            server.pause()
            try:
                if when == "running":
                    sluice.send(url="https://example.com/1")
                assert sluice.stop() == 0
                if when == "starting":
                    process: Any = sluice.launch()
                    wait_until(lambda: "listening" not in sluice.log_text()[-200:])
                    process.send_signal(signal.SIGTERM)
                    assert process.wait(WAIT_SECONDS) in (0, -signal.SIGTERM)
            finally:
                server.resume()
        with sluice:
            sluice.send(url="https://example.com/2")
            pages = {"/0", "/2"} | ({"/1"} if when == "running" else set())
            rows = sluice.events("1", len(pages))
            assert Counter(row["pathname"] for row in rows) == dict.fromkeys(pages, 1)
            assert len({row["session_id"] for row in rows}) == 1
