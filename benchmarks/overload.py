"""What refusals cost: `python -m benchmarks.overload`.

The first table puts more and more greedy connections on the server, which send an event as soon as
the last one is answered. The second one has clients that send batches of 5,000 events, and send
them again at once when they are refused, beside one polite client with single events.
"""

import argparse
import json
import os
import resource
import socket
import statistics
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import Process, Queue
from pathlib import Path
from typing import Any, Final

from benchmarks.batch import KEY, bodies
from benchmarks.servers import ROOT, Server, sluice
from benchmarks.throughput import LOAD_CORE, SERVER_CORE, wrk

CONNECTIONS: Final = (32, 1_000, 3_500)
GREEDY: Final = (0, 1, 200)
BATCH_EVENTS: Final = 5_000
OPEN_FILES: Final = 8_192
SETTLE_SECONDS: Final = 6
"""The last flush is part of the cost."""

EVENT: Final = json.dumps(
    {"n": "pageview", "u": "https://site0.example/a", "d": "site0.example"}
).encode()


def request(path: str, body: bytes) -> bytes:
    """Return a request as bytes."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {KEY}\r\n"
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Client:
    """A client with one connection, which is opened again when the server has closed it."""

    def __init__(self, port: int) -> None:
        """Connect."""
        self._port = port
        self._open()

    def _open(self) -> None:
        self._socket = socket.create_connection(("127.0.0.1", self._port))
        self._answers = self._socket.makefile("rb")

    def send(self, data: bytes) -> tuple[int, bytes]:
        """Send a request, and return status and body of the answer; 0 if there was none."""
        try:
            self._socket.sendall(data)
            return self._read()
        except OSError:
            self._socket.close()
            self._open()
            return 0, b""

    def _read(self) -> tuple[int, bytes]:
        status = self._answers.readline().split()
        length = 0
        while (line := self._answers.readline()).strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        if not status:
            raise ConnectionError
        return int(status[1]), self._answers.read(length)


def send_batches(port: int, clients: int, seconds: float, counts: "Queue[dict[str, int]]") -> None:
    """Send batches from several clients, without a pause; put the counts into a queue."""
    os.nice(10)  # takes no time from the polite client, whose latency is measured
    batches = [request("/api/events", body) for body in bodies(BATCH_EVENTS, 4)]
    totals = {"accepted": 0, "answers": 0, "refusals": 0, "breaks": 0}
    served: set[int] = set()
    end = time.perf_counter() + seconds

    def run(number: int) -> None:
        client = Client(port)
        while time.perf_counter() < end:
            status, body = client.send(batches[number % len(batches)])
            totals["answers"] += 1
            totals["refusals"] += status in (429, 503)
            totals["breaks"] += not status
            if status == 202:
                totals["accepted"] += json.loads(body)["accepted"]
                served.add(number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts.put({**totals, "served": len(served)})


def beside_batches(server: Server, clients: int, seconds: float) -> dict[str, Any]:
    """Measure single events beside greedy batch clients."""
    counts: Queue[dict[str, int]] = Queue()
    greedy = Process(target=send_batches, args=(server.port, clients, seconds, counts))
    greedy.start()
    polite, times, refused = Client(server.port), [], 0
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        started = time.perf_counter()
        status, _ = polite.send(request("/api/event", EVENT))
        times.append((time.perf_counter() - started) * 1000)
        refused += status != 202
        time.sleep(0.02)
    result = {**counts.get(), "times": times, "refused": refused}
    greedy.join()
    return result


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10, help="of load for each figure")
    parser.add_argument("--only", choices=("events", "batches"), help="one of the tables")
    options = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = OPEN_FILES if most == resource.RLIM_INFINITY else min(OPEN_FILES, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, most))
    os.sched_setaffinity(0, {LOAD_CORE})
    with tempfile.TemporaryDirectory(dir=ROOT) as name:
        if options.only != "batches":
            _print_events(Path(name), options.seconds)
        if options.only != "events":
            _print_batches(Path(name), options.seconds)


def _print_events(directory: Path, seconds: float) -> None:
    print(
        f"{'connections':<14}{'answers/s':>10}{'refused':>9}{'accepted per cpu s':>20}{'p99 ms':>9}"
    )
    for connections in CONNECTIONS:
        with sluice(directory / f"events{connections}", SERVER_CORE) as server:
            with ThreadPoolExecutor() as threads:
                length = seconds + 4 * SETTLE_SECONDS
                running = threads.submit(wrk, server.port, length, connections=connections)
                time.sleep(SETTLE_SECONDS)
                # This request waits until all connections are accepted, which takes many seconds.
                # So the CPU time is read after it.
                accepted, cpu = server.accepted(), server.cpu_seconds()
                time.sleep(seconds)
                accepted, cpu = server.accepted() - accepted, server.cpu_seconds() - cpu
                load = running.result()
            answers = load.rate * length
            print(
                f"{connections:<14}{load.rate:>10,.0f}{load.errors / answers:>9.1%}"
                f"{accepted / cpu:>20,.0f}{load.p99:>9.0f}",
                flush=True,
            )


def _print_batches(directory: Path, seconds: float) -> None:
    print(
        f"{'batch clients':<14}{'accepted/s':>11}{'per cpu s':>11}{'refusals/s':>11}{'breaks/s':>9}"
        f"{'served':>8}{'single p50':>11}{'p99 ms':>8}{'refused':>8}"
    )
    for clients in GREEDY:
        home = directory / f"batches{clients}"
        with sluice(home, SERVER_CORE, SLUICE_ADMIN_TOKEN=KEY) as server:
            before = server.cpu_seconds()
            result = beside_batches(server, clients, seconds)
            time.sleep(SETTLE_SECONDS)
            used = server.cpu_seconds() - before
        times = statistics.quantiles(result["times"], n=100)
        accepted = result["accepted"]
        print(
            f"{clients:<14}{accepted / seconds:>11,.0f}{accepted / used:>11,.0f}"
            f"{result['refusals'] / seconds:>11,.0f}{result['breaks'] / seconds:>9,.0f}"
            f"{result['served']:>8}{times[49]:>11.1f}{times[98]:>8.1f}{result['refused']:>8}",
            flush=True,
        )


if __name__ == "__main__":
    main()
