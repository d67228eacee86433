from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from ingest.model.event import ENGAGEMENT, Visitor
from ingest.rows.batch import Batch, Insert
from ingest.rows.layout import (
    SESSION_EVENTS,
    SESSION_ID,
    SESSION_SIGN,
    EventRows,
    Row,
    event_row,
    session_row,
)
from ingest.sessions.open_sessions import OpenSessions
from tests.examples import NOON, an_enriched_event


def rows_of(sessions: OpenSessions, user: int, name: str, timestamp: int) -> EventRows | None:
    event = an_enriched_event(visitor=Visitor(user, None), name=name, timestamp=timestamp)
    transition = sessions.transition(event)
    if transition is None:
        return None
    sessions.commit(transition)
    states: tuple[Row, ...] = ()
    if transition.before is None:
        states = (session_row(transition.after, 1),)
    elif name != ENGAGEMENT:
        states = (session_row(transition.before, -1), session_row(transition.after, 1))
    return EventRows(event_row(event, transition.after), states)


def fill(*names: str, sessions: OpenSessions | None = None) -> Batch:
    if sessions is None:
        sessions = OpenSessions(1800, count(1).__next__)
    batch = Batch(0)
    for second, name in enumerate(names):
        rows = rows_of(sessions, 1, name, NOON + second)
        assert rows is not None
        batch.add(rows)
    return batch


def test_an_empty_batch_flushes_nothing() -> None:
    assert Batch(0).flush("b") == ()


def test_session_rows_come_first_each_insert_with_its_token() -> None:
    flush = fill("pageview").flush("b")
    assert [(insert.table, insert.token, len(insert.rows)) for insert in flush] == [
        ("sessions_v2", "b-0-1-sessions", 1),
        ("events_v2", "b-0-1-events", 1),
    ]
    assert {(insert.end, insert.attempted) for insert in flush} == {(1, False)}


def test_tokens_name_the_positions_also_where_events_are_lost() -> None:
    batch = Batch(100)
    batch.skip_to(105)
    batch.add(EventRows((1,), ()))
    (insert,) = batch.flush("b", attempted=True)
    assert (insert.token, insert.end, insert.attempted) == ("b-100-106-events", 106, True)


def test_a_visit_within_one_batch_is_one_session_row() -> None:
    batch = fill("pageview", "engagement", "Signup", "engagement", "pageview")
    sessions, events = batch.flush("b")
    assert len(batch) == len(events.rows) == 5
    assert [(row[SESSION_SIGN], row[SESSION_EVENTS]) for row in sessions.rows] == [(1, 3)]


def test_a_visit_from_an_earlier_batch_is_cancelled_once() -> None:
    sessions = OpenSessions(1800, count(1).__next__)
    fill("pageview", sessions=sessions)
    inserts = fill("pageview", "pageview", "pageview", sessions=sessions).flush("b")
    assert [(row[SESSION_SIGN], row[SESSION_EVENTS]) for row in inserts[0].rows] == [
        (-1, 1),
        (1, 4),
    ]


def test_engagement_alone_writes_no_session() -> None:
    sessions = OpenSessions(1800, count(1).__next__)
    fill("pageview", sessions=sessions)
    (insert,) = fill("engagement", sessions=sessions).flush("b")
    assert insert.table == "events_v2"


@given(
    st.lists(
        st.tuples(
            st.integers(1, 3),
            st.sampled_from(["pageview", "Signup", "engagement"]),
            st.booleans(),
        ),
        max_size=40,
    )
)
def test_coalescing_changes_no_sum(steps: list[tuple[int, str, bool]]) -> None:
    """Whatever is left out cancels: sums over all batches are those of the last states."""
    sessions = OpenSessions(1800, count(1).__next__)
    written: list[Row] = []
    batch = Batch(0)
    for second, (user, name, flush) in enumerate(steps):
        rows = rows_of(sessions, user, name, NOON + second)
        if rows is not None:
            batch.add(rows)
        if flush:
            written += [
                row
                for insert in batch.flush("b")
                for row in insert.rows
                if insert.table == "sessions_v2"
            ]
            batch = Batch(0)
    written += [
        row for insert in batch.flush("b") for row in insert.rows if insert.table == "sessions_v2"
    ]
    sums: dict[int, int] = {}
    for row in written:
        sums[row[SESSION_ID]] = (
            sums.get(row[SESSION_ID], 0) + row[SESSION_SIGN] * row[SESSION_EVENTS]
        )
    assert sums == {session.session_id: session.events for session in sessions}


def test_halves_keep_all_rows_in_order_under_tokens_of_their_own() -> None:
    insert = Insert("events_v2", ((1,), (2,), (3,)), "b-events", letter="letter")
    first, second = insert.halves()
    assert first.rows + second.rows == insert.rows
    assert (first.token, second.token) == ("b-events.0", "b-events.1")
    assert first.letter == second.letter == "letter"
