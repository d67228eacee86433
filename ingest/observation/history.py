"""Counts the events of the last hour: by second, by site and reason, by unknown domain."""

import re
from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from heapq import nsmallest
from typing import Final

from ingest.model.verdict import DropReason
from ingest.observation.minute_counts import MINUTES, MinuteCounts
from ingest.sites.site import domain_problem

SECONDS: Final = 3600
"""Length of the history: an hour."""

KEYS_PER_MINUTE: Final = 1000
"""Maximum number of pairs of site and reason counted separately in one minute; further ones are
counted for `OTHER_SITES`. This bounds the memory at some ten megabytes for any number of sites; an
ordinary hour takes a hundredth of that."""

KEYS_PER_HOUR: Final = 4000
"""The same for an hour: with more, the live page's report would hold the event loop too long."""

DOMAINS_PER_MINUTE: Final = 20
"""Maximum number of unknown domains counted separately in one minute, since anybody can make up
domains; further ones are counted for `OTHER_SITES`. This bounds the memory at two megabytes."""

OTHER_SITES: Final = "(other)"
"""Stands for sites beyond the limit; never the domain of a site."""

Verdicts = dict[DropReason | None, int]
"""Events by verdict; None: accepted."""

_Key = tuple[str, DropReason | None]

_STATUSES: Final = 600
_PLAIN: Final = re.compile(r"[^\W_][\w.:/-]{0,252}")
"""A text that needs no quotes in a shell, and is no option of a command."""


@dataclass(frozen=True, slots=True)
class Seconds:
    """A piece of the history, second by second.

    Attributes:
        first: The first second, Unix time; the others follow without a gap.
        accepted: Events accepted in each.
        dropped: Events dropped in each.
        refused: Requests answered with an error in each.
    """

    first: int
    accepted: list[int]
    dropped: list[int]
    refused: list[int]


@dataclass(frozen=True, slots=True)
class SiteCounts:
    """One site's hour.

    Attributes:
        site: Its domain, or `OTHER_SITES`.
        accepted: Events accepted.
        dropped: Events dropped, by reason.
        per_minute: Events accepted in each of the last 60 minutes, the current one last.
    """

    site: str
    accepted: int
    dropped: dict[DropReason, int]
    per_minute: list[int]

    @property
    def total(self) -> int:
        """Events with any verdict."""
        return self.accepted + sum(self.dropped.values())


class History:
    """The last hour, in rings of fixed size.

    Counting does not read the clock: the heartbeat calls `advance` at the start of each second. If
    it is late, events are counted in the previous second.
    """

    __slots__ = (
        "_accepted",
        "_at",
        "_domains",
        "_dropped",
        "_events",
        "_refused",
        "_second",
        "_statuses",
    )

    def __init__(self, now: int = 0) -> None:
        """Start with an empty hour.

        Args:
            now: Unix seconds.
        """
        self._second = now
        self._at = 0
        self._accepted = array("Q", bytes(8 * SECONDS))
        self._dropped = array("Q", bytes(8 * SECONDS))
        self._refused = array("Q", bytes(8 * SECONDS))
        self._events: MinuteCounts[_Key] = MinuteCounts(
            KEYS_PER_MINUTE, lambda key: (OTHER_SITES, key[1]), KEYS_PER_HOUR
        )
        self._domains: MinuteCounts[str] = MinuteCounts(DOMAINS_PER_MINUTE, lambda _: OTHER_SITES)
        self._statuses: MinuteCounts[int] = MinuteCounts(_STATUSES, lambda status: status)

    def count(self, site: str, reason: DropReason | None, events: int = 1) -> None:
        """Count events.

        Args:
            site: A registered domain, or what stands for all others: nothing that clients make up.
            reason: Why they were dropped; None when they were accepted.
            events: How many.
        """
        if reason is None:
            self._accepted[self._at] += events
        else:
            self._dropped[self._at] += events
        self._events.count((site, reason), events)

    def count_unknown(self, domain: str, events: int = 1) -> None:
        """Count the unknown domain of events, besides `count`.

        Args:
            domain: As the client sent it. If it is no plain domain, it counts for `OTHER_SITES`.
            events: How many.
        """
        plain = _PLAIN.fullmatch(domain) is not None and domain_problem(domain) is None
        self._domains.count(domain if plain else OTHER_SITES, events)

    def refuse(self, status: int) -> None:
        """Count a request that was answered with an error.

        Args:
            status: HTTP status code.
        """
        self._refused[self._at] += 1
        self._statuses.count(status)

    def advance(self, now: int) -> None:
        """Advance to a second. After a step back of the clock, counts keep their place."""
        for _ in range(min(now - self._second, SECONDS)):
            self._at = at = (self._at + 1) % SECONDS
            self._accepted[at] = self._dropped[at] = self._refused[at] = 0
        for _ in range(min(now // 60 - self._second // 60, MINUTES)):
            for counts in (self._events, self._domains, self._statuses):
                counts.close_minute()
        self._second = now

    def seconds(self, since: int | None = None) -> Seconds:
        """The history up to the current second, which is not over yet.

        Args:
            since: The second to begin at; None, or one that is not of the last hour: all of it.
        """
        length = SECONDS
        if since is not None and self._second - SECONDS < since <= self._second:
            length = self._second - since + 1

        def last(ring: "array[int]") -> list[int]:
            begin = self._at + 1 - length
            return (
                [*ring[begin:], *ring[: self._at + 1]]
                if begin < 0
                else [*ring[begin : self._at + 1]]
            )

        return Seconds(
            self._second - length + 1,
            last(self._accepted),
            last(self._dropped),
            last(self._refused),
        )

    def last(self, seconds: int) -> tuple[int, int, int]:
        """Accepted, dropped and refused in that many whole seconds before the current one."""
        part = self.seconds(self._second - seconds)
        return sum(part.accepted[:-1]), sum(part.dropped[:-1]), sum(part.refused[:-1])

    def sites(
        self, limit: int, verdicts: Mapping[str, Verdicts] | None = None
    ) -> tuple[list[SiteCounts], int]:
        """The sites with the most events in the last hour, most first.

        Args:
            limit: How many at most.
            verdicts: Those of `verdicts`, if they are known; counting them takes long.

        Returns:
            Them, and how many more there are.
        """
        if verdicts is None:
            verdicts = self.verdicts()
        totals = {site: sum(found.values()) for site, found in verdicts.items()}
        shown = nsmallest(limit, totals, key=lambda site: (-totals[site], site))
        return [self._counts(site, verdicts[site]) for site in shown], len(totals) - len(shown)

    def _counts(self, site: str, verdicts: Verdicts) -> SiteCounts:
        drops = sorted(verdicts.items(), key=lambda one: -one[1])
        return SiteCounts(
            site,
            verdicts.get(None, 0),
            {reason: events for reason, events in drops if reason is not None},
            self._events.per_minute((site, None)),
        )

    def verdicts(self) -> dict[str, Verdicts]:
        """How many events of each site had which verdict in the last hour."""
        found: dict[str, Verdicts] = {}
        for (site, reason), events in self._events.of_hour().items():
            found.setdefault(site, {})[reason] = events
        return found

    def unknown_domains(self) -> Counter[str]:
        """How many events of the last hour named which unknown domains."""
        return self._domains.of_hour()

    def refusals(self, minutes: int = MINUTES) -> dict[int, int]:
        """How many requests were answered with each error status.

        Args:
            minutes: Of how many last minutes; the current one, not over yet, is the last.
        """
        return dict(sorted(self._statuses.of_last(minutes).items()))
