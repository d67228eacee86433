"""Events per second on one core, compared with empty endpoints: `python -m benchmarks.throughput`.

All servers run in turn on the same core. The load generator (wrk) runs on another, with the traffic
of `traffic.lua`. Prints a table, and writes it with the machine's description to
`benchmarks/results/throughput.json`.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from benchmarks.geo_database import geo_database
from benchmarks.servers import ROOT, Server, floor, sluice

SERVER_CORE, LOAD_CORE = 0, 1
CONNECTIONS: Final = 64
SETTLE_SECONDS: Final = 2
THREAD_SHOWN: Final = 0.5
REST_SECONDS: Final = 6
"""After the load, what the store merges still costs."""

NEW_VISITORS: Final = "Sluice: embedded store, journal, new visitors"
RESULTS: Final = ROOT / "benchmarks" / "results"


@dataclass(frozen=True, slots=True)
class Load:
    """The result of wrk.

    Attributes:
        rate: Requests per second.
        p50: Median latency in milliseconds.
        p99: 99th percentile in milliseconds.
        p999: 99.9th percentile in milliseconds.
        errors: Number of requests that failed or had no 2xx response.
    """

    rate: float
    p50: float
    p99: float
    p999: float
    errors: int


@dataclass(frozen=True, slots=True)
class Line:
    """One server's figures.

    Attributes:
        name: Name of the server.
        full: Results at full load.
        cpu: CPU time per request in microseconds, all threads, also after the load.
        half: Results at about half that load; None if not measured.
        lag: Longest observed lag of the event loop in milliseconds; None for other servers.
        memory: Maximum memory in megabytes.
        threads: CPU time per request in microseconds, by name of the thread.
    """

    name: str
    full: Load
    cpu: float
    half: Load | None
    lag: float | None
    memory: float
    threads: dict[str, float] = field(default_factory=dict)


def wrk(
    port: int,
    seconds: float,
    wait: float = 0,
    connections: int = CONNECTIONS,
    batch: int = 1,
    key: str = "",
    traffic: str = "",
) -> Load:
    """Run the load.

    Args:
        port: The server's.
        seconds: How long.
        wait: Milliseconds between a response and the next request.
        connections: How many at a time.
        batch: Events in each request.
        key: Bearer token of batches.
        traffic: `new` for new visitors; returning ones by default.
    """
    command = [
        "taskset", "-c", str(LOAD_CORE), "wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s",
        "--timeout", "10s", "-s", str(ROOT / "benchmarks" / "traffic.lua"),
        f"http://127.0.0.1:{port}",
    ]  # fmt: skip
    environment = {**os.environ, "WAIT": str(round(wait)), "BATCH": str(batch), "KEY": key}
    environment["TRAFFIC"] = traffic
    result = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)  # noqa: S603
    for text in result.stdout.splitlines():
        if text.startswith("RESULT "):
            requests, duration, p50, p99, p999, errors = map(float, text.split()[1:])
            return Load(requests / duration * 1e6, p50 / 1000, p99 / 1000, p999 / 1000, int(errors))
    raise RuntimeError(result.stdout + result.stderr)


def measure(
    name: str,
    open_server: Callable[[], AbstractContextManager[Server]],
    seconds: float,
    *,
    ours: bool,
    traffic: str = "",
) -> Line:
    """Start a server, warm it up, and put it under load."""
    with open_server() as server:
        wrk(server.port, SETTLE_SECONDS, traffic=traffic)
        cpu, accepted = server.cpu_seconds(), _accepted(server, ours)
        threads = server.thread_seconds()
        full = wrk(server.port, seconds, traffic=traffic)
        if ours:
            # Wait until all accepted events are stored, to include the cost of storing.
            while server.metrics()["sluice_journal_backlog_events"]:
                time.sleep(0.1)
            time.sleep(REST_SECONDS)
        used = server.cpu_seconds() - cpu
        requests = full.rate * seconds
        by_thread = {
            thread: (seconds_used - threads.get(thread, 0.0)) / requests * 1e6
            for thread, seconds_used in server.thread_seconds().items()
        }
        half = lag = None
        if ours:
            accepted = _accepted(server, ours) - accepted
            share = accepted / requests
            full = Load(full.rate * share, full.p50, full.p99, full.p999, full.errors)
            wait = 2 * CONNECTIONS / full.rate * 1000 - full.p50 / 4
            half = wrk(server.port, seconds, wait, traffic=traffic)
            lag = _longest_lag(server, seconds)
        memory = server.memory()["VmHWM"]
        return Line(name, full, used / requests * 1e6, half, lag, memory, by_thread)


def _accepted(server: Server, ours: bool) -> float:
    return server.accepted() if ours else 0.0


def _longest_lag(server: Server, seconds: float) -> float:
    """Return the longest lag of the event loop under full load."""
    load = subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", _LOAD.format(port=server.port, seconds=seconds)], cwd=ROOT
    )
    longest = 0.0
    while load.poll() is None:
        longest = max(longest, server.metrics()["sluice_event_loop_lag_seconds"])
        time.sleep(0.5)
    return longest * 1000


_LOAD = "from benchmarks.throughput import wrk; wrk({port}, {seconds})"


def machine() -> dict[str, Any]:
    """Return a description of the machine."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return {
        "processor": cpu,
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def table(lines: list[Line]) -> str:
    """Format the figures as text; the factor is relative to the first line."""
    header = (
        f"{'server':<44}{'req/s':>8}{'factor':>8}{'µs cpu':>8}{'p50':>7}{'p99':>7}"
        f"{'| half: req/s':>14}{'p50':>6}{'p99':>7}{'p99.9':>7}{'lag':>6}{'MB':>6}"
    )
    rows = [header]
    for line in lines:
        full, half = line.full, line.half
        text = (
            f"{line.name:<44}{full.rate:>8,.0f}{full.rate / lines[0].full.rate:>7.1f}×"
            f"{line.cpu:>8.0f}{full.p50:>7.1f}{full.p99:>7.1f}"
        )
        if half is not None and line.lag is not None:
            text += f"{half.rate:>14,.0f}{half.p50:>6.1f}{half.p99:>7.1f}{half.p999:>7.1f}"
            text += f"{line.lag:>6.1f}"
        else:
            text += " " * 40
        rows.append(f"{text}{line.memory:>6.0f}")
    return "\n".join(rows)


def thread_table(lines: list[Line]) -> str:
    """Format the CPU time of each thread of our own servers, in microseconds per request."""
    rows = []
    for line in lines:
        if line.half is not None:
            pairs = sorted(line.threads.items(), key=lambda pair: -pair[1])
            shown = ", ".join(f"{name} {used:.1f}" for name, used in pairs if used >= THREAD_SHOWN)
            rows.append(f"{line.name:<48}{shown}")
    return "\n".join(rows)


def main() -> None:
    """Measure everything, and print and save the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10, help="of load for each figure")
    parser.add_argument("--only", default="", help="servers whose name has this in it")
    options = parser.parse_args()
    for tool in ("wrk", "nginx", "taskset"):
        if shutil.which(tool, path=os.environ["PATH"] + ":/usr/sbin") is None:
            sys.exit(f"{tool} is needed: benchmarks/provide_tools installs it on Debian")
    with tempfile.TemporaryDirectory(dir=ROOT) as name:
        lines = list(_measure_all(Path(name), options.seconds, options.only))
    text = table(lines)
    print(text)
    print(thread_table(lines))
    RESULTS.mkdir(exist_ok=True)
    document = {"machine": machine(), "lines": [asdict(line) for line in lines], "table": text}
    (RESULTS / "throughput.json").write_text(json.dumps(document, indent=1, ensure_ascii=False))


def _yield_to_load(pid: int) -> None:
    """Run a process on the core of wrk, behind wrk, which would else measure its own delays."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with suppress(ProcessLookupError):
            os.sched_setaffinity(int(thread.name), {LOAD_CORE})
            os.setpriority(os.PRIO_PROCESS, int(thread.name), 19)


def _measure_all(directory: Path, seconds: float, only: str) -> Any:
    from tests.end_to_end.clickhouse_server import ClickHouseServer

    floors = {
        "empty raw ASGI, hypercorn with trio": "hypercorn_raw",
        "empty Quart-Trio, hypercorn with trio": "hypercorn_quart",
        "empty raw ASGI, uvicorn with httptools": "uvicorn_httptools",
        "nginx, return 202": "nginx",
    }
    for title, name in floors.items():
        if only in title:
            opened = partial(floor, name, directory / name, SERVER_CORE)
            yield measure(title, opened, seconds, ours=False)
    geo = str(geo_database())
    with ClickHouseServer(directory / "clickhouse") as clickhouse:
        _yield_to_load(clickhouse.pid)
        variants = {
            "Sluice: embedded store, journal": {},
            NEW_VISITORS: {"sites": "100"},
            "Sluice: embedded store, journal, fsync always": {"SLUICE_JOURNAL_FSYNC": "always"},
            "Sluice: embedded store, memory": {"SLUICE_DURABILITY": "memory"},
            "Sluice: ClickHouse over TCP, journal": {"CLICKHOUSE_URL": clickhouse.url("bench")},
            "Sluice: embedded store, journal, hypercorn": {"SLUICE_FAST_PATH": "off"},
        }
        for number, (title, environment) in enumerate(variants.items()):
            if only in title:
                place = directory / f"sluice{number}"
                settings = {"SLUICE_GEOIP_DATABASE": geo, **environment}
                opened = partial(sluice, place, SERVER_CORE, **settings)
                traffic = "new" if title == NEW_VISITORS else ""
                yield measure(title, opened, seconds, ours=True, traffic=traffic)


if __name__ == "__main__":
    main()
