"""Counts the events of the last hour, by second, and by site and reason."""

from array import array
from collections import Counter, deque
from dataclasses import dataclass
from typing import Final

from ingest.model.verdict import DropReason

SECONDS: Final = 3600
MINUTES: Final = 60
"""Length of the history: an hour."""

KEYS_PER_MINUTE: Final = 1000
"""Maximum number of pairs of site and reason counted separately in one minute; further ones are
counted for `OTHER_SITES`. This bounds the memory at some ten megabytes for any number of sites; an
ordinary hour takes a hundredth of that."""

OTHER_SITES: Final = "(other)"
"""Stands for sites beyond the limit; never the domain of a site."""

_Key = tuple[str, DropReason | None]


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
        "_dropped",
        "_minute",
        "_minutes",
        "_refused",
        "_second",
        "_statuses",
        "_statuses_by_minute",
        "_sums",
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
        self._minute: dict[_Key, int] = {}
        self._minutes: deque[dict[_Key, int]] = deque()
        self._sums: Counter[_Key] = Counter()
        self._statuses: Counter[int] = Counter()
        self._statuses_by_minute: deque[Counter[int]] = deque()

    def count(self, site: str, reason: DropReason | None) -> None:
        """Count one event.

        Args:
            site: A registered domain, or what stands for all others: nothing that clients make up.
            reason: Why it was dropped; None when it was accepted.
        """
        if reason is None:
            self._accepted[self._at] += 1
        else:
            self._dropped[self._at] += 1
        key = (site, reason)
        minute = self._minute
        if key in minute:
            minute[key] += 1
        else:
            if len(minute) >= KEYS_PER_MINUTE:
                key = (OTHER_SITES, reason)
            minute[key] = minute.get(key, 0) + 1

    def refuse(self, status: int) -> None:
        """Count a request that was answered with an error.

        Args:
            status: HTTP status code.
        """
        self._refused[self._at] += 1
        self._statuses[status] += 1

    def advance(self, now: int) -> None:
        """Advance to a second. After a step back of the clock, counts keep their place."""
        for _ in range(min(now - self._second, SECONDS)):
            self._at = at = (self._at + 1) % SECONDS
            self._accepted[at] = self._dropped[at] = self._refused[at] = 0
        for _ in range(min(now // 60 - self._second // 60, MINUTES)):
            self._close_minute()
        self._second = now

    def _close_minute(self) -> None:
        self._minutes.append(self._minute)
        self._statuses_by_minute.append(self._statuses)
        self._sums.update(self._minute)
        self._minute, self._statuses = {}, Counter()
        if len(self._minutes) == MINUTES:
            self._statuses_by_minute.popleft()
            for key, events in self._minutes.popleft().items():
                if self._sums[key] == events:
                    del self._sums[key]
                else:
                    self._sums[key] -= events

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

    def sites(self, limit: int) -> tuple[list[SiteCounts], int]:
        """The sites with the most events in the last hour, most first.

        Args:
            limit: How many at most.

        Returns:
            Them, and how many more there are.
        """
        accepted: Counter[str] = Counter()
        dropped: dict[str, Counter[DropReason]] = {}
        totals: Counter[str] = Counter()
        for counts in (self._sums, self._minute):
            for (site, reason), events in counts.items():
                totals[site] += events
                if reason is None:
                    accepted[site] += events
                else:
                    dropped.setdefault(site, Counter())[reason] += events
        shown = sorted(totals, key=lambda site: (-totals[site], site))[:limit]
        silent = [0] * (MINUTES - 1 - len(self._minutes))
        return [
            SiteCounts(
                site,
                accepted[site],
                dict(dropped.get(site, Counter()).most_common()),
                [
                    *silent,
                    *(minute.get((site, None), 0) for minute in self._minutes),
                    self._minute.get((site, None), 0),
                ],
            )
            for site in shown
        ], len(totals) - len(shown)

    def heard(self) -> set[str]:
        """The sites of which any event came in the last hour."""
        return {site for counts in (self._sums, self._minute) for site, _ in counts}

    def events_of(self, site: str) -> int:
        """How many events of a site came in the last hour."""
        return sum(
            events
            for counts in (self._sums, self._minute)
            for (counted, _), events in counts.items()
            if counted == site
        )

    def refusals(self, minutes: int = MINUTES) -> dict[int, int]:
        """How many requests were answered with each error status.

        Args:
            minutes: Of how many last minutes; the current one, not over yet, is the last.
        """
        found = Counter(self._statuses)
        for back in range(1, min(minutes - 1, len(self._statuses_by_minute)) + 1):
            found.update(self._statuses_by_minute[-back])
        return dict(sorted(found.items()))
