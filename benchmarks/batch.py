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

from benchmarks.servers import ROOT, SITES, sluice
from benchmarks.throughput import LOAD_CORE, SERVER_CORE, wrk

KEY = "benchmarks-own-token"
SIZES = (10, 100, 1000, 5000)


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
    """Print a table; the factor is relative to single events."""
    os.sched_setaffinity(0, {LOAD_CORE})
    seconds = 8.0
    print(f"{'events in a request':<22}{'events/s':>10}{'factor':>8}{'µs cpu':>8}")
    with tempfile.TemporaryDirectory(dir=ROOT) as name:
        rates: list[float] = []
        for size in (1, *SIZES):
            directory = Path(name) / str(size)
            with sluice(directory, SERVER_CORE, SLUICE_ADMIN_TOKEN=KEY) as server:
                batches = bodies(size, max(1, 20_000 // size)) if size > 1 else []
                before = server.cpu_seconds()
                if size == 1:
                    accepted = wrk(server.port, seconds).rate * seconds
                else:
                    accepted = send(server.port, batches, seconds)
                time.sleep(6)  # the last flush is part of the cost
                used = server.cpu_seconds() - before
            rates.append(accepted / seconds)
            print(
                f"{size:<22}{rates[-1]:>10,.0f}{rates[-1] / rates[0]:>7.1f}×"
                f"{used / accepted * 1e6:>8.0f}"
            )


if __name__ == "__main__":
    main()
