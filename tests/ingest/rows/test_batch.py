from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.model.event import Visitor
from ingest.rows.batch import Batch, CounterKey, Insert
from ingest.rows.layout import (
    SESSION_EVENTS,
    SESSION_ID,
    SESSION_SIGN,
    EventRows,
    Row,
    rows_of,
)
from ingest.rows.schema import COUNTERS
from ingest.sessions.live_sessions import LiveSessions
from tests.examples import NOON, an_enriched_event

nonces = count(1)


def rows_after(sessions: LiveSessions, user: int, name: str, timestamp: int) -> EventRows | None:
    event = an_enriched_event(
        visitor=Visitor(user, None), name=name, timestamp=timestamp, nonce=next(nonces)
    )
    transition = sessions.transition(event, timestamp)
    if transition is None:
        return None
    sessions.put(transition.after)
    return rows_of(event, transition)


def fill(*names: str, sessions: LiveSessions | None = None) -> Batch:
    if sessions is None:
        sessions = LiveSessions(1800)
    batch = Batch()
    for second, name in enumerate(names):
        rows = rows_after(sessions, 1, name, NOON + second)
        assert rows is not None
        batch.add(rows)
    return batch


def test_an_empty_batch_inserts_nothing() -> None:
    batch = Batch()
    assert batch.is_empty
    assert batch.inserts("b") == ()


@pytest.mark.parametrize("attempted", [False, True])
def test_sessions_events_and_counters_in_this_order_each_with_its_token(attempted: bool) -> None:
    batch = fill("pageview")
    batch.count([((NOON, "example.com", 1, "buffered", 0), 1)])
    inserts = batch.inserts("b", attempted=attempted)
    assert [(insert.table, insert.token, len(insert.rows)) for insert in inserts] == [
        ("sessions_v2", "b-sessions", 1),
        ("events_v2", "b-events", 1),
        ("ingest_counters", "b-counters", 1),
    ]
    assert {insert.attempted for insert in inserts} == {attempted}


def test_counters_are_added_up_in_order_of_first_appearance() -> None:
    batch = Batch()
    accepted: CounterKey = (NOON, "example.com", 1, "buffered", 36)
    others: list[CounterKey] = [
        (NOON + 60, "example.com", 1, "buffered", 36),
        (NOON, "else.example", None, "buffered", 36),
        (NOON, "example.com", 1, "dropped_bot", 36),
        (NOON, "example.com", 1, "buffered", 35),
    ]
    batch.count([(accepted, 2), *((other, 1) for other in others)])
    batch.count([(accepted, 3)])
    assert not batch.is_empty
    assert len(batch) == 0
    (insert,) = batch.inserts("b")
    columns = [column.name for column in COUNTERS.inserted]
    assert dict(zip(columns, insert.rows[0], strict=True)) == {
        "event_timebucket": NOON,
        "domain": "example.com",
        "site_id": 1,
        "metric": "buffered",
        "value": 5,
        "tracker_script_version": 36,
    }
    assert [row[4] for row in insert.rows] == [5, 1, 1, 1, 1]


def test_a_visit_within_one_batch_is_one_session_row() -> None:
    batch = fill("pageview", "engagement", "Signup", "engagement", "pageview")
    sessions, events = batch.inserts("b")
    assert len(batch) == len(events.rows) == 5
    assert [(row[SESSION_SIGN], row[SESSION_EVENTS]) for row in sessions.rows] == [(1, 3)]


def test_a_visit_from_an_earlier_batch_is_cancelled_once() -> None:
    sessions = LiveSessions(1800)
    fill("pageview", sessions=sessions)
    inserts = fill("pageview", "pageview", "pageview", sessions=sessions).inserts("b")
    assert [(row[SESSION_SIGN], row[SESSION_EVENTS]) for row in inserts[0].rows] == [
        (-1, 1),
        (1, 4),
    ]


def test_engagement_alone_writes_no_session() -> None:
    sessions = LiveSessions(1800)
    fill("pageview", sessions=sessions)
    (insert,) = fill("engagement", sessions=sessions).inserts("b")
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
    sessions = LiveSessions(1800)
    written: list[Row] = []
    batch = Batch()
    for second, (user, name, cut) in enumerate(steps):
        rows = rows_after(sessions, user, name, NOON + second)
        if rows is not None:
            batch.add(rows)
        if cut:
            written += session_rows(batch)
            batch = Batch()
    written += session_rows(batch)
    sums: dict[int, int] = {}
    for row in written:
        sums[row[SESSION_ID]] = (
            sums.get(row[SESSION_ID], 0) + row[SESSION_SIGN] * row[SESSION_EVENTS]
        )
    assert sums == {session.session_id: session.events for session in sessions}


def session_rows(batch: Batch) -> list[Row]:
    return [
        row for insert in batch.inserts("b") for row in insert.rows if insert.table == "sessions_v2"
    ]


def test_halves_keep_all_rows_in_order_under_tokens_of_their_own() -> None:
    insert = Insert("events_v2", ((1,), (2,), (3,)), "b-events", attempted=True)
    first, second = insert.halves()
    assert first.rows + second.rows == insert.rows
    assert (first.token, second.token) == ("b-events.0", "b-events.1")
    assert first.attempted
    assert second.attempted
