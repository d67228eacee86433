from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.model.event import Visitor
from ingest.sessions.live_sessions import LiveSessions
from ingest.sessions.open_sessions import OpenSessions, Transition
from ingest.sessions.past_sessions import PastSessions
from ingest.sessions.session import Session
from tests.examples import NOON, an_enriched_event

TIMEOUT = 1800


@pytest.fixture(params=[LiveSessions, PastSessions])
def sessions(request: pytest.FixtureRequest) -> OpenSessions:
    kind: Callable[[int], OpenSessions] = request.param
    return kind(TIMEOUT)


def apply(
    sessions: OpenSessions, *, log_time: int | None = None, **changes: Any
) -> Transition | None:
    """Apply an event, which enters the log as it happens unless told otherwise."""
    event = an_enriched_event(**changes)
    transition = sessions.transition(event, event.timestamp if log_time is None else log_time)
    if transition is not None:
        sessions.put(transition.after)
    return transition


def test_the_first_event_opens_a_session(sessions: OpenSessions) -> None:
    transition = apply(sessions, nonce=5)
    assert transition is not None
    assert transition.before is None
    assert transition.after.session_id == 5
    assert len(sessions) == 1


@pytest.mark.parametrize(
    ("silence", "session_id"),
    [
        pytest.param(-60 * 60, 1, id="an earlier one continues"),
        pytest.param(30 * 60, 1, id="30:00 continues"),
        pytest.param(30 * 60 + 1, 2, id="30:01 begins anew"),
    ],
)
def test_timeout(sessions: OpenSessions, silence: int, session_id: int) -> None:
    apply(sessions, nonce=1)
    transition = apply(sessions, nonce=2, timestamp=NOON + silence)
    assert transition is not None
    assert transition.after.session_id == session_id


def test_engagement_extends_a_session(sessions: OpenSessions) -> None:
    apply(sessions, nonce=1)
    apply(sessions, nonce=2, name="engagement", timestamp=NOON + 1800)
    transition = apply(sessions, nonce=3, timestamp=NOON + 3600)
    assert transition is not None
    assert transition.after.session_id == 1


def test_engagement_never_opens_a_session(sessions: OpenSessions) -> None:
    assert apply(sessions, name="engagement") is None
    assert len(sessions) == 0


def test_a_transition_changes_nothing_until_committed(sessions: OpenSessions) -> None:
    apply(sessions)
    for _ in range(2):
        transition = sessions.transition(an_enriched_event(), NOON)
        assert transition is not None
        assert transition.after.pageviews == 2


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"site_id": 2}, id="another site"),
        pytest.param({"visitor": Visitor(2002, None)}, id="another visitor"),
    ],
)
def test_sessions_are_kept_apart(sessions: OpenSessions, other: dict[str, Any]) -> None:
    apply(sessions)
    transition = apply(sessions, **other)
    assert transition is not None
    assert transition.before is None
    assert len(sessions) == 2


def test_one_rotation_of_salts_does_not_split_a_session(sessions: OpenSessions) -> None:
    apply(sessions, nonce=1, visitor=Visitor(1001, None))
    second = apply(sessions, nonce=2, visitor=Visitor(2002, 1001), timestamp=NOON + 60)
    third = apply(sessions, nonce=3, visitor=Visitor(2002, 1001), timestamp=NOON + 120)
    assert second is not None
    assert third is not None
    assert (third.after.session_id, third.after.user_id, third.after.events) == (1, 1001, 3)
    assert len(sessions) == 1


def test_a_second_rotation_does_split_it(sessions: OpenSessions) -> None:
    apply(sessions, visitor=Visitor(1001, None))
    transition = apply(sessions, visitor=Visitor(3003, 2002), timestamp=NOON + 60)
    assert transition is not None
    assert transition.before is None


def test_the_current_id_wins_over_the_previous(sessions: OpenSessions) -> None:
    apply(sessions, visitor=Visitor(1001, None))
    apply(sessions, visitor=Visitor(2002, None))
    transition = apply(sessions, visitor=Visitor(2002, 1001))
    assert transition is not None
    assert transition.after.user_id == 2002


def test_a_timed_out_session_under_the_previous_id_is_not_continued(
    sessions: OpenSessions,
) -> None:
    apply(sessions, visitor=Visitor(1001, None))
    transition = apply(sessions, visitor=Visitor(2002, 1001), timestamp=NOON + 1801)
    assert transition is not None
    assert transition.before is None


def test_restore_continues_sessions(sessions: OpenSessions) -> None:
    apply(sessions, nonce=1, visitor=Visitor(1, None), timestamp=NOON + 9)
    apply(sessions, nonce=2, visitor=Visitor(2, None), timestamp=NOON)
    saved = list(sessions)
    sessions.clear()
    assert len(sessions) == 0
    sessions.restore(saved)
    assert list(sessions) == saved
    transition = apply(sessions, visitor=Visitor(1, None), timestamp=NOON)
    assert transition is not None
    assert transition.after.session_id == 1


def test_get_gives_a_session_whether_it_is_over_or_not(sessions: OpenSessions) -> None:
    apply(sessions, nonce=1, timestamp=NOON - 86_400, log_time=NOON)
    session = sessions.get(1, 1001)
    assert session is not None
    assert session.session_id == 1
    assert sessions.get(1, 1002) is None
    sessions.clear()
    assert sessions.get(1, 1001) is None


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3),
            st.integers(0, 2400),
            st.sampled_from(["pageview", "Signup", "engagement"]),
        ),
        max_size=40,
    )
)
def test_counters_agree_with_the_events(steps: list[tuple[int, int, str]]) -> None:
    sessions = LiveSessions(TIMEOUT)
    states: dict[int, Session] = {}
    counted: dict[int, int] = {}
    now = NOON
    for nonce, (user, silence, name) in enumerate(steps):
        now += silence
        visitor = Visitor(user, None)
        transition = apply(sessions, visitor=visitor, name=name, timestamp=now, nonce=nonce)
        if transition is None:
            continue
        state = transition.after
        states[state.session_id] = state
        counted[state.session_id] = counted.get(state.session_id, 0) + (name != "engagement")
    for session_id, state in states.items():
        assert state.events == counted[session_id]
        assert state.pageviews <= state.events
        assert state.start <= state.timestamp
