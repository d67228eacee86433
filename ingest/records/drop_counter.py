"""Counts of events dropped before the log, until they are appended to the log."""

from collections.abc import Callable
from typing import Final

from ingest.records.record import DropCounts, MetricCount

MAX_DOMAINS: Final = 10_000
MAX_VERSIONS: Final = 100
MAX_DOMAIN_LENGTH: Final = 255
"""Limits on values that clients choose: domains per minute and metric, versions per minute, and
characters of a domain. Values beyond the limits are counted as `OTHER_DOMAINS` or as version 0."""

MAX_MINUTES: Final = 1440
"""Maximum number of waiting minutes: one day. Beyond it, all counts go to the latest minute, so
that a log that takes nothing for days does not fill the memory."""

MAX_KEYS: Final = 200_000
"""Maximum number of waiting counts, some 40 MB. Beyond it, domains are counted together."""

COUNTS_PER_RECORD: Final = 1_000
"""Counts in one record: about 50 KB, and a few milliseconds of work."""

OTHER_DOMAINS: Final = "(other)"
"""Replaces domains beyond the limits in rows; never the domain of a site."""

UNKNOWN_VERSION: Final = 0

_Key = tuple[str, str, int]


class _Minute:
    """The counts of a minute, by metric, domain and tracker version."""

    __slots__ = ("counts", "domains", "versions")

    def __init__(self) -> None:
        self.counts: dict[_Key, int] = {}
        self.domains: dict[str, set[str]] = {}
        self.versions = {UNKNOWN_VERSION}

    def admit(self, metric: str, domain: str, version: int, *, full: bool) -> _Key:
        """The key to count under; a merged key if a limit is reached.

        Args:
            metric: As for `DropCounter.count`, like the next two.
            domain: As above.
            version: As above.
            full: Whether no more domains may be added.
        """
        domains = self.domains.setdefault(metric, set())
        if domain not in domains:
            if full or len(domain) > MAX_DOMAIN_LENGTH or len(domains) >= MAX_DOMAINS:
                domain = OTHER_DOMAINS
            else:
                domains.add(domain)
        if version not in self.versions:
            if len(self.versions) > MAX_VERSIONS:
                version = UNKNOWN_VERSION
            else:
                self.versions.add(version)
        return metric, domain, version


class DropCounter:
    """Counts in memory until the log has them."""

    __slots__ = ("_keys", "_minutes")

    def __init__(self) -> None:
        """Start without counts."""
        self._minutes: dict[int, _Minute] = {}
        self._keys = 0

    def __len__(self) -> int:
        """The number of waiting counts."""
        return self._keys

    def count(self, received: int, metric: str, domain: str, version: int, events: int = 1) -> None:
        """Count drops.

        Args:
            received: When the events were received, Unix seconds.
            metric: `dropped_<reason>`.
            domain: As the client sent it, whether it is registered or not.
            version: The tracker's, from 0 to 65,535.
            events: How many.
        """
        start = received - received % 60
        minute = self._minutes.get(start)
        if minute is None:
            minute = self._begin(start)
        key = (metric, domain, version)
        if key not in minute.counts:
            key = minute.admit(metric, domain, version, full=self._keys >= MAX_KEYS)
            self._keys += key not in minute.counts
        minute.counts[key] = minute.counts.get(key, 0) + events

    def _begin(self, start: int) -> _Minute:
        """Start a new minute; returns the latest one if too many are waiting."""
        if len(self._minutes) >= MAX_MINUTES:
            return self._minutes[max(self._minutes)]
        minute = self._minutes[start] = _Minute()
        return minute

    def take(self, site_id: Callable[[str], int | None]) -> DropCounts | None:
        """Remove counts and return them as a record for the log; None if there are none.

        Args:
            site_id: Finds a domain's site id; None when it is not registered.
        """
        taken: list[MetricCount] = []
        while self._minutes and len(taken) < COUNTS_PER_RECORD:
            start, minute = next(iter(self._minutes.items()))
            while minute.counts and len(taken) < COUNTS_PER_RECORD:
                (metric, domain, version), events = minute.counts.popitem()
                site = None if domain == OTHER_DOMAINS else site_id(domain)
                taken.append(MetricCount(start, domain, site, metric, version, events))
            if not minute.counts:
                del self._minutes[start]
        self._keys -= len(taken)
        return DropCounts(tuple(taken)) if taken else None

    def put_back(self, record: DropCounts) -> None:
        """Add the counts of a record again that the log did not take."""
        for count in record.counts:
            self.count(
                count.minute, count.metric, count.domain, count.tracker_version, count.events
            )
