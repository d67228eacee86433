from hypothesis import given
from hypothesis import strategies as st

from ingest.model.event import Visitor
from ingest.records.row_sessions import follow_rows, session_of
from ingest.rows.layout import rows_of, session_row
from ingest.sessions.live_sessions import LiveSessions
from ingest.sessions.session import Session
from tests.examples import NOON, an_enriched_event
from tests.ingest.records.examples import a_session


def test_a_row_tells_a_whole_session() -> None:
    session = a_session()
    assert session_of(session_row(session, 1)) == session
    assert session_of(session_row(session, -1)) == session


@given(
    st.lists(
        st.tuples(
            st.integers(1, 3),
            st.sampled_from(["pageview", "Signup", "engagement"]),
            st.integers(-60, 2400),
        ),
        max_size=30,
    )
)
def test_rows_do_to_sessions_what_their_events_did(events: list[tuple[int, str, int]]) -> None:
    written, followed = LiveSessions(1800), LiveSessions(1800)
    now = NOON
    for nonce, (user, name, seconds) in enumerate(events):
        now += seconds
        event = an_enriched_event(
            visitor=Visitor(user, None), name=name, timestamp=now, nonce=nonce
        )
        # Rows tell nothing of the log's time: the event's own time stands for it.
        transition = written.transition(event, now)
        if transition is None:
            continue
        written.put(transition.after)
        follow_rows(followed, rows_of(event, transition))
    assert list(followed) == list(written)


def test_engagement_with_an_unknown_session_changes_nothing() -> None:
    sessions, others = LiveSessions(1800), LiveSessions(1800)
    opened = sessions.transition(an_enriched_event(nonce=1), NOON)
    assert opened is not None
    sessions.put(opened.after)
    engagement = an_enriched_event(name="engagement", timestamp=NOON + 5)
    transition = sessions.transition(engagement, NOON + 5)
    assert transition is not None
    rows = rows_of(engagement, transition)
    follow_rows(others, rows)
    assert len(others) == 0
    # As when the session that it kept alive has given way to another of the same visitor.
    later = others.transition(an_enriched_event(nonce=2), NOON)
    assert later is not None
    others.put(later.after)
    follow_rows(others, rows)
    states: list[Session] = list(others)
    assert states == [later.after]
