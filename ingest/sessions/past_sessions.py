"""Sessions of past events, which come in any order and at any rate."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence

from ingest.sessions.open_sessions import OpenSessions, session_key
from ingest.sessions.session import Session


class PastSessions(OpenSessions):
    """Sessions in the order in which they were last touched, so that their number can be limited.

    The order takes some 50 bytes a session. What a step takes grows with their number, when their
    map is copied: 10 ms for 100,000.
    """

    def __init__(self, timeout: int) -> None:
        """Start empty; `timeout` is as for `OpenSessions`."""
        super().__init__(timeout)
        self._sessions: OrderedDict[int, Session] = OrderedDict()

    def clear(self) -> None:
        """Forget all sessions."""
        self._sessions.clear()

    def __len__(self) -> int:
        return len(self._sessions)

    def __iter__(self) -> Iterator[Session]:
        """Least recently touched first."""
        return iter(self._sessions.values())

    def get(self, site_id: int, user_id: int) -> Session | None:
        """The session stored under a visitor's id, live or not."""
        return self._sessions.get(session_key(site_id, user_id))

    def put(self, session: Session) -> None:
        """Store a session's state as the most recently touched."""
        key = session_key(session.site_id, session.user_id)
        self._sessions[key] = session
        self._sessions.move_to_end(key)

    def put_back(self, forgotten: Sequence[Session]) -> None:
        """Store forgotten sessions again, as the least recently touched, in their order."""
        for session in reversed(forgotten):
            key = session_key(session.site_id, session.user_id)
            self._sessions[key] = session
            self._sessions.move_to_end(key, last=False)

    def forget_beyond(self, limit: int) -> None:
        """Forget the least recently touched sessions until at most `limit` remain."""
        while len(self._sessions) > limit:
            self._sessions.popitem(last=False)
