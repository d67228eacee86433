"""Unreadable acknowledged events are counted and reported; all other events are stored."""

import os
import re
import shutil
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from actors.log.note import NOTE, Note, NoteFile
from tests.end_to_end.log_files import StoredRun, runs_of, segments_of
from tests.end_to_end.sluice import Sluice
from tests.waiting import wait_until

TOKEN = "0123456789abcdef"
VISITORS = 8
PAGE_BYTES = 4096

Damage = Callable[[list[Path], list[StoredRun]], tuple[Path, int, int]]
"""Damages a segment; returns the segment, and the start and end of the lost bytes."""


def a_server(directory: Path) -> Sluice:
    """Create a server that keeps its events in the log, in small segments."""
    return Sluice(
        directory,
        "chdb://chdb",
        SLUICE_FLUSH_SECONDS="3600",
        SLUICE_JOURNAL_MEGABYTES="1",
        SLUICE_ADMIN_TOKEN=TOKEN,
    )


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The state directory after `kill -9`, and the accepted pages."""
    sluice = a_server(tmp_path_factory.mktemp("killed"))
    pages = leave_segments(sluice, 3)
    return sluice.state, pages


@pytest.fixture
def sluice(tmp_path: Path) -> Iterator[Sluice]:
    server = a_server(tmp_path)
    yield server
    server.__exit__()


def send_pages(sluice: Sluice, first: int, last: int) -> list[str]:
    """Send pageviews of all visitors in turn, a few per request; all are accepted."""
    pages = [f"/{number}" for number in range(first, last)]
    for start in range(0, len(pages), 5):
        items = [
            {
                "n": "pageview",
                "u": f"https://example.com{page}",
                "d": "example.com",
                "ip": f"198.51.100.{(first + start + number) % VISITORS}",
            }
            for number, page in enumerate(pages[start : start + 5])
        ]
        answer = sluice.client.post(
            "/api/events", json=items, headers={"authorization": f"Bearer {TOKEN}"}
        )
        assert answer.json()["accepted"] == len(items), answer.text
    return pages


def note_of(sluice: Sluice) -> Note:
    note = NoteFile.read(sluice.state / "journal" / NOTE)
    assert note is not None
    return note


def leave_segments(sluice: Sluice, count: int) -> list[str]:
    """Write this many segments of synced events, then `kill -9`; return the events' pages."""
    pages: list[str] = []
    with sluice:
        while len(segments_of(sluice.state)) < count:
            pages += send_pages(sluice, len(pages), len(pages) + 50)
        pages += send_pages(sluice, len(pages), len(pages) + 100)
        end = runs_of(sluice.state)[-1]
        wait_until(lambda: note_of(sluice).synced.position >= end.first + len(end.pages))
        sluice.stop(signal.SIGKILL)
    return pages


def flip_in(number: int) -> Damage:
    def damage(segments: list[Path], runs: list[StoredRun]) -> tuple[Path, int, int]:
        path = segments[number]
        data = bytearray(path.read_bytes())
        place = len(data) // 2
        data[place] ^= 0x20
        path.write_bytes(data)
        return path, place, place + 1

    return damage


def zero_in(number: int) -> Damage:
    def damage(segments: list[Path], runs: list[StoredRun]) -> tuple[Path, int, int]:
        path = segments[number]
        data = bytearray(path.read_bytes())
        place = len(data) // 2 // PAGE_BYTES * PAGE_BYTES
        data[place : place + PAGE_BYTES] = bytes(PAGE_BYTES)
        path.write_bytes(data)
        return path, place, place + PAGE_BYTES

    return damage


def delete(number: int) -> Damage:
    def damage(segments: list[Path], runs: list[StoredRun]) -> tuple[Path, int, int]:
        path = segments[number]
        size = path.stat().st_size
        path.unlink()
        return path, 0, size

    return damage


def cut_tail(segments: list[Path], runs: list[StoredRun]) -> tuple[Path, int, int]:
    path = segments[-1]
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.truncate(size - 2000)
    return path, size - 2000, size


@pytest.mark.parametrize(
    ("damage", "kept_aside"),
    [
        pytest.param(flip_in(-1), True, id="flipped byte in the newest segment"),
        pytest.param(zero_in(-1), True, id="zeroed page in the newest segment"),
        pytest.param(flip_in(1), True, id="flipped byte in an older segment"),
        pytest.param(zero_in(0), True, id="zeroed page in the oldest segment"),
        pytest.param(delete(1), False, id="older segment deleted"),
        pytest.param(delete(-1), False, id="newest segment deleted"),
        pytest.param(cut_tail, True, id="synced tail cut off"),
    ],
)
def test_damage_is_told_and_all_other_events_are_stored(
    killed: tuple[Path, list[str]], sluice: Sluice, damage: Damage, kept_aside: bool
) -> None:
    state, pages = killed
    shutil.copytree(state, sluice.state)
    segments, runs = segments_of(sluice.state), runs_of(sluice.state)
    assert [page for run in runs for page in run.pages] == pages
    path, begin, end = damage(segments, runs)
    gone = [run for run in runs if run.path == path and run.begin < end and begin < run.end]
    lost = {page for run in gone for page in run.pages}
    assert lost
    before = len(sluice.log_text())

    sluice.environment["SLUICE_FLUSH_SECONDS"] = "0.2"
    with sluice:
        journal = sluice.client.get("/ready").json()["journal"]
        assert (journal["status"], journal["events_lost"]) == ("degraded", len(lost))
        new = send_pages(sluice, len(pages), len(pages) + 40)
        wait_until(
            lambda: not sluice.client.get("/ready").json()["journal"]["backlog_events"],
            sluice.log_text,
        )
        rows = sluice.query("SELECT pathname, toString(session_id) AS visit FROM events_v2")
        assert Counter(row["pathname"] for row in rows) == Counter({*pages, *new} - lost)
        visits = sluice.query(
            "SELECT toString(session_id) AS visit, sum(sign) AS signs, "
            "sum(sign * pageviews) AS views FROM sessions_v2 GROUP BY session_id"
        )
        assert {row["signs"] for row in visits} == {1}
        assert {row["visit"]: row["views"] for row in visits} == Counter(
            row["visit"] for row in rows
        )
        assert len(visits) == VISITORS
        assert sluice.stop() == 0

    told = sluice.log_text()[before:]
    said = re.findall(r"records are missing.* end=(\d+) events_lost=(\d+) first=(\d+)", told)
    position = gone[0].first
    assert sum(int(events) for _, events, _ in said) == len(lost)
    assert any(int(first) <= position < int(end) for end, _, first in said)
    aside = [found.stem for found in (sluice.state / "journal").glob("*.damaged")]
    assert aside == ([path.stem] if kept_aside else [])


def test_an_unsynced_tail_is_no_damage(sluice: Sluice) -> None:
    """A power failure may lose records that were not synced."""
    with sluice:
        pages = send_pages(sluice, 0, 50)
        wait_until(lambda: note_of(sluice).synced.number >= len(pages))
        process = sluice.process
        assert process is not None

        def stopped_before_a_sync() -> bool:
            pages.extend(send_pages(sluice, len(pages), len(pages) + 20))
            process.send_signal(signal.SIGSTOP)
            # Until then one of its threads may still sync.
            os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
            if note_of(sluice).synced.number < len(pages):
                return True
            process.send_signal(signal.SIGCONT)
            return False

        wait_until(stopped_before_a_sync)
        sluice.stop(signal.SIGKILL)
    note = note_of(sluice)
    unsynced = [run for run in runs_of(sluice.state) if run.first >= note.synced.position]
    with unsynced[0].path.open("r+b") as file:
        file.truncate(unsynced[0].begin + 7)
    lost = {page for run in unsynced for page in run.pages}
    assert lost

    sluice.environment["SLUICE_FLUSH_SECONDS"] = "0.2"
    with sluice:
        assert note_of(sluice).source_id != note.source_id
        journal = sluice.client.get("/ready").json()["journal"]
        assert (journal["status"], journal["events_lost"]) == ("ok", 0)
        new = send_pages(sluice, len(pages), len(pages) + 40)
        rows = sluice.rows("SELECT pathname FROM events_v2", len(pages) - len(lost) + len(new))
        assert Counter(row["pathname"] for row in rows) == Counter({*pages, *new} - lost)
        assert sluice.stop() == 0
    assert not list((sluice.state / "journal").glob("*.damaged"))
