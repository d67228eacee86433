"""Counts of each site's events in the current window (spec/ingestion.md §10)."""

from typing import Final

from ingest.sites.site import RateLimit, Site

KEPT_WINDOWS: Final = 4
"""Windows counted per site: the current one, and others for events with an older time, such as
redriven letters. These must not reset the current window."""

_SPARE_SITES: Final = 1024


class RateLimiter:
    """Counts events in fixed windows that begin at multiples of their length since the epoch.

    Counts by a site's current domain, so that the previous domain shares the limit. Sites whose
    windows have ended are forgotten when the number of sites has doubled.

    Attributes:
        fronts: How many processes share the limits; each allows its part.
    """

    __slots__ = ("_counts", "_prune_at", "fronts")

    def __init__(self) -> None:
        """Start without counts."""
        self.fronts = 1
        self._counts: dict[str, dict[tuple[int, int], int]] = {}
        self._prune_at = _SPARE_SITES

    def __len__(self) -> int:
        """The number of sites with a count."""
        return len(self._counts)

    def allow(self, site: Site, now: int) -> bool:
        """Count an event.

        Args:
            site: The event's site; sites without a limit are not counted.
            now: The event's time, in Unix seconds.

        Returns:
            True up to the last event of this process's part of the limit in the window, False
            from the next one on.
        """
        limit = site.rate_limit
        if limit is None:
            return True
        windows = self._counts.get(site.domain)
        if windows is None:
            windows = self._open(site.domain, now)
        window = (limit.seconds, now // limit.seconds)
        # Remove and insert again, so that the most recently used window is last and the first one
        # can be deleted.
        count = windows.pop(window, 0) + 1
        windows[window] = count
        if len(windows) > KEPT_WINDOWS:
            del windows[next(iter(windows))]
        return count <= self.share(limit)

    def share(self, limit: RateLimit) -> int:
        """This process's part of a limit: at least one event, but none if the site is blocked."""
        return max(limit.events // self.fronts, min(limit.events, 1))

    def used(self, site: Site, now: int) -> int:
        """Return the number of a site's events in the window of a time (Unix seconds)."""
        if site.rate_limit is None:
            return 0
        seconds = site.rate_limit.seconds
        return self._counts.get(site.domain, {}).get((seconds, now // seconds), 0)

    def _open(self, domain: str, now: int) -> dict[tuple[int, int], int]:
        if len(self._counts) >= self._prune_at:
            self._counts = {
                counted: windows
                for counted, windows in self._counts.items()
                if any((index + 1) * seconds > now for seconds, index in windows)
            }
            self._prune_at = 2 * len(self._counts) + _SPARE_SITES
        return self._counts.setdefault(domain, {})


class Forecast(RateLimiter):
    """Gives the answers of another limiter without counting events."""

    __slots__ = ("_limiter",)

    def __init__(self, limiter: RateLimiter) -> None:
        """Use a limiter."""
        super().__init__()
        self.fronts = limiter.fronts
        self._limiter = limiter

    def allow(self, site: Site, now: int) -> bool:
        """Whether one more event would pass."""
        return site.rate_limit is None or self.used(site, now) < self.share(site.rate_limit)

    def used(self, site: Site, now: int) -> int:
        """Return the other limiter's count."""
        return self._limiter.used(site, now)
