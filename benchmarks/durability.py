"""The cost of the log: `python -m benchmarks.durability`.

Prints three tables, each with ratios to its first line: ways to write a run of events to a disk;
events through the pipeline, from the intake to the writer; events through a real server over HTTP.
"""

import argparse
import json
import os
import shutil
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import trio

from actors.clock.wall_clock import Clock
from actors.log.file_log import FileLog
from actors.log.log import WritableLog
from actors.log.memory_log import MemoryLog
from actors.pipeline.front_half import FrontHalf
from actors.pipeline.storing import Storing
from actors.pipeline.topology import Collector
from ingest.enrichment.geo import NoGeoDatabase
from ingest.fold.checkpoint import FoldState
from ingest.model.event import Attribution, Device, EnrichedEvent, EventRequest, Place, Visitor
from ingest.pipeline.reference import Reference
from ingest.records.record import Description
from ingest.records.run import Run, encode_run
from ingest.rows.schema import Table
from ingest.rows.servers import Server
from ingest.sessions.salts import fresh_key, start
from ingest.sites.rate_limit import RateLimiter
from ingest.sites.site import Site, SiteRegistry

ROOT = Path(__file__).parents[1]

AGENT = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/131.0.0.0 Safari/537.36"
)
APPENDS = 500
RUN = 64
"""Number of events in a run, as in a busy stage between two checkpoints."""


DESCRIPTION = Description(session_seconds=1800)
NOW = 1_790_078_400


def a_run() -> list[EnrichedEvent]:
    """Return a run of pageviews."""
    event = EnrichedEvent(
        "example.com", 36, 1, Visitor(2**63 + 1, None), NOW, NOW, "pageview", "example.com",
        "/blog/a-post-of-usual-length", (("plan", "pro"),), True, 0, 0,
        Place("DE", "DE-BE", "", 2950159), Device("Chrome", "131.0", "Mac", "10.15", "Desktop"),
        Attribution("news.ycombinator.com", "Hacker News"), None, 2**64 - 5,
    )  # fmt: skip
    return [event] * RUN


def a_log(directory: Path, fsync: Any = "interval") -> FileLog:
    """Create a log."""
    return FileLog.open(
        directory, description=DESCRIPTION, limit_bytes=10**9, fsync=fsync, log_time=NOW
    )


def seconds_each(work: Callable[[], object], times: int) -> float:
    """Return the seconds for one call, as the median of five rounds."""
    rounds = []
    for _ in range(5):
        started = time.perf_counter()
        for _ in range(times):
            work()
        rounds.append((time.perf_counter() - started) / times)
    return statistics.median(rounds)


def table(title: str, lines: Sequence[tuple[str, float]], unit: str, *, rate: bool = False) -> None:
    """Print figures with their ratio to the first."""
    print(f"\n{title}")
    for name, value in lines:
        print(f"  {name:<44}{value:>10,.1f} {unit:<14}{value / lines[0][1]:>6.2f}×")


async def append_runs(directory: Path, run: list[EnrichedEvent]) -> None:
    """Append the run many times."""
    log = a_log(directory / "log")
    for _ in range(APPENDS):
        await log.append(run, NOW)
    log.close()


def writes(directory: Path) -> None:
    """Measure ways to write one run of events."""
    run = a_run()
    as_run = Run(1, 0, 0, NOW, run)
    data = encode_run(as_run)
    file = os.open(directory / "plain", os.O_WRONLY | os.O_CREAT)
    lines: list[tuple[str, float]] = []

    def add(name: str, work: Callable[[], object], times: int) -> None:
        lines.append((name, seconds_each(work, times) * 1e6 / RUN))

    add("log: encode, checksum, one write", partial(trio.run, append_runs, directory, run), 1)
    lines[0] = (lines[0][0], lines[0][1] / APPENDS)
    add("  of it encoding", lambda: encode_run(as_run), 200)
    add("  of it the write", lambda: os.write(file, data), 200)
    for synchronous in ("NORMAL", "FULL"):
        connection = sqlite3.connect(directory / f"{synchronous}.db", isolation_level=None)
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute("CREATE TABLE run (position INTEGER PRIMARY KEY, record BLOB)")

        def insert(connection: sqlite3.Connection = connection) -> None:
            connection.execute("INSERT INTO run (record) VALUES (?)", (encode_run(as_run),))

        add(f"SQLite, WAL, synchronous={synchronous}, a row a run", insert, 100)

    def write_and_sync() -> None:
        os.write(file, data)
        os.fdatasync(file)

    add("plain file, write and fdatasync", write_and_sync, 50)
    table(f"Writing a run of {RUN} events ({len(data) / RUN:.0f} bytes each)", lines, "µs an event")


class Sink:
    """A store that accepts everything immediately."""

    name = "sink"
    findings: tuple[str, ...] = ()
    older_names = False

    async def open(self) -> None:
        await trio.lowlevel.checkpoint()

    async def insert(self, table: Table, rows: Sequence[tuple[Any, ...]], token: str) -> None:
        await trio.lowlevel.checkpoint()

    async def missing(
        self, table: Table, rows: Sequence[tuple[Any, ...]]
    ) -> Sequence[tuple[Any, ...]]:
        await trio.lowlevel.checkpoint()
        return rows

    async def query(self, sql: str) -> list[str]:
        await trio.lowlevel.checkpoint()
        return []

    async def ping(self) -> None:
        await trio.lowlevel.checkpoint()

    async def beat(self, server: Server) -> None:
        await trio.lowlevel.checkpoint()

    async def servers(self) -> None:
        await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


async def through_the_pipeline(fsync: str, events: int, directory: Path) -> float:
    """Return the accepted events per second of 200 clients."""
    source: WritableLog = (
        MemoryLog(DESCRIPTION, limit_events=10**6, log_time=NOW)
        if fsync == "memory"
        else a_log(directory / "log", fsync)
    )
    clock = Clock.system()
    reference = Reference(
        SiteRegistry([Site(1, "example.com")]),
        NoGeoDatabase(),
        start(None, fresh_key(), clock.now()),
        RateLimiter(),
    )
    front = FrontHalf(reference, clock, source, directory / "letters")
    state = FoldState(source.id, source.first, 0, 0, DESCRIPTION, (), (), ())
    storing = Storing(source, state, Sink(), clock, front.verdicts, front.letters, front.metrics)
    collector = Collector(front, storing)
    clients = 200

    async def visit(client: int) -> None:
        for number in range(events // clients):
            request = EventRequest(
                clock.seconds(), "pageview", ("example.com",), "example.com", f"/{number % 40}",
                {}, None, (), None, True, 0, 0, 36, f"198.51.100.{client}", AGENT, None,
            )  # fmt: skip
            verdicts = await collector.intake.submit(request)
            assert verdicts[0].accepted  # noqa: S101

    async with trio.open_nursery() as nursery:
        await nursery.start(collector.run)
        started = time.perf_counter()
        async with trio.open_nursery() as visitors:
            for client in range(clients):
                visitors.start_soon(visit, client)
        taken = time.perf_counter() - started
        collector.drain(20)
    source.close()
    return events / taken


def pipeline(directory: Path, events: int) -> None:
    """Measure the accept path without HTTP."""
    lines = []
    for name in ("memory", "never", "interval", "always"):
        home = directory / f"pipeline-{name}"
        rates = [trio.run(through_the_pipeline, name, events, home) for _ in range(3)]
        label = "memory" if name == "memory" else f"log, fsync={name}"
        lines.append((label, statistics.median(rates)))
    table("Through the pipeline, 200 clients, no HTTP", lines, "events/s")


@contextmanager
def server(directory: Path, **environment: str) -> Iterator[int]:
    """Run a real server; yield its port."""
    directory.mkdir()
    shutil.copytree(ROOT / "config", directory / "config")
    process = subprocess.Popen(
        [sys.executable, "-m", "ingest", "serve"],
        cwd=directory,
        env={
            **os.environ,
            "PYTHONPATH": str(Path(__file__).parents[1]),
            "PORT": "0",
            **environment,
        },
        stderr=subprocess.DEVNULL,
    )
    announcement = directory / "var" / "server.json"
    while not announcement.exists():
        time.sleep(0.1)
    try:
        yield int(json.loads(announcement.read_text())["port"])
    finally:
        process.terminate()
        process.wait()


def load(port: int, seconds: float, connections: int) -> float:
    """Return the accepted events per second over keep-alive connections."""
    accepted = [0] * connections
    end = time.perf_counter() + seconds

    def client(number: int) -> None:
        body = json.dumps({"n": "pageview", "u": "https://example.com/a", "d": "example.com"})
        request = (
            f"POST /api/event HTTP/1.1\r\nhost: a\r\nuser-agent: {AGENT}\r\n"
            f"x-forwarded-for: 198.51.100.{number}\r\ncontent-type: text/plain\r\n"
            f"content-length: {len(body)}\r\n\r\n{body}"
        ).encode()
        with socket.create_connection(("127.0.0.1", port)) as connection:
            while time.perf_counter() < end:
                connection.sendall(request)
                if connection.recv(65536).startswith(b"HTTP/1.1 202"):
                    accepted[number] += 1

    threads = [threading.Thread(target=client, args=(number,)) for number in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(accepted) / seconds


def over_http(directory: Path, seconds: float) -> None:
    """Measure the whole path, with the embedded store."""
    lines: list[tuple[str, float]] = []
    for name, environment in (
        ("memory", {"SLUICE_DURABILITY": "memory"}),
        ("journal, fsync=interval", {"SLUICE_JOURNAL_FSYNC": "interval"}),
        ("journal, fsync=always", {"SLUICE_JOURNAL_FSYNC": "always"}),
        ("memory, again", {"SLUICE_DURABILITY": "memory"}),
        ("journal, fsync=interval, again", {"SLUICE_JOURNAL_FSYNC": "interval"}),
    ):
        home = directory / f"http-{len(lines)}"
        with server(home, **environment) as port:
            load(port, 2, 32)
            lines.append((name, load(port, seconds, 32)))
    table("Through a server over HTTP, 32 connections", lines, "events/s")


def main() -> None:
    """Print all three tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=20_000, help="through the pipeline")
    parser.add_argument("--seconds", type=float, default=10, help="of load over HTTP, each")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        directory = Path(name)
        writes(directory)
        pipeline(directory, options.events)
        over_http(directory, options.seconds)


if __name__ == "__main__":
    main()
