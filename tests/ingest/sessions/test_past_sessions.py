import pytest

from ingest.model.event import Visitor
from ingest.sessions.past_sessions import PastSessions
from tests.ingest.sessions.test_open_sessions import apply


@pytest.fixture
def sessions() -> PastSessions:
    return PastSessions(1800)


def test_forget_beyond_forgets_those_touched_longest_ago(sessions: PastSessions) -> None:
    for user in (1, 2, 3, 1):
        apply(sessions, visitor=Visitor(user, None))
    sessions.forget_beyond(3)
    assert len(sessions) == 3
    sessions.forget_beyond(2)
    assert [session.user_id for session in sessions] == [3, 1]


def test_put_back_lets_forgotten_sessions_be_those_touched_longest_ago(
    sessions: PastSessions,
) -> None:
    for user in (1, 2, 3):
        apply(sessions, visitor=Visitor(user, None))
    before = list(sessions)
    sessions.forget_beyond(1)
    sessions.put_back(before[:2])
    assert list(sessions) == before


def test_restore_keeps_the_order(sessions: PastSessions) -> None:
    for user in (3, 1, 2, 3):
        apply(sessions, visitor=Visitor(user, None))
    restored = PastSessions(1800)
    restored.restore(sessions)
    assert [session.user_id for session in restored] == [1, 2, 3]
