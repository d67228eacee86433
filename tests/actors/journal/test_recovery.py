from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from actors.journal.file_journal import FileJournal
from actors.journal.journal import JournalError, MemoryJournal
from actors.journal.journal_keeper import take_snapshot
from actors.journal.recovery import rebuild_sessions, settle_letters, spill_backlog
from actors.letters.dead_letters import DeadLetters
from ingest.model.event import ENGAGEMENT, Visitor
from ingest.rows.batch import Insert
from ingest.rows.layout import EventRows, Origin, Row, event_row, session_row
from ingest.sessions.open_sessions import OpenSessions
from ingest.sessions.session import Session
from ingest.sessions.snapshot import EMPTY, Snapshot
from tests.actors.fakes import LettersAtOnce
from tests.examples import NOON, an_enriched_event

STEPS = st.lists(
    st.tuples(
        st.integers(1, 3),
        st.sampled_from(["pageview", "Signup", "engagement"]),
        st.integers(0, 900),
        st.booleans(),
    ),
    max_size=30,
)


def a_journal(directory: Path) -> FileJournal:
    return FileJournal.open(directory, limit=1_000_000)


def track(
    sessions: OpenSessions, user: int, name: str, timestamp: int, *, past: bool = False
) -> EventRows | None:
    """As the sessions actor does."""
    event = an_enriched_event(visitor=Visitor(user, None), name=name, timestamp=timestamp)
    visits = sessions.past if past else sessions
    transition = visits.transition(event)
    if transition is None:
        return None
    visits.commit(transition)
    before, after = transition.before, transition.after
    states: tuple[Row, ...] = () if name == ENGAGEMENT else (session_row(after, 1),)
    if before is not None and states:
        states = (session_row(before, -1), *states)
    return EventRows(event_row(event, after), states, Origin(past))


def by_visitor(sessions: OpenSessions) -> dict[int, Session]:
    return {session.user_id: session for session in sessions}


@given(STEPS, st.integers(0, 30))
def test_visits_are_what_they_were_before_the_crash(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[tuple[int, str, int, bool]],
    saved_at: int,
) -> None:
    """From any snapshot and the events after it."""
    journal = a_journal(tmp_path_factory.mktemp("journal"))
    sessions = OpenSessions(1800, lambda: journal.end + 1)
    snapshot = EMPTY
    timestamp = NOON
    for number, (user, name, later, past) in enumerate(steps):
        if number == saved_at:
            snapshot = take_snapshot(sessions, journal)
        timestamp += later
        rows = track(sessions, user, name, timestamp, past=past)
        if rows is not None:
            journal.append([rows])
    rebuilt = OpenSessions(1800, lambda: 0)
    rebuild_sessions(rebuilt, snapshot, journal)
    assert by_visitor(rebuilt) == by_visitor(sessions)
    assert by_visitor(rebuilt.past) == by_visitor(sessions.past)
    journal.close()


def test_visits_that_do_not_fit_the_journal_begin_anew(tmp_path: Path) -> None:
    """Going on from a state that is not the last one stored would cancel what is not there."""
    journal = FileJournal.open(tmp_path, limit=20_000)
    sessions = OpenSessions(1800, lambda: 5)
    while journal.segments < 3:
        rows = track(sessions, journal.end // 20, "pageview", NOON)
        assert rows is not None
        journal.append([rows])
    old = take_snapshot(sessions, journal)
    journal.acknowledge(journal.end)
    journal.retire(journal.end)
    for position in (old.position - 1, journal.end + 1):
        rebuilt = OpenSessions(1800, lambda: 0)
        rebuild_sessions(rebuilt, replace(old, position=position), journal)
        assert len(rebuilt) == 0
    rebuilt = OpenSessions(1800, lambda: 0)
    rebuild_sessions(rebuilt, old, journal)
    assert by_visitor(rebuilt) == by_visitor(sessions)
    journal.close()


def test_letters_whose_events_are_in_the_journal_are_done_with(tmp_path: Path) -> None:
    """A crash came between the write and the deletion."""
    journal = a_journal(tmp_path / "journal")
    letters = LettersAtOnce(tmp_path / "letters")
    for _ in range(3):
        letters.keep("sessions", an_enriched_event(), "x", redrive=True)
    first, second, third = letters.ids()
    letters.unmark(third)
    rows = track(OpenSessions(1800, lambda: 1), 1, "pageview", NOON)
    assert rows is not None
    journal.append([rows, structs.replace(rows, origin=Origin(letter=first)), rows])
    journal.append([structs.replace(rows, origin=Origin(letter="gone"))])
    settle_letters(journal, letters.directory)
    letters.look()
    assert set(letters.ids()) == {second, third}
    settle_letters(MemoryJournal(), letters.directory)
    assert letters.to_redrive() == [second]
    journal.close()


def test_a_snapshot_of_another_journal_is_older_than_everything(tmp_path: Path) -> None:
    journal = a_journal(tmp_path)
    sessions = OpenSessions(1800, lambda: 5)
    rows = track(sessions, 1, "pageview", NOON)
    assert rows is not None
    journal.append([rows])
    rebuilt = OpenSessions(1800, lambda: 0)
    rebuild_sessions(rebuilt, Snapshot("another", 1000, ()), journal)
    assert len(rebuilt) == 1


def test_without_a_journal_there_is_the_snapshot(tmp_path: Path) -> None:
    sessions = OpenSessions(1800, lambda: 5)
    track(sessions, 1, "pageview", NOON)
    rebuilt = OpenSessions(1800, lambda: 0)
    rebuild_sessions(rebuilt, Snapshot("", 0, tuple(sessions)), MemoryJournal())
    assert by_visitor(rebuilt) == by_visitor(sessions)


def spilled(letters: DeadLetters) -> dict[str, int]:
    """Events by token of the letters that are to be put back."""
    contents = [letters.directory.read(letter_id).content for letter_id in letters.to_redrive()]
    return {
        insert.token: len(insert.rows)
        for insert in contents
        if isinstance(insert, Insert) and insert.table == "events_v2"
    }


def test_a_backlog_becomes_letters_cut_as_it_was(tmp_path: Path) -> None:
    journal = a_journal(tmp_path / "journal")
    sessions = OpenSessions(10**6, lambda: journal.end + 1)
    for second in range(100):
        rows = track(sessions, second % 7, "pageview", NOON + second)
        assert rows is not None
        journal.append([rows])
    journal.plan(10)
    journal.acknowledge(10)
    journal.plan(23)
    letters = LettersAtOnce(tmp_path / "letters")
    for _ in range(2):  # a crash in between: the same letters, once
        assert spill_backlog(journal, letters, 50) == 90
        assert spilled(letters) == {
            f"{journal.id}-10-23-events": 13,
            f"{journal.id}-23-73-events": 50,
            f"{journal.id}-73-100-events": 27,
        }
    attempted = [
        content.attempted
        for letter_id in letters.to_redrive()
        if isinstance(content := letters.directory.read(letter_id).content, Insert)
    ]
    assert attempted.count(True) == 2


def test_a_backlog_that_cannot_be_spilled_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = a_journal(tmp_path / "journal")
    rows = track(OpenSessions(1800, lambda: 1), 1, "pageview", NOON)
    assert rows is not None
    journal.append([rows])
    monkeypatch.setattr(DeadLetters, "keep", lambda *arguments, **keywords: False)
    with pytest.raises(JournalError):
        spill_backlog(journal, LettersAtOnce(tmp_path / "letters"), 50)
    assert journal.backlog == 1
