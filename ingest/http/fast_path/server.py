"""The fast path: reads and answers plain event requests without a task for each event.

Most of the time of a small request is spent on HTTP, not on the event: waking a task when bytes
arrive, and again for the verdict, costs more than parsing and validating. So one task reads from
all connections, one answers requests when their verdicts are ready, and one checks timeouts. A
large batch has a task, whose cost its events share. A connection's own task sleeps until the
connection leaves the fast path, or until an answer does not fit into the socket's buffer.
`docs/performance.md` has the measurements. At the first request that is not plain, the connection
moves to hypercorn with all its unread bytes, and stays there.
"""

import math
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from selectors import DefaultSelector
from typing import Final, Protocol
from wsgiref.handlers import format_date_time

import trio

from ingest.http.answer import CORS_HEADERS, FIRST_ERROR, TEXT, Answer
from ingest.http.batch_endpoint import BatchEndpoint
from ingest.http.event_endpoint import ROUTE, EventEndpoint, PendingRequest
from ingest.http.fast_path.connection import Connection
from ingest.http.fast_path.event_request import EventRequestBytes, NotPlainError, read_request
from ingest.http.request_observers import CompletedRequest, RequestObserver
from ingest.http.trusted_headers import new_request_id, traceparent
from ingest.request.client_address import ClientAddress
from ingest.telemetry.metrics import Metrics
from ingest.telemetry.request_id import CURRENT

TURN_SECONDS: Final = 0.002
"""How long requests of different connections are handled between two checkpoints. Most take some
ten microseconds, but a hostile one takes milliseconds."""

TURN_REQUESTS: Final = 16
"""Requests of one connection that are answered at once before other connections have their turn."""

WATCH_SECONDS: Final = 0.1
"""Interval of timeout checks."""

PART_SECONDS: Final = 1.0
"""How long a request may arrive in parts. Then it moves to hypercorn, which times slow clients."""


class SendStream(Protocol):
    """The sending side of a connection."""

    async def send_all(self, data: bytes) -> None:
        """Send data, in bounded time."""


class FastPath:
    """Serves plain event requests on connections of one server, while `run` runs."""

    def __init__(
        self,
        endpoint: EventEndpoint,
        batches: BatchEndpoint,
        metrics: Metrics,
        *,
        idle_seconds: float,
        linger_seconds: float,
        observers: Sequence[RequestObserver] = (),
    ) -> None:
        """Create the fast path of two endpoints.

        Args:
            endpoint: Answers events.
            batches: Answers batches of events.
            metrics: Count the requests.
            idle_seconds: How long a connection may be silent between requests.
            linger_seconds: The same, once the server stops.
            observers: Called for each request.
        """
        self._endpoint = endpoint
        self._batches = batches
        self._metrics = metrics
        self._idle_seconds = idle_seconds
        self._linger_seconds = linger_seconds
        self._observers = tuple(observers)
        self._connections: set[Connection] = set()
        # Not trio's own selector: there, a socket must be registered again for each wait.
        self._selector = DefaultSelector()
        self._ready: list[Connection] = []
        self._any_ready = trio.Event()
        self._batch_tasks: trio.Nursery | None = None
        self._stopped_at = math.inf

    async def run(self) -> None:
        """Read, answer and check timeouts, forever."""
        async with trio.open_nursery() as nursery:
            self._batch_tasks = nursery
            nursery.start_soon(self._read)
            nursery.start_soon(self._answer)
            nursery.start_soon(self._watch)

    def stop(self) -> None:
        """Close connections once they have been idle for `linger_seconds`."""
        self._stopped_at = trio.current_time()

    @property
    def _stopping(self) -> bool:
        return self._stopped_at < math.inf

    async def serve(
        self,
        stream: SendStream,
        descriptor: int,
        peer: str,
        *,
        on_open: Callable[[Connection], object] = lambda _: None,
    ) -> bytes | None:
        """Answer the plain event requests at the start of a connection.

        Args:
            stream: The connection's stream, for answers that do not fit into the socket's buffer.
            descriptor: The socket's file descriptor, in non-blocking mode.
            peer: The peer's address.
            on_open: Called with the connection's state, which `finish` may end at any time.

        Returns:
            The bytes with which hypercorn continues; None if the connection must be closed.

        Raises:
            OSError: The connection is broken.
            trio.BrokenResourceError: The connection is broken.
        """
        request_id = new_request_id(self._endpoint.trusted_proxies, peer)
        connection = Connection(self._selector, descriptor, peer, request_id, self._verdicts_ready)
        self._connections.add(connection)
        on_open(connection)
        try:
            while True:
                await connection.wakeup.wait()
                if connection.finished:
                    break
                connection.wakeup = trio.Event()
                await stream.send_all(connection.unsent)
                connection.unsent = b""
                self._guard(connection, self._process_received)
        finally:
            connection.finish()
            self._connections.discard(connection)
        if connection.error is not None:
            raise connection.error
        return connection.remainder

    async def _read(self) -> None:
        """Read from all connections that have bytes."""
        while True:
            await trio.lowlevel.wait_readable(self._selector.fileno())
            turn = time.perf_counter()
            for key, _ in self._selector.select(0):
                if time.perf_counter() > turn + TURN_SECONDS:
                    await trio.lowlevel.checkpoint()
                    turn = time.perf_counter()
                self._guard(key.data, self._receive)

    async def _answer(self) -> None:
        """Answer the requests whose verdicts are ready, and start those that had to wait."""
        while True:
            await self._any_ready.wait()
            self._any_ready = trio.Event()
            ready, self._ready = self._ready, []
            turn = time.perf_counter()
            for connection in ready:
                if time.perf_counter() > turn + TURN_SECONDS:
                    await trio.lowlevel.checkpoint()
                    turn = time.perf_counter()
                if not connection.finished:
                    self._guard(connection, self._finish_request)

    def _verdicts_ready(self, connection: Connection) -> None:
        """Queue a connection that can go on. Actors call it when verdicts are ready."""
        self._ready.append(connection)
        self._any_ready.set()

    async def _watch(self) -> None:
        """End the wait for bytes of connections that have been silent for too long."""
        while True:
            await trio.sleep(WATCH_SECONDS)
            now = trio.current_time()
            for connection in self._connections:
                if now >= self._wait_deadline(connection):
                    connection.finish(connection.received)

    def _wait_deadline(self, connection: Connection) -> float:
        """Return the time at which the wait for a connection's bytes ends."""
        if connection.received:
            return connection.waiting_since + PART_SECONDS
        if self._stopping:
            return max(connection.waiting_since, self._stopped_at) + self._linger_seconds
        return connection.waiting_since + self._idle_seconds

    def _guard(self, connection: Connection, step: Callable[[Connection], None]) -> None:
        """Run a step of a connection; an exception is raised in the connection's own task."""
        try:
            step(connection)
        except Exception as error:
            connection.finish(error=error)

    def _receive(self, connection: Connection) -> None:
        connection.receive()
        self._process_received(connection)

    def _finish_request(self, connection: Connection) -> None:
        """Answer the pending request, then start the next ones."""
        pending, connection.pending = connection.pending, None
        connection.queued = False
        if pending is not None:
            CURRENT.set(connection.request_id)
            if isinstance(pending, PendingRequest):
                self._send(connection, self._endpoint.finish(pending))
            else:
                self._send(connection, self._batches.finish(pending))
        self._process_received(connection)

    def _process_received(self, connection: Connection) -> None:
        """Start the received requests, up to the first that cannot be answered at once."""
        for _ in range(TURN_REQUESTS):
            if connection.finished or connection.busy:
                return
            if connection.closing:
                connection.finish()
                return
            try:
                request = read_request(connection.received) if connection.received else None
            except NotPlainError:
                connection.finish(connection.received)
                return
            if request is None:
                connection.wait_for_bytes()
                return
            del connection.received[: request.length]
            self._start_request(connection, request)
        if not (connection.finished or connection.busy):
            connection.queued = True
            self._verdicts_ready(connection)

    def _start_request(self, connection: Connection, request: EventRequestBytes) -> None:
        connection.started = time.perf_counter()
        connection.waiting_since = math.inf
        connection.closing = request.closes
        connection.route = request.route
        connection.headers = request.headers
        connection.request_id.begin(request.headers)
        CURRENT.set(connection.request_id)
        endpoint = self._endpoint
        client = endpoint.client_of(request.headers, request.lists, connection.peer)
        if request.route != ROUTE:
            self._start_batch(connection, client, request.body)
            return
        started = endpoint.refusal(request.headers, client) or endpoint.start(
            request.headers, client, request.body, connection.verdicts_ready
        )
        if isinstance(started, Answer):
            self._send(connection, started)
        else:
            connection.pending = started

    def _start_batch(self, connection: Connection, client: ClientAddress, body: bytes) -> None:
        headers = connection.headers
        started = self._batches.refusal(headers, client, len(body)) or self._batches.start(
            headers, client, body, connection.verdicts_ready
        )
        if isinstance(started, Answer):
            self._send(connection, started)
        elif started is not None:
            connection.pending = started
        else:
            assert self._batch_tasks is not None, "read only while `run` runs"  # noqa: S101
            connection.in_batch = True
            self._batch_tasks.start_soon(self._answer_batch, connection, client, body)

    async def _answer_batch(
        self, connection: Connection, client: ClientAddress, body: bytes
    ) -> None:
        """Answer a batch, then start the next requests."""
        answer = await self._batches.answer_large(connection.headers, client, body)
        connection.in_batch = False
        if not connection.finished:
            self._guard(connection, lambda it: self._finish_batch(it, answer))

    def _finish_batch(self, connection: Connection, answer: Answer) -> None:
        self._send(connection, answer)
        self._process_received(connection)

    def _send(self, connection: Connection, answer: Answer) -> None:
        seconds = time.perf_counter() - connection.started
        self._metrics.observe_request(connection.route, answer.status, seconds)
        if answer.status >= FIRST_ERROR:
            self._metrics.history.refuse(answer.status)
        if self._observers:
            self._notify_observers(connection, answer, seconds)
        data = encode(
            answer,
            asked=connection.closing,
            stopping=self._stopping,
            request_id=connection.request_id.text if answer.status >= FIRST_ERROR else "",
        )
        connection.closing = connection.closing or self._stopping
        connection.send(data)

    def _notify_observers(self, connection: Connection, answer: Answer, seconds: float) -> None:
        parent = traceparent(self._endpoint.trusted_proxies, connection.headers, connection.peer)
        completed = CompletedRequest(
            "POST", connection.route, answer.status, seconds, answer.reasons, parent
        )
        for observe in self._observers:
            observe(completed)


def encode(answer: Answer, *, asked: bool, stopping: bool, request_id: str = "") -> bytes:
    """Encode an answer in exactly the bytes that hypercorn would send.

    Args:
        answer: The answer.
        asked: Whether the client has asked to close the connection.
        stopping: Whether the server stops and closes the connection in any case.
        request_id: The request's id for errors; empty for other answers.
    """
    second = int(time.time())
    if request_id or answer.content_type != TEXT:
        return _encode(answer, asked, stopping, request_id, second)
    return _encoded(answer, asked, stopping, request_id, second)


def _encode(answer: Answer, asked: bool, stopping: bool, request_id: str, second: int) -> bytes:
    headers = [
        *answer.headers,
        ("content-type", answer.content_type),
        ("content-length", str(len(answer.body))),
        *CORS_HEADERS,
        *((("x-request-id", request_id),) if request_id else ()),
        ("date", format_date_time(second)),
    ]
    if stopping:
        headers.insert(-1, ("connection", "close"))
    elif asked:
        headers.append(("Connection", "close"))
    head = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"HTTP/1.1 {answer.status} \r\n{head}\r\n".encode("latin-1") + answer.body


_encoded = lru_cache(maxsize=64)(_encode)
"""Cached, because the answers to events without errors rarely differ within a second."""
