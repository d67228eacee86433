"""The open sessions, by site and visitor."""

import math
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile
from typing import Final

import msgspec
from msgspec.structs import replace

from ingest.model.event import ENGAGEMENT, EnrichedEvent
from ingest.sessions.session import Session, advance, begin

SLICE: Final = 2_000
"""Sessions processed at a time: a millisecond or two."""


class Transition(msgspec.Struct, frozen=True, gc=False):
    """The change of a session by one event.

    Attributes:
        before: The session as it was; None when the event opens it.
        after: The session as it is now.
    """

    before: Session | None
    after: Session


class OpenSessions:
    """Sessions in the order in which they were last touched, by the log's time.

    Looking up and storing are separate (`transition`, then `commit`), so a caller that fails in
    between has changed nothing.
    """

    def __init__(self, timeout: int, margin: int = 0) -> None:
        """Start empty.

        Args:
            timeout: Seconds without events after which a session ends, by its events' timestamps.
            margin: How much longer it is kept, by the log's time.
        """
        self.timeout = timeout
        self.margin = margin
        self._sessions: OrderedDict[tuple[int, int], Session] = OrderedDict()

    def __len__(self) -> int:
        return len(self._sessions)

    def __iter__(self) -> Iterator[Session]:
        """Least recently touched first."""
        return iter(self._sessions.values())

    def count(self, log_time: int) -> int:
        """How many `expire` would leave.

        Args:
            log_time: Now, by the log's time in Unix seconds.
        """
        oldest = log_time - self.timeout - self.margin
        newest = next(reversed(self._sessions.values()), None)
        if newest is None or newest.touched < oldest:
            return 0
        over = takewhile(lambda session: session.touched < oldest, self)
        return len(self) - sum(1 for _ in over)

    def find(self, event: EnrichedEvent) -> Session | None:
        """Find the live session that an event belongs to.

        The visitor's current id is tried first, then the one under the previous salt, under which
        a session that was open when the salts rotated is kept (spec/sessions.md §3).
        """
        session = self._sessions.get((event.site_id, event.visitor.user_id))
        if session is not None and session.is_live(event.timestamp, self.timeout):
            return session
        if event.visitor.previous_user_id is None:
            return None
        session = self._sessions.get((event.site_id, event.visitor.previous_user_id))
        if session is not None and session.is_live(event.timestamp, self.timeout):
            return session
        return None

    def transition(self, event: EnrichedEvent, log_time: int) -> Transition | None:
        """Compute the change of a session by an event, without applying it.

        Args:
            event: The event.
            log_time: When it entered the log, Unix seconds.

        Returns:
            None for an engagement event without a live session, which must be dropped.
        """
        session = self.find(event)
        if session is not None:
            return Transition(session, advance(session, event, log_time))
        if event.name == ENGAGEMENT:
            return None
        return Transition(None, begin(event, log_time))

    def commit(self, transition: Transition) -> None:
        """Store the session's new state."""
        self.put(transition.after)

    def get(self, site_id: int, user_id: int) -> Session | None:
        """The session stored under a visitor's id, live or not."""
        return self._sessions.get((site_id, user_id))

    def put(self, session: Session) -> None:
        """Store a session's state as the most recently touched."""
        key = (session.site_id, session.user_id)
        self._sessions[key] = session
        self._sessions.move_to_end(key)

    def restore(self, sessions: Iterable[Session]) -> None:
        """Restore saved sessions, in the order of `__iter__`."""
        for session in sessions:
            self.put(session)

    def put_back(self, forgotten: Sequence[Session]) -> None:
        """Store forgotten sessions again, as the least recently touched, in their order."""
        for session in reversed(forgotten):
            key = (session.site_id, session.user_id)
            self._sessions[key] = session
            self._sessions.move_to_end(key, last=False)

    def clear(self) -> None:
        """Forget all sessions."""
        self._sessions.clear()

    def forget_beyond(self, limit: int) -> None:
        """Forget the least recently touched sessions until at most `limit` remain."""
        while len(self._sessions) > limit:
            self._sessions.popitem(last=False)

    def expire(self, log_time: int, limit: float = math.inf) -> int:
        """Forget the sessions that were not touched for longer than timeout and margin.

        Args:
            log_time: Now, by the log's time in Unix seconds.
            limit: How many to forget at most.

        Returns:
            How many were forgotten.
        """
        oldest = log_time - self.timeout - self.margin
        forgotten = 0
        while self._sessions and forgotten < limit:
            key, session = next(iter(self._sessions.items()))
            if session.touched >= oldest:
                break
            del self._sessions[key]
            forgotten += 1
        return forgotten

    def step_back(self, log_time: int) -> Iterator[None]:
        """Handle a step back of the log's time: sessions touched later count as touched now.

        So a clock that was ahead for a while does not keep sessions open for too long. Only the
        sessions touched since the step ahead are processed, `SLICE` of them at a time.

        Args:
            log_time: Now, by the log's time in Unix seconds.
        """
        for number, (key, session) in enumerate(reversed(self._sessions.items()), 1):
            if session.touched <= log_time:
                break
            self._sessions[key] = replace(session, touched=log_time)
            if number % SLICE == 0:
                yield
