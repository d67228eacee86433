"""A journal that an earlier version of the program has left, recorded after `kill -9`."""

import shutil
from pathlib import Path

from actors.journal.file_journal import FileJournal
from actors.journal.recovery import rebuild_sessions, runs
from ingest.records.row_record import VERSION
from ingest.rows.layout import EventRows
from ingest.sessions.open_sessions import OpenSessions
from ingest.sessions.snapshot import EMPTY

RECORDED = Path(__file__).with_name("recorded")
"""In each directory a backlog of nine events, the first four of them planned as a batch: a visit of
two pages, a custom event and an engagement event; one of a path that is no UTF-8; and two visits of
the past."""


def rows_of(journal: FileJournal) -> list[EventRows]:
    return [rows for run in runs(journal, journal.stored) for rows in run.rows]


def a_copy(tmp_path: Path) -> FileJournal:
    directory = tmp_path / "journal"
    shutil.copytree(RECORDED / "version-1", directory)
    return FileJournal.open(directory, limit=1_000_000)


def test_every_version_before_this_one_is_recorded() -> None:
    assert {path.name for path in RECORDED.iterdir()} == {
        f"version-{version}" for version in range(1, VERSION)
    }


def test_the_backlog_is_read_and_cut_as_it_was(tmp_path: Path) -> None:
    journal = a_copy(tmp_path)
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


def test_visits_go_on(tmp_path: Path) -> None:
    journal = a_copy(tmp_path)
    sessions = OpenSessions(1800, lambda: 0)
    rebuild_sessions(sessions, EMPTY, journal)
    first = next(iter(sessions))
    rows = rows_of(journal)
    visits = {session.session_id: session for session in sessions}
    assert len(visits) == 4
    visit = visits[rows[0].event[4]]
    assert (visit.events, visit.pageviews, visit.entry_page) == (3, 2, "/")
    # The engagement event has kept it alive.
    assert visit.timestamp == rows[4].event[0] > rows[2].event[0]
    assert first.session_id == rows[3].event[4]
    journal.close()


def test_new_events_follow_in_a_segment_of_their_own(tmp_path: Path) -> None:
    """So that no segment has frames of two versions."""
    journal = a_copy(tmp_path)
    old = rows_of(journal)
    assert journal.append(old[:2]) == 9
    again = FileJournal.open(tmp_path / "journal", limit=1_000_000)
    assert again.segments == 3
    assert rows_of(again) == [*old, *old[:2]]
    again.close()
    journal.close()
