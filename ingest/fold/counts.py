"""Counts of accepted and dropped events, on the way to `ingest_counters` (spec/schema.md §3)."""

from collections.abc import Callable
from typing import Final

BUCKET_SECONDS: Final = 10
"""Length of the buckets in memory, and how old one must be to be taken."""

AHEAD_SECONDS: Final = 3600
"""How far in the future a bucket has to be to be taken for one of a clock that ran ahead."""

MAX_DOMAINS: Final = 10_000
MAX_VERSIONS: Final = 100
MAX_DOMAIN_LENGTH: Final = 255
"""Limits to what clients can make up: domains per bucket and metric, versions per bucket, and
characters of a domain. What goes beyond is counted as `OTHER_DOMAINS`, or as version 0."""

MAX_BUCKETS: Final = 8640
"""Buckets that may wait, a day of them: beyond that, all is counted in the latest one, since a
store that is away for days must not fill the memory."""

MAX_KEYS: Final = 200_000
"""Counts that may wait, some 40 MB: beyond that, domains are counted together."""

OTHER_DOMAINS: Final = "(other)"
"""Stands in the rows for domains beyond the limits; never the domain of a site."""

UNKNOWN_VERSION: Final = 0
_MAX_VERSION: Final = 65_535

CounterRow = tuple[int, str, int | None, str, int, int]
"""`event_timebucket` (Unix seconds), `domain`, `site_id`, `metric`, `value`,
`tracker_script_version`, in the order of the table's columns."""

_Key = tuple[str, str, int]


class _Bucket:
    """The counts of ten seconds, by metric, domain and tracker version."""

    __slots__ = ("counts", "domains", "versions")

    def __init__(self) -> None:
        self.counts: dict[_Key, int] = {}
        self.domains: dict[str, set[str]] = {}
        self.versions = {UNKNOWN_VERSION}

    def admit(self, metric: str, domain: str, version: int, *, full: bool) -> _Key:
        """The key to count under, which is another one when a limit is reached.

        Args:
            metric: As for `Counters.count`, as the next two.
            domain: As above.
            version: As above.
            full: Whether no more domains are to be added.
        """
        domains = self.domains.setdefault(metric, set())
        if domain not in domains:
            if full or len(domain) > MAX_DOMAIN_LENGTH or len(domains) >= MAX_DOMAINS:
                domain = OTHER_DOMAINS
            else:
                domains.add(domain)
        version = min(max(version, UNKNOWN_VERSION), _MAX_VERSION)
        if version not in self.versions:
            if len(self.versions) > MAX_VERSIONS:
                version = UNKNOWN_VERSION
            else:
                self.versions.add(version)
        return metric, domain, version


class Counters:
    """Counts in memory until they are taken."""

    __slots__ = ("_buckets", "_keys")

    def __init__(self) -> None:
        """Start with nothing counted."""
        self._buckets: dict[int, _Bucket] = {}
        self._keys = 0

    def count(self, timestamp: int, metric: str, domain: str, tracker_version: int) -> None:
        """Count one event.

        Args:
            timestamp: The request's, in Unix seconds.
            metric: `buffered` or `dropped_<reason>`.
            domain: As the client sent it, whether it is registered or not.
            tracker_version: The script's version; brought into the range of a UInt16.
        """
        start = timestamp - timestamp % BUCKET_SECONDS
        bucket = self._buckets.get(start)
        if bucket is None:
            bucket = self._begin(start)
        key = (metric, domain, tracker_version)
        if key not in bucket.counts:
            full = self._keys >= MAX_KEYS
            key = bucket.admit(metric, domain, tracker_version, full=full)
            self._keys += key not in bucket.counts
        bucket.counts[key] = bucket.counts.get(key, 0) + 1

    def _begin(self, start: int) -> _Bucket:
        """A new bucket; the latest one when too many wait already."""
        if len(self._buckets) >= MAX_BUCKETS:
            return self._buckets[next(reversed(self._buckets))]
        bucket = self._buckets[start] = _Bucket()
        return bucket

    def take(self, now: int | None, site_id: Callable[[str], int | None]) -> tuple[CounterRow, ...]:
        """Take out what is over. The rows are the caller's from then on, to be stored or retried.

        Args:
            now: Unix seconds; buckets that began at least ten seconds before are taken, and those
                far in the future, left by a clock that ran ahead. None takes everything, as a
                shutdown must.
            site_id: Finds a domain's site id; None when it is not registered.

        Returns:
            Rows in the order of time and of first appearance, up to six per minute and key; the
            table's engine sums them.
        """
        due = sorted(
            start
            for start in self._buckets
            if now is None or not now - BUCKET_SECONDS < start <= now + AHEAD_SECONDS
        )
        ids: dict[str, int | None] = {OTHER_DOMAINS: None}
        rows: list[CounterRow] = []
        for start in due:
            minute = start - start % 60
            counts = self._buckets.pop(start).counts
            self._keys -= len(counts)
            for (metric, domain, version), value in counts.items():
                if domain not in ids:
                    ids[domain] = site_id(domain)
                rows.append((minute, domain, ids[domain], metric, value, version))
        return tuple(rows)
