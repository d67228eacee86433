"""Journals that earlier versions of the program have left, recorded after `kill -9`."""

import os
import shutil
from pathlib import Path

import pytest

from actors.log.old_journal import JournalEvent, OldJournal
from actors.pipeline.journal_upgrade import state_of
from ingest.records.row_record import VERSION
from ingest.records.session_snapshot import EMPTY
from ingest.rows.layout import EventRows
from tests.actors.log.files import aside, flip
from tests.actors.log.records import DESCRIPTION

RECORDED = Path(__file__).with_name("recorded")
"""`version-1` is a backlog of nine events, the first four of them planned as a batch: a visit of
two pages, a custom event and an engagement event; one of a path that is no UTF-8; and two visits of
the past. `version-2` is a whole state directory, see its README.md."""

SEGMENTS = ("00000000000000000003", "00000000000000000031", "00000000000000000039")


@pytest.fixture
def version_1(tmp_path: Path) -> Path:
    return shutil.copytree(RECORDED / "version-1", tmp_path / "journal")


@pytest.fixture
def version_2(tmp_path: Path) -> Path:
    return shutil.copytree(RECORDED / "version-2" / "state" / "journal", tmp_path / "journal")


def an_open_journal(directory: Path) -> OldJournal:
    journal = OldJournal.open(directory)
    assert journal is not None
    return journal


def events_of(journal: OldJournal, position: int) -> list[JournalEvent]:
    return [event for run in journal.events(position) for event in run]


def rows_of(journal: OldJournal) -> list[EventRows]:
    return [event.rows for event in events_of(journal, journal.stored)]


def test_every_version_is_recorded() -> None:
    recorded = {path.name for path in RECORDED.iterdir()}
    assert recorded == {f"version-{version}" for version in range(1, VERSION + 1)}


def test_the_backlog_is_read_and_cut_as_it_was(version_1: Path) -> None:
    journal = an_open_journal(version_1)
    assert (journal.id, journal.stored, journal.end) == ("3c503f401457f1f3", 0, 9)
    assert journal.planned == (4,)
    rows = rows_of(journal)
    assert [row.event[1] for row in rows] == [
        *("pageview", "pageview", "Signup", "pageview", "engagement"),
        *("pageview",) * 4,
    ]
    assert rows[2].event[16:18] == (("näme", "plan"), ("wert", "pro"))
    assert rows[3].event[6] == "/b\udcff"
    assert [row.event[6] for row in rows[5:]] == [f"/past/{number}" for number in range(4)]
    assert [[state[1] for state in row.sessions] for row in rows] == [
        *([1], [-1, 1], [-1, 1], [1], []),
        *([1], [1], [-1, 1], [-1, 1]),
    ]
    journal.close()


def test_sessions_go_on(version_1: Path) -> None:
    journal = an_open_journal(version_1)
    state = state_of(journal, EMPTY, DESCRIPTION)
    assert (state.log_id, state.position, state.number) == (journal.id, 9, 9)
    rows = rows_of(journal)
    sessions = {session.session_id: session for session in state.sessions}
    assert len(sessions) == 4
    session = sessions[rows[0].event[4]]
    assert (session.events, session.pageviews, session.entry_page) == (3, 2, "/")
    # The engagement event has kept it alive.
    assert session.timestamp == rows[4].event[0] > rows[2].event[0]
    journal.close()


def test_version_2(version_2: Path) -> None:
    journal = an_open_journal(version_2)
    assert (journal.id, journal.first, journal.stored) == ("ffbea9553245ee57", 3, 15)
    assert (journal.end, journal.planned, journal.lost) == (39, (21, 27, 30, 35), 0)
    assert [event.position for event in events_of(journal, 5)] == list(range(5, 39))
    assert any(event.origin.past for event in events_of(journal, 3))
    assert [
        event.position for event in events_of(journal, 3) if event.origin.letter is not None
    ] == [38]
    journal.close()


def test_nothing_there(tmp_path: Path) -> None:
    assert OldJournal.open(tmp_path / "nothing") is None
    assert OldJournal.open(tmp_path) is None
    # As a version leaves it that has refused a log of this one.
    (tmp_path / "progress").write_bytes(bytes(512))
    assert OldJournal.open(tmp_path) is None


def test_progress_outlasts_the_process(version_2: Path) -> None:
    journal = an_open_journal(version_2)
    journal.acknowledge(27)
    assert journal.planned == (30, 35)
    journal.close()
    journal = an_open_journal(version_2)
    assert (journal.stored, journal.planned) == (27, (30, 35))
    journal.acknowledge(35)
    journal.plan(38)
    journal.close()
    journal = an_open_journal(version_2)
    assert (journal.stored, journal.planned) == (35, (38,))
    journal.close()


def test_without_progress_all_of_it_is_to_be_stored(version_2: Path) -> None:
    (version_2 / "progress").unlink()
    journal = an_open_journal(version_2)
    assert (journal.id, journal.stored, journal.planned) == ("ffbea9553245ee57", 3, ())
    journal.close()


def test_it_can_be_read_when_somebody_has_deleted_it(version_2: Path) -> None:
    journal = an_open_journal(version_2)
    shutil.rmtree(version_2)
    assert len(events_of(journal, 15)) == 24
    journal.acknowledge(21)
    assert journal.stored == 21
    journal.remove()
    journal.close()


def test_damage_is_counted_by_where_the_next_segment_begins(version_2: Path) -> None:
    flip(version_2 / f"{SEGMENTS[0]}.journal", 9000)
    journal = an_open_journal(version_2)
    found = [event.position for event in events_of(journal, journal.stored)]
    assert found[-8:] == list(range(31, 39))
    assert journal.lost == 24 - len(found) > 0
    journal.remove()
    assert [path.name for path in version_2.iterdir()] == [f"{SEGMENTS[0]}.damaged"]
    journal.close()


def test_damage_is_counted_by_what_was_planned(version_2: Path) -> None:
    (version_2 / f"{SEGMENTS[2]}.journal").unlink()
    flip(version_2 / f"{SEGMENTS[1]}.journal", 40)
    journal = an_open_journal(version_2)
    assert [event.position for event in events_of(journal, 15)] == list(range(15, 31))
    assert (journal.end, journal.lost) == (35, 4)
    journal.remove()
    assert [path.name for path in version_2.iterdir()] == [f"{SEGMENTS[1]}.damaged"]
    journal.close()


def test_a_segment_that_is_gone(version_2: Path) -> None:
    (version_2 / f"{SEGMENTS[0]}.journal").unlink()
    journal = an_open_journal(version_2)
    assert (journal.first, journal.lost) == (31, 16)
    journal.close()


def test_what_belongs_to_another_journal_is_put_aside(version_2: Path) -> None:
    other = next((RECORDED / "version-1").glob("*.journal"))
    shutil.copy(other, version_2 / f"{7:020d}.journal")
    (version_2 / f"{8:020d}.journal").write_bytes(b"no header")
    before = len(os.listdir("/proc/self/fd"))
    journal = an_open_journal(version_2)
    assert (journal.end, journal.lost) == (39, 0)
    assert aside(version_2) == [f"{7:020d}", f"{8:020d}"]
    journal.close()
    assert len(os.listdir("/proc/self/fd")) == before
