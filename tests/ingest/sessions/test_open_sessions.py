from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ingest.model.event import EnrichedEvent, Visitor
from ingest.sessions.open_sessions import OpenSessions, Transition
from ingest.sessions.session import Session
from ingest.sessions.snapshot import Snapshot, read_snapshot, write_header, write_sessions
from tests.examples import NOON, an_enriched_event

TIMEOUT = 1800


@pytest.fixture
def sessions() -> OpenSessions:
    return OpenSessions(TIMEOUT, count(1).__next__)


def apply(sessions: OpenSessions, **event: Any) -> Transition | None:
    transition = sessions.transition(an_enriched_event(**event))
    if transition is not None:
        sessions.commit(transition)
    return transition


def test_the_first_event_opens_a_visit(sessions: OpenSessions) -> None:
    transition = apply(sessions)
    assert transition is not None
    assert transition.before is None
    assert transition.after.session_id == 1
    assert len(sessions) == 1


@pytest.mark.parametrize(
    ("silence", "session_id"),
    [
        pytest.param(30 * 60, 1, id="30:00 continues"),
        pytest.param(30 * 60 + 1, 2, id="30:01 begins anew"),
    ],
)
def test_timeout(sessions: OpenSessions, silence: int, session_id: int) -> None:
    apply(sessions)
    transition = apply(sessions, timestamp=NOON + silence)
    assert transition is not None
    assert transition.after.session_id == session_id


def test_engagement_extends_a_visit(sessions: OpenSessions) -> None:
    apply(sessions)
    apply(sessions, name="engagement", timestamp=NOON + 1800)
    transition = apply(sessions, timestamp=NOON + 3600)
    assert transition is not None
    assert transition.after.session_id == 1


def test_engagement_never_opens_a_visit(sessions: OpenSessions) -> None:
    assert apply(sessions, name="engagement") is None
    assert len(sessions) == 0


def test_a_transition_changes_nothing_until_committed(sessions: OpenSessions) -> None:
    apply(sessions)
    for _ in range(2):
        transition = sessions.transition(an_enriched_event())
        assert transition is not None
        assert transition.after.pageviews == 2


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"site_id": 2}, id="another site"),
        pytest.param({"visitor": Visitor(2002, None)}, id="another visitor"),
    ],
)
def test_visits_are_kept_apart(sessions: OpenSessions, other: dict[str, Any]) -> None:
    apply(sessions)
    transition = apply(sessions, **other)
    assert transition is not None
    assert transition.before is None
    assert len(sessions) == 2


def test_one_rotation_of_salts_does_not_split_a_visit(sessions: OpenSessions) -> None:
    apply(sessions, visitor=Visitor(1001, None))
    second = apply(sessions, visitor=Visitor(2002, 1001), timestamp=NOON + 60)
    third = apply(sessions, visitor=Visitor(2002, 1001), timestamp=NOON + 120)
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


def test_a_timed_out_visit_under_the_previous_id_is_not_continued(sessions: OpenSessions) -> None:
    apply(sessions, visitor=Visitor(1001, None))
    transition = apply(sessions, visitor=Visitor(2002, 1001), timestamp=NOON + 1801)
    assert transition is not None
    assert transition.before is None


def test_expire_forgets_what_is_over_and_nothing_else(sessions: OpenSessions) -> None:
    for user in range(10):
        apply(sessions, visitor=Visitor(user, None), timestamp=NOON + user)
    assert sessions.expire(NOON + 1800) == 0
    assert sessions.expire(NOON + 1800 + 5) == 5
    assert [session.user_id for session in sessions] == [5, 6, 7, 8, 9]


def test_restore_continues_visits(sessions: OpenSessions) -> None:
    apply(sessions, visitor=Visitor(1, None), timestamp=NOON + 9)
    apply(sessions, visitor=Visitor(2, None), timestamp=NOON)
    restored = OpenSessions(TIMEOUT, count(100).__next__)
    restored.restore(sessions)
    transition = restored.transition(an_enriched_event(visitor=Visitor(1, None)))
    assert transition is not None
    assert transition.after.session_id == 1
    assert restored.expire(NOON + 1801) == 1


def test_visits_of_a_clock_that_ran_ahead_keep_no_other_in_memory() -> None:
    sessions = OpenSessions(TIMEOUT, count(1).__next__)
    apply(sessions, visitor=Visitor(1, None), timestamp=NOON + 86_400)
    for hour in range(5):
        now = NOON + hour * 3600
        sessions.expire(now)
        apply(sessions, visitor=Visitor(2 + hour, None), timestamp=now)
    assert len(sessions) == 1


def test_events_that_come_half_an_hour_late_end_no_visit() -> None:
    """However short visits are: batches bring such events among those of now."""
    sessions = OpenSessions(60, count(1).__next__)
    apply(sessions, timestamp=NOON)
    assert sessions.expire(NOON - 1800) == 0


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
    sessions = OpenSessions(TIMEOUT, count(1).__next__)
    states: dict[int, Session] = {}
    counted: dict[int, int] = {}
    now = NOON
    for user, silence, name in steps:
        now += silence
        transition = apply(sessions, visitor=Visitor(user, None), name=name, timestamp=now)
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
    """Any order of events, refusals, silence, rotations of the salts and restarts.

    The model keeps every accepted event and works each visit's figures out anew from them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ids = count(1)
        self.sessions = OpenSessions(TIMEOUT, self.ids.__next__)
        self.now = NOON
        self.day = 0
        self.accepted: dict[int, list[EnrichedEvent]] = {}
        self.latest: dict[int, tuple[int, int, int]] = {}

    @rule(
        person=st.integers(0, 3),
        name=st.sampled_from(["pageview", "Signup", "engagement"]),
        interactive=st.booleans(),
        page=st.sampled_from(["/", "/a", "/b"]),
        kept=st.booleans() | st.just(True),
    )
    def send(self, person: int, name: str, interactive: bool, page: str, kept: bool) -> None:
        event = an_enriched_event(
            visitor=Visitor(
                1000 * self.day + person,
                1000 * (self.day - 1) + person if self.day else None,
            ),
            name=name,
            interactive=interactive,
            pathname=page,
            timestamp=self.now,
        )
        self.sessions.expire(self.now)
        transition = self.sessions.transition(event)
        expected = self.expected_visit(person)
        if transition is None:
            assert name == "engagement"
            assert expected is None
            return
        self.sessions.commit(transition)
        if not kept:
            self.sessions.undo(transition)
            return
        visit = transition.after.session_id
        assert (transition.before is None) == (expected is None)
        assert expected in (None, visit)
        self.accepted.setdefault(visit, []).append(event)
        self.latest[person] = (visit, self.now, self.day)

    def expected_visit(self, person: int) -> int | None:
        """The visit that goes on: no longer silence, no second rotation since it began."""
        if person not in self.latest:
            return None
        visit, seen, _ = self.latest[person]
        began = self.accepted[visit][0].visitor.user_id // 1000
        return visit if self.now - seen <= TIMEOUT and self.day - began <= 1 else None

    @rule(seconds=st.integers(0, 2 * TIMEOUT))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @rule()
    def rotate(self) -> None:
        self.day += 1

    @rule()
    def restart(self) -> None:
        snapshot = Snapshot("j", 0, tuple(self.sessions))
        text = write_header(snapshot) + write_sessions(snapshot.sessions)
        self.sessions = OpenSessions(TIMEOUT, self.ids.__next__)
        self.sessions.restore(read_snapshot(text.splitlines(keepends=True)).sessions)

    @invariant()
    def figures_are_those_of_the_events(self) -> None:
        for session in self.sessions:
            if session.session_id not in self.accepted:
                continue
            events = self.accepted[session.session_id]
            counted = [event for event in events if event.name != "engagement"]
            pages = [event for event in counted if event.name == "pageview"]
            assert session.events == len(counted)
            assert session.pageviews == len(pages)
            assert session.start == events[0].timestamp
            assert session.timestamp == events[-1].timestamp
            assert session.duration == counted[-1].timestamp - session.start
            assert session.entry_page == (pages[0].pathname if pages else "")
            assert session.exit_page == (pages[-1].pathname if pages else "")
            active = any(event.interactive and event.name != "pageview" for event in counted)
            assert session.is_bounce == (len(pages) < 2 and not active)


TestVisits = Visits.TestCase
TestVisits.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
