from itertools import count

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ingest.fold.checkpoint import FoldState, read_parts, write_parts
from ingest.model.event import EnrichedEvent, Visitor
from ingest.records.record import Description
from ingest.sessions.live_sessions import LiveSessions
from tests.examples import NOON, an_enriched_event
from tests.ingest.sessions.test_open_sessions import apply

TIMEOUT = 1800
MARGIN = 60


@pytest.fixture
def sessions() -> LiveSessions:
    return LiveSessions(TIMEOUT, MARGIN)


def test_expire_forgets_what_is_over_and_nothing_else(sessions: LiveSessions) -> None:
    for user in range(10):
        # Only the log's time counts, whatever time an event brings.
        apply(sessions, visitor=Visitor(user, None), timestamp=NOON - user, log_time=NOON + user)
    assert sessions.expire(NOON + TIMEOUT + MARGIN) == 0
    assert sessions.expire(NOON + TIMEOUT + MARGIN + 5) == 5
    assert {session.user_id for session in sessions} == {5, 6, 7, 8, 9}


def test_counts_what_is_not_over_and_forgets_nothing(sessions: LiveSessions) -> None:
    assert sessions.count(NOON) == 0
    for user in range(10):
        apply(sessions, visitor=Visitor(user, None), log_time=NOON + user)
    last = NOON + TIMEOUT + MARGIN
    counts = [sessions.count(last + seconds) for seconds in (-TIMEOUT, 0, 1, 5, 9, 10, 10_000)]
    assert counts == [10, 10, 9, 5, 1, 0, 0]
    assert len(sessions) == 10


def test_a_session_that_is_touched_is_kept_longer(sessions: LiveSessions) -> None:
    for user, log_time in ((1, NOON), (2, NOON + 1), (1, NOON + 60), (1, NOON + 61)):
        apply(sessions, visitor=Visitor(user, None), log_time=log_time)
    for log_time, users in (
        (NOON + 1, {1, 2}),
        (NOON + 2, {1}),
        (NOON + 61, {1}),
        (NOON + 62, set()),
    ):
        sessions.expire(log_time + TIMEOUT + MARGIN)
        assert {session.user_id for session in sessions} == users


def test_a_visitor_may_come_back_after_the_session_was_forgotten(sessions: LiveSessions) -> None:
    for opened in (NOON, NOON + 86_400):
        sessions.expire(opened)
        apply(sessions, timestamp=opened)
        sessions.expire(opened + TIMEOUT + MARGIN)
        assert len(sessions) == 1
    sessions.expire(NOON + 86_401 + TIMEOUT + MARGIN)
    assert len(sessions) == 0


def test_expire_stops_at_its_limit_and_goes_on_there(sessions: LiveSessions) -> None:
    for user in range(10):
        apply(sessions, visitor=Visitor(user, None), log_time=NOON + user // 4)
    apply(sessions, visitor=Visitor(0, None), log_time=NOON + 60)
    over = NOON + 30 + TIMEOUT + MARGIN
    assert [sessions.expire(over, 3) for _ in range(4)] == [3, 3, 3, 1]
    assert [session.user_id for session in sessions] == [0]


@pytest.mark.parametrize(("timeout", "remain"), [(TIMEOUT, 1), (TIMEOUT - 1, 0)])
def test_expire_goes_by_the_timeout_that_holds_now(
    sessions: LiveSessions, timeout: int, remain: int
) -> None:
    apply(sessions)
    sessions.timeout = timeout
    sessions.expire(NOON + TIMEOUT + MARGIN)
    assert len(sessions) == remain


def test_step_back_lets_what_was_touched_later_be_touched_now(sessions: LiveSessions) -> None:
    for user, log_time in enumerate((NOON, NOON + 5, NOON + 86_400, NOON + 86_401)):
        apply(sessions, visitor=Visitor(user, None), log_time=log_time)
    assert list(sessions.step_back(NOON + 10)) == []
    assert {session.user_id: session.touched for session in sessions} == {
        0: NOON,
        1: NOON + 5,
        2: NOON + 10,
        3: NOON + 10,
    }
    assert sessions.expire(NOON + 10 + TIMEOUT + MARGIN) == 2
    assert sessions.expire(NOON + 11 + TIMEOUT + MARGIN) == 2


def test_step_back_reaches_a_session_that_was_opened_before_the_clock_was_ahead(
    sessions: LiveSessions,
) -> None:
    for log_time in (NOON, NOON + 86_400):
        apply(sessions, log_time=log_time)
    list(sessions.step_back(NOON + 10))
    assert [session.touched for session in sessions] == [NOON + 10]
    sessions.expire(NOON + 10 + TIMEOUT + MARGIN)
    assert len(sessions) == 1
    sessions.expire(NOON + 11 + TIMEOUT + MARGIN)
    assert len(sessions) == 0


class Visits(RuleBasedStateMachine):
    """Any order of events, silence, clocks that step back, rotations of the salts and restarts.

    The model keeps every event and works each visit's figures out anew from them. By visitor id, it
    remembers the visit, the time of its last event, and the log's time then.
    """

    def __init__(self) -> None:
        super().__init__()
        self.nonces = count(1)
        self.sessions = LiveSessions(TIMEOUT, MARGIN)
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
        self.sessions.put(transition.after)
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
    def holds_the_latest_visits_that_are_not_over(self) -> None:
        self.sessions.expire(self.log_time)
        over = self.log_time - TIMEOUT - MARGIN
        latest = {visit for visit, _, touched in self.latest.values() if touched >= over}
        assert {session.session_id for session in self.sessions} == latest
        assert self.sessions.count(self.log_time) == len(self.sessions) == len(latest)

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
