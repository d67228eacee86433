"""Counts of accepted and dropped events, on the way to `ingest_counters` (spec/schema.md §3)."""

from collections.abc import Callable
from typing import Final

BUCKET_SECONDS: Final = 10
"""Length of the buckets in memory, and how old one must be to be taken."""

MAX_DOMAINS: Final = 10_000
MAX_VERSIONS: Final = 100
MAX_DOMAIN_LENGTH: Final = 255
"""Limits to what clients can make up: domains per bucket and metric, versions per bucket, and
characters of a domain. What goes beyond is counted as `OTHER_DOMAINS`, or as version 0."""

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

    def admit(self, metric: str, domain: str, version: int) -> _Key:
        """The key to count under, which is another one when a limit is reached."""
        domains = self.domains.setdefault(metric, set())
        if domain not in domains:
            if len(domain) > MAX_DOMAIN_LENGTH or len(domains) >= MAX_DOMAINS:
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

    __slots__ = ("_buckets",)

    def __init__(self) -> None:
        """Start with nothing counted."""
        self._buckets: dict[int, _Bucket] = {}

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
            bucket = self._buckets[start] = _Bucket()
        key = (metric, domain, tracker_version)
        if key not in bucket.counts:
            key = bucket.admit(metric, domain, tracker_version)
        bucket.counts[key] = bucket.counts.get(key, 0) + 1

    def take(self, now: int | None, site_id: Callable[[str], int | None]) -> tuple[CounterRow, ...]:
        """Take out what is over. The rows are the caller's from then on, to be stored or retried.

        Args:
            now: Unix seconds; buckets that began at least ten seconds before are taken. None takes
                everything, as a shutdown must.
            site_id: Finds a domain's site id; None when it is not registered.

        Returns:
            Rows in the order of time and of first appearance, up to six per minute and key; the
            table's engine sums them.
        """
        due = sorted(
            start for start in self._buckets if now is None or start <= now - BUCKET_SECONDS
        )
        ids: dict[str, int | None] = {OTHER_DOMAINS: None}
        rows: list[CounterRow] = []
        for start in due:
            minute = start - start % 60
            for (metric, domain, version), value in self._buckets.pop(start).counts.items():
                if domain not in ids:
                    ids[domain] = site_id(domain)
                rows.append((minute, domain, ids[domain], metric, value, version))
        return tuple(rows)
