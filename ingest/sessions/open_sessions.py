"""The visits that may still go on, by site and visitor."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator

import msgspec

from ingest.model.event import ENGAGEMENT, EnrichedEvent
from ingest.sessions.session import Session, advance, begin

AHEAD_SECONDS = 3600
"""How much later than an event another one may have been that came before it: batches bring events
that are up to half an hour old."""

PAST_VISITS = 100_000
"""Visits of the past that may go on at a time. Those that are sent in the order of their events
need as many as had been open then."""


class Transition(msgspec.Struct, frozen=True, gc=False):
    """What one event does to its visit.

    Attributes:
        before: The visit as it was; None when the event opens it.
        after: The visit as it is now.
    """

    before: Session | None
    after: Session


class OpenSessions:
    """All live visits. Memory is bounded by expiry: `expire` forgets what has timed out.

    Looking up and storing are separate (`transition`, then `commit`), so that a caller who fails in
    between has changed nothing.
    """

    def __init__(self, timeout: int, new_id: Callable[[], int]) -> None:
        """Start empty.

        Args:
            timeout: Seconds of silence after which a visit is over.
            new_id: Gives a random 64-bit session id.
        """
        self.timeout = timeout
        self.new_id = new_id
        # Least recently active first, so that expiry looks at what has expired only.
        self._sessions: OrderedDict[tuple[int, int], Session] = OrderedDict()
        self._past: OpenSessions | None = None

    @property
    def past(self) -> "OpenSessions":
        """Visits of the past, which others send in after the fact: kept apart from those of now.

        Their events come in any order, so that no time tells which visits are over: memory is
        bounded by `forget_beyond`.
        """
        if self._past is None:
            self._past = OpenSessions(self.timeout, self.new_id)
        return self._past

    def __len__(self) -> int:
        return len(self._sessions)

    def __iter__(self) -> Iterator[Session]:
        return iter(self._sessions.values())

    def find(self, event: EnrichedEvent) -> Session | None:
        """Find the live visit that an event belongs to.

        The visitor's current id is tried first, then the one under the previous salt, under which
        a visit that was open when the salts rotated is kept (spec/sessions.md §3).
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

    def transition(self, event: EnrichedEvent) -> Transition | None:
        """Work out what an event does to its visit, changing nothing.

        Returns:
            None for an engagement event without a live visit, which is to be dropped.
        """
        session = self.find(event)
        if session is not None:
            return Transition(session, advance(session, event))
        if event.name == ENGAGEMENT:
            return None
        return Transition(None, begin(event, self.new_id()))

    def commit(self, transition: Transition) -> None:
        """Make the visit's new state the one that later events find."""
        self.put(transition.after)

    def undo(self, transition: Transition) -> None:
        """Take back a transition that was committed; the latest first, if there are several."""
        if transition.before is not None:
            self.put(transition.before)
        else:
            session = transition.after
            self._sessions.pop((session.site_id, session.user_id), None)

    def get(self, site_id: int, user_id: int) -> Session | None:
        """The visit that is kept under a visitor's id, live or not."""
        return self._sessions.get((site_id, user_id))

    def put(self, session: Session) -> None:
        """Keep a visit's state, as that of the visit with the latest activity."""
        key = (session.site_id, session.user_id)
        self._sessions[key] = session
        self._sessions.move_to_end(key)

    def restore(self, sessions: Iterable[Session]) -> None:
        """Take over visits kept from an earlier run, least recently active first."""
        for session in sorted(sessions, key=lambda session: session.timestamp):
            self.put(session)

    def forget_beyond(self, limit: int) -> None:
        """Forget the least recently active visits until there are no more than `limit`."""
        while len(self._sessions) > limit:
            self._sessions.popitem(last=False)

    def expire(self, now: int) -> int:
        """Forget the visits that are over at `now` (Unix seconds).

        So is a visit far in the future, left by a clock that ran ahead: nothing behind it could be
        forgotten before that time comes.

        Returns:
            How many were forgotten.
        """
        forgotten = 0
        while self._sessions:
            key, session = next(iter(self._sessions.items()))
            ahead = session.timestamp - now
            if session.is_live(now, self.timeout) and ahead <= AHEAD_SECONDS:
                break
            del self._sessions[key]
            forgotten += 1
        return forgotten
