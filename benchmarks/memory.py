"""Memory per open session and per site, and the cost of an event with many of them.

Run as `python -m benchmarks.memory`.
"""

import gc
import subprocess
import sys
import time
from pathlib import Path

from ingest.model.event import Attribution, Device, EnrichedEvent, Place, Visitor
from ingest.sessions.live_sessions import LiveSessions
from ingest.sites.site import Site, SiteRegistry

NOW = 1_790_078_400
SESSIONS = (1_000, 10_000, 100_000, 1_000_000)
SITES = (1, 100, 10_000)

DEVICES = [Device("Chrome", f"{n}.0", "Windows", "10", "Desktop") for n in range(40)]
ATTRIBUTIONS = [Attribution(f"site{n}.example", f"Site {n}") for n in range(200)]
PLACES = [Place("DE", city_geoname_id=n) for n in range(500)]


def event(visitor: int, timestamp: int) -> EnrichedEvent:
    """Return a pageview that shares objects like events from the look-ups' caches do."""
    return EnrichedEvent(
        "example.com", 36, 1 + visitor % 50, Visitor(visitor * 7_919 + 2**40, None), timestamp,
        timestamp, "pageview", f"host{visitor % 50}.example", f"/blog/post-{visitor % 1000}", (),
        True, 0, 0, PLACES[visitor % 500], DEVICES[visitor % 40], ATTRIBUTIONS[visitor % 200], None,
        2**40 + visitor,
    )  # fmt: skip


def resident() -> int:
    """Return the resident memory of this process in bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def measure_sessions(count: int) -> None:
    """Open this many sessions, then measure the cost of the next event of some of them."""
    gc.collect()
    before = resident()
    sessions = LiveSessions(1800, 60)

    def apply(visitor: int, timestamp: int) -> None:
        transition = sessions.transition(event(visitor, timestamp), timestamp)
        if transition is not None:
            sessions.commit(transition)

    for visitor in range(count):
        apply(visitor, NOW)
    used = resident() - before
    events = [event(visitor, NOW + 60) for visitor in range(0, count, max(1, count // 1000))]
    started = time.perf_counter()
    for one in events:
        sessions.expire(one.timestamp)
        transition = sessions.transition(one, one.timestamp)
        if transition is not None:
            sessions.commit(transition)
    each = (time.perf_counter() - started) / len(events) * 1e6
    memory = f"{used / 1e6:>9.1f} MB {used / count:>8.0f} bytes each"
    print(f"{count:>10,} visits {memory} {each:>7.1f} µs an event")


def measure_sites(count: int) -> None:
    """Register this many sites, then measure look-ups."""
    before = resident()
    registry = SiteRegistry(Site(n + 1, f"site{n}.example") for n in range(count))
    used = resident() - before
    names = [f"site{n % count}.example" for n in range(0, 100_000, 7)]
    started = time.perf_counter()
    for name in names:
        registry.find(name)
    each = (time.perf_counter() - started) / len(names) * 1e6
    print(f"{count:>10,} sites  {used / 1e6:>9.1f} MB {'':>19} {each:>7.2f} µs a look-up")


def main() -> None:
    """Run each measurement in a new process, in which no memory was freed before."""
    if len(sys.argv) == 3:
        kind, count = sys.argv[1], int(sys.argv[2])
        (measure_sessions if kind == "sessions" else measure_sites)(count)
        return
    for kind, counts in (("sessions", SESSIONS), ("sites", SITES)):
        for count in counts:
            command = [sys.executable, "-m", "benchmarks.memory", kind, str(count)]
            subprocess.run(command, check=True)  # noqa: S603


if __name__ == "__main__":
    main()
