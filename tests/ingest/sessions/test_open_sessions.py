from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ingest.fold.checkpoint import FoldState, read_parts, write_parts
from ingest.model.event import EnrichedEvent, Visitor
from ingest.records.record import Description
from ingest.sessions.open_sessions import OpenSessions, Transition
from ingest.sessions.session import Session
from tests.examples import NOON, an_enriched_event

TIMEOUT = 1800
MARGIN = 60


@pytest.fixture
def sessions() -> OpenSessions:
    return OpenSessions(TIMEOUT, MARGIN)


def apply(
    sessions: OpenSessions, *, log_time: int | None = None, **changes: Any
) -> Transition | None:
    """Apply an event, which enters the log as it happens unless told otherwise."""
    event = an_enriched_event(**changes)
    transition = sessions.transition(event, event.timestamp if log_time is None else log_time)
    if transition is not None:
        sessions.commit(transition)
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


def test_expire_forgets_what_is_over_and_nothing_else(sessions: OpenSessions) -> None:
    for user in range(10):
        # Only the log's time counts, whatever time an event brings.
        apply(sessions, visitor=Visitor(user, None), timestamp=NOON - user, log_time=NOON + user)
    assert sessions.expire(NOON + TIMEOUT + MARGIN) == 0
    assert sessions.expire(NOON + TIMEOUT + MARGIN + 5) == 5
    assert [session.user_id for session in sessions] == [5, 6, 7, 8, 9]


def test_counts_what_is_not_over_and_forgets_nothing(sessions: OpenSessions) -> None:
    assert sessions.count(NOON) == 0
    for user in range(10):
        apply(sessions, visitor=Visitor(user, None), log_time=NOON + user)
    last = NOON + TIMEOUT + MARGIN
    counts = [sessions.count(last + seconds) for seconds in (-TIMEOUT, 0, 1, 5, 9, 10, 10_000)]
    assert counts == [10, 10, 9, 5, 1, 0, 0]
    assert len(sessions) == 10


def test_a_session_that_is_touched_is_kept_longer(sessions: OpenSessions) -> None:
    for user in (1, 2, 1):
        apply(sessions, visitor=Visitor(user, None), log_time=NOON + len(sessions))
    assert [session.user_id for session in sessions] == [2, 1]
    assert sessions.expire(NOON + 2 + TIMEOUT + MARGIN) == 1


def test_step_back_lets_what_was_touched_later_be_touched_now(sessions: OpenSessions) -> None:
    for user, log_time in enumerate((NOON, NOON + 5, NOON + 86_400, NOON + 86_401)):
        apply(sessions, visitor=Visitor(user, None), log_time=log_time)
    assert list(sessions.step_back(NOON + 10)) == []
    assert [(session.user_id, session.touched) for session in sessions] == [
        (0, NOON),
        (1, NOON + 5),
        (2, NOON + 10),
        (3, NOON + 10),
    ]


def test_forget_beyond_forgets_those_touched_longest_ago(sessions: OpenSessions) -> None:
    for user in (1, 2, 3, 1):
        apply(sessions, visitor=Visitor(user, None))
    sessions.forget_beyond(3)
    assert len(sessions) == 3
    sessions.forget_beyond(2)
    assert [session.user_id for session in sessions] == [3, 1]


def test_restore_continues_sessions_in_their_order(sessions: OpenSessions) -> None:
    apply(sessions, nonce=1, visitor=Visitor(1, None), timestamp=NOON + 9)
    apply(sessions, nonce=2, visitor=Visitor(2, None), timestamp=NOON)
    restored = OpenSessions(TIMEOUT, MARGIN)
    restored.restore(sessions)
    assert list(restored) == list(sessions)
    transition = restored.transition(an_enriched_event(visitor=Visitor(1, None)), NOON)
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
    sessions = OpenSessions(TIMEOUT, MARGIN)
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


class Visits(RuleBasedStateMachine):
    """Any order of events, silence, clocks that step back, rotations of the salts and restarts.

    The model keeps every event and works each visit's figures out anew from them. By visitor id, it
    remembers the visit, the time of its last event, and the log's time then.
    """

    def __init__(self) -> None:
        super().__init__()
        self.nonces = count(1)
        self.sessions = OpenSessions(TIMEOUT, MARGIN)
        self.log_time = NOON
        self.day = 0
        self.accepted: dict[int, list[EnrichedEvent]] = {}
        self.latest: dict[int, tuple[int, int, int]] = {}

    @rule(
        person=st.integers(1, 4),
        name=st.sampled_from(["pageview", "Signup", "engagement"]),
        interactive=st.booleans(),
        page=st.sampled_from(["/", "/a", "/b"]),
        late=st.just(0) | st.integers(0, 2 * MARGIN),
        kept=st.booleans() | st.just(True),
    )
    def send(
        self, person: int, name: str, interactive: bool, page: str, late: int, kept: bool
    ) -> None:
        visitor = Visitor(
            1000 * self.day + person, 1000 * (self.day - 1) + person if self.day else None
        )
        event = an_enriched_event(
            visitor=visitor,
            name=name,
            interactive=interactive,
            pathname=page,
            timestamp=self.log_time - late,
            nonce=next(self.nonces),
        )
        self.sessions.expire(self.log_time)
        transition = self.sessions.transition(event, self.log_time)
        expected = self.expected_visit(event)
        if transition is None:
            assert name == "engagement"
            assert expected is None
            return
        assert (transition.before is None) == (expected is None)
        visit = transition.after.session_id
        assert visit == (event.nonce if expected is None else expected)
        if not kept:
            return
        self.sessions.commit(transition)
        self.accepted.setdefault(visit, []).append(event)
        user = self.accepted[visit][0].visitor.user_id
        self.latest[user] = (visit, event.timestamp, self.log_time)

    def expected_visit(self, event: EnrichedEvent) -> int | None:
        """The visit that goes on: no longer silence, no second rotation since it began."""
        for user in (event.visitor.user_id, event.visitor.previous_user_id or 0):
            if user not in self.latest:
                continue
            visit, seen, touched = self.latest[user]
            if event.timestamp - seen <= TIMEOUT and self.log_time - touched <= TIMEOUT + MARGIN:
                return visit
        return None

    @rule(seconds=st.integers(0, 2 * TIMEOUT))
    def wait(self, seconds: int) -> None:
        self.log_time += seconds

    @rule(seconds=st.integers(1, 2 * TIMEOUT))
    def step_back(self, seconds: int) -> None:
        # What is over by then is over, also when the clock steps back.
        self.sessions.expire(self.log_time)
        over = self.log_time - TIMEOUT - MARGIN
        self.log_time -= seconds
        for _ in self.sessions.step_back(self.log_time):
            pass
        self.latest = {
            user: (visit, seen, min(touched, self.log_time))
            for user, (visit, seen, touched) in self.latest.items()
            if touched >= over
        }

    @rule()
    def rotate(self) -> None:
        self.day += 1

    @rule()
    def restart(self) -> None:
        state = FoldState(
            "log",
            0,
            0,
            self.log_time,
            Description(TIMEOUT, MARGIN),
            tuple(self.sessions),
            (),
            (),
        )
        self.sessions = read_parts(write_parts(state)).restore().sessions

    @invariant()
    def are_in_the_order_in_which_they_were_touched(self) -> None:
        touched = [session.touched for session in self.sessions]
        assert touched == sorted(touched)

    @invariant()
    def figures_are_those_of_the_events(self) -> None:
        for session in self.sessions:
            events = self.accepted[session.session_id]
            counted = [event for event in events if event.name != "engagement"]
            pages = [event for event in counted if event.name == "pageview"]
            assert session.events == len(counted)
            assert session.pageviews == len(pages)
            assert session.start == events[0].timestamp
            assert session.timestamp == events[-1].timestamp
            assert session.duration == abs(counted[-1].timestamp - session.start)
            assert session.entry_page == (pages[0].pathname if pages else "")
            assert session.exit_page == (pages[-1].pathname if pages else "")
            active = any(event.interactive and event.name != "pageview" for event in counted)
            assert session.is_bounce == (len(pages) < 2 and not active)


TestVisits = Visits.TestCase
TestVisits.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
