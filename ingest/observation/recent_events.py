"""The last events, in rings of bounded size."""

from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from ingest.model.event import EnrichedEvent
from ingest.model.verdict import DropReason
from ingest.observation.event_summary import EventSummary, summarize

DROPS_PER_SITE: Final = 100
SITES: Final = 400
"""Sites whose drops are kept: when there are more, the one that has dropped nothing for the longest
time is forgotten. Together with the lengths in `event_summary.py` this bounds the memory."""

UNKNOWN_DROPS: Final = 200
"""Drops of domains that are no site's, all together."""

ACCEPTED: Final = 256
"""Accepted events, of all sites together. They are kept as they are, properties included, and
become observations when somebody looks."""

NUMBERS_PER_SECOND: Final = 1_000_000
"""The first number of a process is its start in these units, so that numbers also grow over a
restart; they stay below 2^53, as far as JavaScript counts."""


class RecentEvents:
    """The last drops of each site, and the last accepted events of all."""

    __slots__ = ("_accepted", "_as_stored", "_by_site", "_number", "_unknown", "dropped", "since")

    def __init__(
        self, since: int, as_stored: Callable[[EnrichedEvent], EnrichedEvent] = lambda event: event
    ) -> None:
        """Start empty.

        Args:
            since: Now, in Unix seconds.
            as_stored: Gives an event the names that its rows have.
        """
        self.since = since
        self._as_stored = as_stored
        self.dropped: Counter[DropReason] = Counter()
        self._number = since * NUMBERS_PER_SECOND
        self._accepted: deque[tuple[int, EnrichedEvent]] = deque(maxlen=ACCEPTED)
        self._by_site: OrderedDict[int, deque[EventSummary]] = OrderedDict()
        self._unknown: deque[EventSummary] = deque(maxlen=UNKNOWN_DROPS)

    def accept(self, events: Sequence[EnrichedEvent]) -> int:
        """Keep accepted events.

        Returns:
            The number of the first; the others follow.
        """
        first = self._number + 1
        self._number += len(events)
        self._accepted.extend(enumerate(events, first))
        return first

    @property
    def events(self) -> int:
        """How many events came since the start."""
        return self._number - self.since * NUMBERS_PER_SECOND

    def next_number(self) -> int:
        """The number of the next drop."""
        self._number += 1
        return self._number

    def drop(self, summary: EventSummary, *, registered: bool) -> None:
        """Keep a drop.

        Args:
            summary: The drop.
            registered: Whether its site stands in the sites file; only such have a ring of their
                own, since anybody can make up domains.
        """
        if summary.reason is not None:
            self.dropped[summary.reason] += 1
        if not registered or summary.site_id is None:
            self._unknown.append(summary)
            return
        ring = self._by_site.get(summary.site_id)
        if ring is None:
            ring = self._by_site[summary.site_id] = deque(maxlen=DROPS_PER_SITE)
            if len(self._by_site) > SITES:
                self._by_site.popitem(last=False)
        self._by_site.move_to_end(summary.site_id)
        ring.append(summary)

    def drops(self, matches: Callable[[EventSummary], bool]) -> list[EventSummary]:
        """The last drops of those that `matches` chooses, newest first."""
        found = [summary for ring in self._rings() for summary in ring if matches(summary)]
        found.sort(key=lambda summary: summary.number, reverse=True)
        return found

    def accepted(self, matches: Callable[[EventSummary], bool]) -> list[EventSummary]:
        """The last accepted events, newest first."""
        found = (
            summarize(number, self._as_stored(event)) for number, event in reversed(self._accepted)
        )
        return [summary for summary in found if matches(summary)]

    def _rings(self) -> Iterator[deque[EventSummary]]:
        yield self._unknown
        yield from self._by_site.values()
