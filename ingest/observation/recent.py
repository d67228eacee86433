"""The last events, in rings of bounded size."""

from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator
from typing import Final

from ingest.model.event import EnrichedEvent
from ingest.model.verdict import DropReason
from ingest.observation.observed import ObservedEvent, observe

DROPS_PER_SITE: Final = 100
SITES: Final = 400
"""Sites whose drops are kept: when there are more, the one that has dropped nothing for the longest
time is forgotten. Together with the lengths in `observed.py` this bounds the memory."""

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

    __slots__ = ("_accepted", "_by_site", "_number", "_unknown", "dropped", "since")

    def __init__(self, since: int) -> None:
        """Start empty.

        Args:
            since: Now, in Unix seconds.
        """
        self.since = since
        self.dropped: Counter[DropReason] = Counter()
        self._number = since * NUMBERS_PER_SECOND
        self._accepted: deque[tuple[int, EnrichedEvent]] = deque(maxlen=ACCEPTED)
        self._by_site: OrderedDict[int, deque[ObservedEvent]] = OrderedDict()
        self._unknown: deque[ObservedEvent] = deque(maxlen=UNKNOWN_DROPS)

    def accept(self, event: EnrichedEvent) -> int:
        """Keep an accepted event.

        Returns:
            Its number.
        """
        self._number = number = self._number + 1
        self._accepted.append((number, event))
        return number

    def next_number(self) -> int:
        """The number of the next drop."""
        self._number += 1
        return self._number

    def drop(self, observed: ObservedEvent, *, registered: bool) -> None:
        """Keep a drop.

        Args:
            observed: The drop.
            registered: Whether its site stands in the sites file; only such have a ring of their
                own, since anybody can make up domains.
        """
        if observed.reason is not None:
            self.dropped[observed.reason] += 1
        if not registered or observed.site_id is None:
            self._unknown.append(observed)
            return
        ring = self._by_site.get(observed.site_id)
        if ring is None:
            ring = self._by_site[observed.site_id] = deque(maxlen=DROPS_PER_SITE)
            if len(self._by_site) > SITES:
                self._by_site.popitem(last=False)
        self._by_site.move_to_end(observed.site_id)
        ring.append(observed)

    def drops(self, shows: Callable[[ObservedEvent], bool]) -> list[ObservedEvent]:
        """The last drops of those that `shows` chooses, newest first."""
        found = [observed for ring in self._rings() for observed in ring if shows(observed)]
        found.sort(key=lambda observed: observed.number, reverse=True)
        return found

    def accepted(self, shows: Callable[[ObservedEvent], bool]) -> list[ObservedEvent]:
        """The last accepted events, newest first."""
        found = (observe(number, event) for number, event in reversed(self._accepted))
        return [observed for observed in found if shows(observed)]

    def _rings(self) -> Iterator[deque[ObservedEvent]]:
        yield self._unknown
        yield from self._by_site.values()
