"""Events per second in batches and as single events: `python -m benchmarks.batch`.

The server runs on one core, the sender on another, with the default settings: embedded store and
journal.
"""

import http.client
import json
import os
import random
import tempfile
import time
from pathlib import Path

from benchmarks.servers import ROOT, SITES, Server, sluice
from benchmarks.throughput import CONNECTIONS, LOAD_CORE, SERVER_CORE, wrk

KEY = "benchmarks-own-token"
SIZES = (10, 100, 1000, 5000)
SETTLE_SECONDS = 6
"""The last flush is part of the cost."""


def bodies(size: int, count: int) -> list[bytes]:
    """Return batches of events of the last hours, for many visitors, sites and pages."""
    chance = random.Random(42)  # noqa: S311 - the same traffic each time
    agents = [
        f"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{n}.0.0.0"
        " Safari/537.36"
        for n in range(100, 140)
    ]

    def event() -> dict[str, object]:
        visitor = chance.randrange(5000)
        site = f"site{visitor % SITES}.example"
        return {
            "n": "pageview" if chance.random() < 0.8 else "Signup",
            "u": f"https://{site}/blog/post-{chance.randrange(200)}",
            "d": site,
            "r": chance.choice([None, "https://www.google.com/", "https://t.co/a"]),
            "p": {"plan": "pro"} if chance.random() < 0.1 else None,
            "ip": f"198.51.{visitor % 100}.{visitor // 100}",
            "user_agent": agents[visitor % len(agents)],
        }

    return [json.dumps([event() for _ in range(size)]).encode() for _ in range(count)]


def send(port: int, batches: list[bytes], seconds: float) -> int:
    """Send batches one after the other over one connection.

    Returns:
        The number of accepted events.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port)
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}"}
    accepted = number = 0
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        connection.request("POST", "/api/events", batches[number % len(batches)], headers)
        accepted += json.loads(connection.getresponse().read())["accepted"]
        number += 1
    return accepted


def main() -> None:
    """Print two tables: one connection, and many. The factor is relative to single events."""
    os.sched_setaffinity(0, {LOAD_CORE})
    seconds = 8.0
    with tempfile.TemporaryDirectory(dir=ROOT) as name:
        for title, many in (("one connection", False), (f"{CONNECTIONS} connections", True)):
            print(f"{title:<22}{'events/s':>10}{'factor':>8}{'µs cpu':>8}")
            rates: list[float] = []
            for size in (1, *SIZES):
                directory = Path(name) / f"{size}{many}"
                with sluice(directory, SERVER_CORE, SLUICE_ADMIN_TOKEN=KEY) as server:
                    rate, used = _measure(server, size, seconds, many=many or size == 1)
                rates.append(rate)
                print(f"{size:<22}{rate:>10,.0f}{rate / rates[0]:>7.1f}×{used:>8.0f}", flush=True)


def _measure(server: Server, size: int, seconds: float, *, many: bool) -> tuple[float, float]:
    """Return accepted events per second, and the CPU time of an event in microseconds."""
    batches = [] if many else bodies(size, max(1, 20_000 // size))
    before = server.cpu_seconds()
    if many:
        load = wrk(server.port, seconds, batch=size, key=KEY)
        accepted = (load.rate * seconds - load.errors) * size
    else:
        accepted = send(server.port, batches, seconds)
    time.sleep(SETTLE_SECONDS)
    used = server.cpu_seconds() - before
    return accepted / seconds, used / accepted * 1e6


if __name__ == "__main__":
    main()
