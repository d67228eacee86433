"""Keeps the last events and sends new ones to followers."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import structlog
import trio

from ingest.model.event import EnrichedEvent, Event
from ingest.model.verdict import DropReason
from ingest.observation.event_filter import EventFilter
from ingest.observation.event_summary import EventSummary, summarize
from ingest.observation.recent_events import RecentEvents
from ingest.pipeline.reference import Reference
from ingest.telemetry.logs import stack_of

log = structlog.get_logger()

FOLLOWERS = 32
"""Maximum number of followers."""

WAITING = 256
"""Maximum number of events that wait for a follower; further events are missed."""


TAKEN = 64
"""Maximum number of events that a follower takes at a time."""


class TooManyFollowersError(Exception):
    """The maximum number of followers is reached."""


@dataclass(frozen=True, slots=True)
class Missed:
    """A gap in the events, because the follower was too slow.

    Attributes:
        events: How many events are missing.
    """

    events: int


class Follower:
    """A client that receives events as they get their verdicts. Never blocks the pipeline."""

    def __init__(self, event_filter: EventFilter) -> None:
        """Follow the events that a filter matches."""
        self.event_filter = event_filter
        self._missed = 0
        self._outlet, self._inbox = trio.open_memory_channel[EventSummary | Missed](WAITING)

    def offer(self, summary: EventSummary) -> None:
        """Queue an event for the follower, or count it as missed."""
        try:
            if self._missed:
                self._outlet.send_nowait(Missed(self._missed))
                self._missed = 0
            self._outlet.send_nowait(summary)
        except trio.WouldBlock:
            self._missed += 1

    async def next(self) -> list[EventSummary | Missed]:
        """Wait for an event, then take all that are queued.

        Returns:
            The events in order; empty if no more will come because the server stops.
        """
        found = self._take()
        if found:
            await trio.lowlevel.checkpoint()
            return found
        try:
            first = await self._inbox.receive()
        except trio.EndOfChannel:
            return []
        return [first, *self._take()]

    def _take(self) -> list[EventSummary | Missed]:
        found: list[EventSummary | Missed] = []
        try:
            while len(found) < TAKEN:
                found.append(self._inbox.receive_nowait())
        except (trio.WouldBlock, trio.EndOfChannel):
            if self._missed:
                found.append(Missed(self._missed))
                self._missed = 0
        return found

    def end(self) -> None:
        """Deliver the queued events and no more."""
        self._outlet.close()

    def close(self) -> None:
        """Discard the queued events."""
        self._outlet.close()
        self._inbox.close()


class Broadcast:
    """Owner of the last events and of the channels to followers.

    Called with all verdicts. For accepted events without followers it only keeps references. A
    dropped event is summarised at once, because its address must not be kept.
    """

    def __init__(self, reference: Reference, since: int) -> None:
        """Start without events.

        Args:
            reference: The data that the steps look up.
            since: Now, in Unix seconds.
        """
        self.recent = RecentEvents(since, reference.as_stored)
        self._reference = reference
        self._followers: list[Follower] = []
        self._limit: float = FOLLOWERS

    @property
    def followers(self) -> int:
        """Number of followers."""
        return len(self._followers)

    @property
    def full(self) -> bool:
        """Whether the maximum number of followers is reached."""
        return len(self._followers) >= self._limit

    def figures(self) -> dict[str, float]:
        """Gauges by their names in `/metrics`."""
        return {"sluice_followers": self.followers}

    def accepted(self, events: Sequence[EnrichedEvent]) -> None:
        """Record accepted events."""
        first = self.recent.accept(events)
        if self._followers:
            for number, event in enumerate(events, first):
                self._show_accepted(number, event)

    def dropped(self, event: Event | EnrichedEvent, reason: DropReason, rule: str) -> None:
        """Record a drop. Never raises, so that observation cannot harm the pipeline.

        Args:
            event: The event as it was at the step that dropped it.
            reason: Why it was dropped.
            rule: What matched, as in `Drop`.
        """
        try:
            self._drop(event, reason, rule)
        except Exception as error:
            log.error("drop not noted", error=type(error).__name__, stack=stack_of(error))

    def _drop(self, event: Event | EnrichedEvent, reason: DropReason, rule: str) -> None:
        reference = self._reference
        site = reference.site(event.domain)
        summary = summarize(
            self.recent.next_number(),
            event,
            None if site is None else site.id,
            reason,
            rule,
        )
        registered = reference.registry.find(event.domain) is not None
        self.recent.drop(summary, registered=registered)
        for follower in self._followers:
            if follower.event_filter.matches(summary):
                follower.offer(summary)

    def _show_accepted(self, number: int, event: EnrichedEvent) -> None:
        wanting = [one for one in self._followers if one.event_filter.matches_accepted(event)]
        if wanting:
            summary = summarize(number, self._reference.as_stored(event))
            for follower in wanting:
                follower.offer(summary)

    @contextmanager
    def follow(
        self, event_filter: EventFilter, *, after: float = math.inf, replay: int = 0
    ) -> Iterator[Follower]:
        """Follow events.

        Args:
            event_filter: Which events.
            after: Number of the last event that the client has seen. Later events that are still
                known are sent first, at most `WAITING`. Infinite for none.
            replay: How many of the last events are sent first, if `after` is infinite.

        Raises:
            TooManyFollowersError: There are already `FOLLOWERS` followers, or the server stops.
        """
        if self.full:
            raise TooManyFollowersError
        follower = Follower(event_filter)
        for summary in self._before(event_filter, after, replay):
            follower.offer(summary)
        self._followers.append(follower)
        try:
            yield follower
        finally:
            if follower in self._followers:
                self._followers.remove(follower)
            follower.close()

    def _before(self, event_filter: EventFilter, after: float, replay: int) -> list[EventSummary]:
        """The past events that a follower receives first, oldest first."""
        if after == math.inf:
            if not replay:
                return []
            after, wanted = 0, replay
        else:
            wanted = WAITING
        recent = self.recent
        found = [*recent.drops(event_filter.matches), *recent.accepted(event_filter.matches)]
        found.sort(key=lambda summary: summary.number)
        return [summary for summary in found if summary.number > after][-wanted:]

    def close(self) -> None:
        """End all followers, because the server stops."""
        self._limit = 0
        for follower in self._followers:
            follower.end()
        self._followers.clear()
