"""Memory per open session and per site, and the cost of an event with many of them.

A visit of three pages has a different exit page, and numbers of its own for its times. A restored
visit comes from a checkpoint. Run as `python -m benchmarks.memory`.
"""

import gc
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from actors.log.checkpoint_file import CheckpointFile
from ingest.fold.checkpoint import FoldState
from ingest.model.event import Attribution, Device, EnrichedEvent, Place, Visitor
from ingest.records.record import Description
from ingest.request.url import parse_url
from ingest.sessions.live_sessions import LiveSessions
from ingest.sessions.shared_values import share
from ingest.sites.site import Site, SiteRegistry

NOW = 1_790_078_400
SESSIONS = (1_000, 10_000, 100_000, 1_000_000)
SITES = (1, 100, 10_000)

DESCRIPTION = Description(1800, 60)
DEVICES = [Device("Chrome", f"{n}.0", "Windows", "10", "Desktop") for n in range(40)]
ATTRIBUTIONS = [Attribution(f"site{n}.example", f"Site {n}") for n in range(200)]
PLACES = [Place("DE", city_geoname_id=n) for n in range(500)]


def event(visitor: int, timestamp: int, page: int = 0) -> EnrichedEvent:
    """Return a pageview of a visitor, with the objects that a request's event has."""
    site = visitor % 50
    url = parse_url(f"https://host{site}.example/blog/post-{(visitor // 50 + page) % 100}")
    return EnrichedEvent(
        "example.com", 36, 1 + site, Visitor(scattered(visitor), None), timestamp, timestamp,
        "pageview", url.hostname, url.path, (), True, 0, 0, PLACES[visitor % 500],
        DEVICES[visitor % 40], ATTRIBUTIONS[visitor % 200], None, scattered(visitor + 2**40),
    )  # fmt: skip


def scattered(number: int) -> int:
    """Return one of 64 bits for each number, as ids are."""
    return (number + 1) * 0x9E37_79B9_7F4A_7C15 % 2**64


def resident() -> int:
    """Return the resident memory of this process in bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def open_sessions(count: int, pages: int) -> LiveSessions:
    """Open this many sessions, 7,000 each second, with a page a minute."""
    sessions = LiveSessions(DESCRIPTION.session_seconds, DESCRIPTION.margin_seconds)
    for page in range(pages):
        for visitor in range(count):
            apply(sessions, event(visitor, NOW + 60 * page + visitor // 7_000, page))
    return sessions


def apply(sessions: LiveSessions, one: EnrichedEvent) -> None:
    """Apply an event as it happens, as the fold does."""
    transition = sessions.transition(one, share(one.timestamp))
    if transition is not None:
        sessions.put(transition.after)


def measure_sessions(count: int, pages: int) -> None:
    """Open this many sessions, then measure the cost of the next event of some of them."""
    gc.collect()
    before = resident()
    sessions = open_sessions(count, pages)
    used = resident() - before
    last = NOW + 60 * pages + count // 7_000
    events = [event(visitor, last) for visitor in range(0, count, max(1, count // 1000))]
    started = time.perf_counter()
    for one in events:
        sessions.expire(one.timestamp)
        apply(sessions, one)
    each = (time.perf_counter() - started) / len(events) * 1e6
    print(f"{_line(count, f'visits, pages: {pages}', used)} {each:>7.1f} µs an event")


def save(count: int, path: Path) -> None:
    """Save this many sessions in a checkpoint."""
    sessions = list(open_sessions(count, 1))
    CheckpointFile(path).save(FoldState("log", 0, 0, NOW, DESCRIPTION, sessions, (), ()))


def measure_restored(count: int, path: Path) -> None:
    """Restore the sessions of a checkpoint."""
    gc.collect()
    before = resident()
    started = time.perf_counter()
    state = CheckpointFile(path).load()
    assert state is not None  # noqa: S101 - it was saved before
    fold = state.restore()
    del state
    seconds = time.perf_counter() - started
    used = resident() - before
    print(f"{_line(len(fold.sessions), 'visits, restored', used)} {seconds:>7.1f} s")


def _line(count: int, what: str, used: int) -> str:
    return f"{count:>10,} {what:<18}{used / 1e6:>9.1f} MB {used / count:>8.0f} bytes each"


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
    print(f"{count:>10,} {'sites':<18}{used / 1e6:>9.1f} MB {'':>19} {each:>7.2f} µs a look-up")


def main() -> None:
    """Run each measurement in a new process, in which no memory was freed before."""
    match sys.argv[1:]:
        case ["sessions", count, pages]:
            measure_sessions(int(count), int(pages))
        case ["save", count, path]:
            save(int(count), Path(path))
        case ["restored", count, path]:
            measure_restored(int(count), Path(path))
        case ["sites", count]:
            measure_sites(int(count))
        case _:
            measure_all()


def measure_all() -> None:
    """Run all measurements."""
    for pages in (1, 3):
        for count in SESSIONS:
            _run("sessions", count, pages)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "checkpoint"
        _run("save", SESSIONS[-1], path)
        _run("restored", SESSIONS[-1], path)
    for count in SITES:
        _run("sites", count)


def _run(*arguments: object) -> None:
    command = [sys.executable, "-m", "benchmarks.memory", *map(str, arguments)]
    subprocess.run(command, check=True)  # noqa: S603


if __name__ == "__main__":
    main()
