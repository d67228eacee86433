"""Open sessions by site and visitor, and how an event changes them."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

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


class OpenSessions(ABC):
    """What live and past sessions have in common.

    Looking up and storing are separate (`transition`, then `put`), so a caller that fails in
    between has changed nothing.
    """

    def __init__(self, timeout: int) -> None:
        """Start empty.

        Args:
            timeout: Seconds without events after which a session ends, by its events' timestamps.
        """
        self.timeout = timeout

    @abstractmethod
    def __len__(self) -> int:
        """How many are stored."""

    @abstractmethod
    def __iter__(self) -> Iterator[Session]:
        """All stored sessions."""

    @abstractmethod
    def get(self, site_id: int, user_id: int) -> Session | None:
        """The session stored under a visitor's id, live or not."""

    @abstractmethod
    def put(self, session: Session) -> None:
        """Store a session's state."""

    @abstractmethod
    def clear(self) -> None:
        """Forget all sessions."""

    def find(self, event: EnrichedEvent) -> Session | None:
        """Find the live session that an event belongs to.

        The visitor's current id is tried first, then the one under the previous salt, under which
        a session that was open when the salts rotated is kept. An event belongs to a session up to
        and including `timeout` seconds after the last activity, and also if it is before that
        (spec/sessions.md §3).
        """
        site_id, visitor = event.site_id, event.visitor
        oldest = event.timestamp - self.timeout
        session = self.get(site_id, visitor.user_id)
        if session is not None and session.timestamp >= oldest:
            return session
        if visitor.previous_user_id is None:
            return None
        session = self.get(site_id, visitor.previous_user_id)
        if session is not None and session.timestamp >= oldest:
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

    def restore(self, sessions: Iterable[Session]) -> None:
        """Restore saved sessions, in the order of `__iter__`."""
        for session in sessions:
            self.put(session)


def session_key(site_id: int, user_id: int) -> int:
    """What sessions are stored under.

    One number takes 48 bytes. A tuple of two takes 80, and the garbage collector would track it.
    """
    return site_id << 64 | user_id
