"""The path of an event from a request's bytes to the encoded block, or to messages for Kafka.

The server's own parts work on fixed requests over socket pairs, with a clock that stands still.
Only the store and Kafka's client are missing: blocks are encoded and forgotten, messages are
acknowledged at once and kept. So each run does the same work.
"""

import math
import os
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import trio
import trio.testing

import ingest.http.fast_path.server
from actors.clock.wall_clock import Clock
from actors.log.file_log import FileLog
from actors.pipeline.back_half import BackHalf
from actors.pipeline.front_half import FrontHalf
from actors.pipeline.storing import FlushLimits, Storing
from actors.pipeline.topology import Collector
from actors.stores.encoding import encode
from actors.threads.serial_thread import SerialThread
from benchmarks.durability import Sink
from benchmarks.fixed_traffic import SITES
from ingest.enrichment.geo import AnyGeoDatabase
from ingest.fold.checkpoint import FoldState
from ingest.http.batch_endpoint import BatchEndpoint
from ingest.http.event_endpoint import EventEndpoint
from ingest.http.fast_path.server import FastPath
from ingest.pipeline.reference import Reference, only_partition
from ingest.records.record import Description
from ingest.request.client_address import TrustedProxies
from ingest.rows.schema import Table
from ingest.server.running import keep_collections_short
from ingest.sessions.salts import Salt, Salts
from ingest.sites.rate_limit import RateLimiter
from ingest.sites.site import Site, SiteRegistry

NOW: Final = 1_790_078_400
CONNECTIONS: Final = 64
DESCRIPTION: Final = Description(session_seconds=1800)
ANSWER_BYTES: Final = 4096


class StandingClock(trio.abc.Clock):
    """A clock on which nothing is due until it is set.

    Attributes:
        now: The time.
    """

    def __init__(self) -> None:
        """Stand still."""
        self.now = 1000.0

    def start_clock(self) -> None:
        """Do nothing."""

    def current_time(self) -> float:
        """Return the same time until it is set."""
        return self.now

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Return how long trio may wait for sockets and threads."""
        return deadline - self.current_time()


class EncodingSink(Sink):
    """A store that encodes rows as the real ones do."""

    async def insert(self, table: Table, rows: Sequence[tuple[Any, ...]], token: str) -> None:
        """Encode the rows, and forget them."""
        encode(table, rows, ())
        await trio.lowlevel.checkpoint()


class NoStream:
    """Every answer fits into its socket's buffer."""

    async def send_all(self, data: bytes) -> None:
        """Fail."""
        raise AssertionError("an answer did not fit")


class FixedPath:
    """A running server's parts, and the clients' sides of its connections."""

    def __init__(
        self, clients: Sequence[socket.socket], take_on: Callable[[], Awaitable[None]]
    ) -> None:
        """Own the clients' sides.

        Args:
            clients: Sockets.
            take_on: Called when the pipeline rests, before the answers are read.
        """
        self._clients = [client.fileno() for client in clients]
        self._take_on = take_on

    async def send(self, requests: Sequence[bytes]) -> None:
        """Send a request on each connection, and read the answers.

        Args:
            requests: As many as there are connections.
        """
        for client, request in zip(self._clients, requests, strict=True):
            os.write(client, request)
        await trio.testing.wait_all_tasks_blocked()
        await self._take_on()
        for client in self._clients:
            answer = os.read(client, ANSWER_BYTES)
            if not answer.startswith(b"HTTP/1.1 202 "):
                raise RuntimeError(f"refused: {answer!r}")


BackHalfOf = Callable[[FrontHalf, FileLog], BackHalf]
"""Makes what takes the log's records onwards."""


async def rest() -> None:
    """Do nothing."""


def storing(flush_rows: int) -> BackHalfOf:
    """Fold the log into blocks.

    Args:
        flush_rows: Events that make a flush due.
    """

    def make(front: FrontHalf, log: FileLog) -> BackHalf:
        state = FoldState(log.id, log.first, 0, 0, DESCRIPTION, (), (), ())
        return Storing(
            log,
            state,
            EncodingSink(),
            front.clock,
            front.verdicts,
            front.letters,
            front.metrics,
            FlushLimits(flush_rows),
        )

    return make


@asynccontextmanager
async def fixed_path(
    directory: Path,
    geo: AnyGeoDatabase,
    back: BackHalfOf,
    *,
    partition_of: Callable[[bytes], int] = only_partition,
    take_on: Callable[[], Awaitable[None]] = rest,
) -> AsyncIterator[FixedPath]:
    """Run the path; use it with `StandingClock`.

    Args:
        directory: Where the log is.
        geo: The geo database.
        back: Makes the half behind the log.
        partition_of: Chooses the partition of a visitor.
        take_on: Called when the pipeline rests, before the answers are read.
    """
    log = FileLog.open(
        directory / "log",
        description=DESCRIPTION,
        limit_bytes=10**9,
        fsync="never",
        log_time=NOW,
    )
    reference = Reference(
        SiteRegistry([Site(n + 1, f"site{n}.example") for n in range(SITES)]),
        geo,
        Salts(Salt(b"k" * 16, NOW), Salt(b"p" * 16, NOW - 86_400)),
        RateLimiter(),
        partition_of=partition_of,
    )
    clock = Clock(NOW)
    front = FrontHalf(reference, clock, log, directory / "letters", wall=clock.now)
    collector = Collector(front, back(front, log))
    endpoint = EventEndpoint(collector, TrustedProxies.parse("private"))
    batches = BatchEndpoint(collector, endpoint, admin_token=None, past_days=1)
    path = FastPath(endpoint, batches, front.metrics, idle_seconds=60, linger_seconds=1)
    pairs = [socket.socketpair() for _ in range(CONNECTIONS)]
    async with trio.open_nursery() as nursery:
        await nursery.start(collector.run)
        nursery.start_soon(path.run)
        for client, server in pairs:
            server.setblocking(False)
            client.setblocking(False)
            nursery.start_soon(path.serve, NoStream(), server.fileno(), "127.0.0.1")
        yield FixedPath([client for client, _ in pairs], take_on)
        nursery.cancel_scope.cancel()


async def run_at_once(
    thread: SerialThread, function: Callable[[], object], interrupt: object = None
) -> object:
    """Run a function of a thread in this one. As `SerialThread.call`."""
    await trio.lowlevel.checkpoint()
    return function()


def make_repeatable() -> None:
    """Let nothing depend on time: neither trio's order of tasks, nor threads, nor ends of runs."""
    ingest.http.fast_path.server.HOLD_SECONDS = math.inf  # type: ignore[misc]
    SerialThread.call = run_at_once  # type: ignore[assignment, method-assign]
    trio._core._run._ALLOW_DETERMINISTIC_SCHEDULING = True  # type: ignore[misc]
    trio._core._run._r = random.Random(0)  # noqa: S311 - no secret
    keep_collections_short()
