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
from selectors import DefaultSelector
from typing import Final, Protocol

import trio

from ingest.http.answer import Answer
from ingest.http.batch_endpoint import BatchEndpoint, PendingBatch
from ingest.http.event_endpoint import (
    OVERLOADED,
    ROUTE,
    EventEndpoint,
    PendingRequest,
)
from ingest.http.fast_path.answer_sender import AnswerSender
from ingest.http.fast_path.connection import PART_SECONDS, Connection
from ingest.http.fast_path.event_request import read_head
from ingest.http.fast_path.header_lines import NotPlainError
from ingest.http.fast_path.request_head import RequestHead
from ingest.http.fast_path.waiting_lines import WaitingLines
from ingest.http.request_observers import RequestObserver
from ingest.http.trusted_headers import new_request_id
from ingest.telemetry.metrics import Metrics
from ingest.telemetry.request_id import CURRENT

HOLD_SECONDS: Final = 0.002
"""How long requests of different connections are handled between two checkpoints. Most take some
ten microseconds, but a hostile one takes milliseconds."""

REQUESTS_TOGETHER: Final = 16
"""Requests of one connection that are answered at once before other connections have their turn."""

SKIPS_TOGETHER: Final = 8
"""Refused bodies of which a part is read and forgotten before other connections are read again."""

WATCH_SECONDS: Final = 0.1
"""Interval of timeout checks."""

_NOT_ASKED: Final = -1
"""The room of a hold in which no request was started, as in most that send answers."""


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
        self._idle_seconds = idle_seconds
        self._linger_seconds = linger_seconds
        self._answers = AnswerSender(endpoint.trusted_proxies, metrics, observers)
        self._connections: set[Connection] = set()
        # Not trio's own selector: there, a socket must be registered again for each wait.
        self._selector = DefaultSelector()
        self._ready: list[Connection] = []
        self._any_ready = trio.Event()
        self._batch_tasks: trio.Nursery | None = None
        self._lines = WaitingLines(endpoint, batches)
        self._may_admit = trio.Event()
        self._now = self._hold_ends = 0.0
        self._room = _NOT_ASKED
        self._stopped_at = math.inf

    async def run(self) -> None:
        """Read, answer and check timeouts, forever."""
        async with trio.open_nursery() as nursery:
            self._batch_tasks = nursery
            nursery.start_soon(self._read)
            nursery.start_soon(self._answer)
            nursery.start_soon(self._admit)
            nursery.start_soon(self._watch)

    def stop(self) -> None:
        """Close connections once they have been idle for `linger_seconds`."""
        self._answers.stopping = True
        self._stopped_at = trio.current_time()

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
                connection.unsent, connection.busy = b"", False
                self._begin_hold()
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
            self._begin_hold()
            skips = 0
            for key, _ in self._selector.select(0):
                connection: Connection = key.data
                if connection.unwanted:
                    skips += 1
                    if skips > SKIPS_TOGETHER:
                        continue  # its turn comes when the others have been read
                try:
                    connection.receive()
                    self._process_received(connection)
                except Exception as error:
                    connection.finish(error=error)
                if time.perf_counter() > self._hold_ends:
                    await self._rest()

    async def _answer(self) -> None:
        """Answer the requests whose verdicts are ready, and start those that had to wait."""
        while True:
            await self._any_ready.wait()
            self._any_ready = trio.Event()
            self._begin_hold()
            ready, self._ready = self._ready, []
            for connection in ready:
                if connection.finished:
                    continue
                self._guard(connection, self._finish_request)
                if time.perf_counter() > self._hold_ends:
                    await self._rest()
            if self._lines.anyone_waits_for_room():
                self._may_admit.set()

    def _verdicts_ready(self, connection: Connection) -> None:
        """Queue a connection that can go on. Actors call it when verdicts are ready."""
        if not self._ready:
            self._any_ready.set()
        self._ready.append(connection)

    async def _watch(self) -> None:
        """End the wait for bytes of connections that have been silent for too long."""
        while True:
            await trio.sleep(WATCH_SECONDS)
            if self._lines.anyone_waits():
                self._may_admit.set()
            now = trio.current_time()
            # Most connections wait for an answer, or have not waited for long: a cheap look first.
            late = now - min(PART_SECONDS, self._idle_seconds, self._linger_seconds)
            for connection in self._connections:
                if connection.waiting_since <= late and now >= self._wait_deadline(connection):
                    connection.finish(connection.received)

    def _wait_deadline(self, connection: Connection) -> float:
        """Return the time at which the wait for a connection's bytes ends."""
        if connection.received:
            return connection.waiting_since + PART_SECONDS
        if self._answers.stopping:
            return max(connection.waiting_since, self._stopped_at) + self._linger_seconds
        return connection.waiting_since + self._idle_seconds

    def _guard(self, connection: Connection, step: Callable[[Connection], None]) -> None:
        """Run a step of a connection; an exception is raised in the connection's own task."""
        try:
            step(connection)
        except Exception as error:
            connection.finish(error=error)

    def _finish_request(self, connection: Connection) -> None:
        """Answer the pending request, then start the next ones."""
        pending, connection.pending = connection.pending, None
        connection.busy = False
        if pending is not None:
            if isinstance(pending, PendingRequest):
                self._answers.send(connection, self._endpoint.finish(pending))
            else:
                self._answers.send(connection, self._batches.finish(pending))
            if not (connection.received or connection.closing or connection.busy):
                connection.wait_for_bytes(self._now)  # as most do; the others cost more
                return
        self._process_received(connection)

    def _process_received(self, connection: Connection) -> None:
        """Start the received requests, up to the first that cannot be answered at once."""
        for _ in range(REQUESTS_TOGETHER):
            if connection.finished or connection.busy:
                return
            head = connection.head
            if head is None and connection.closing:
                connection.finish()
                return
            if head is None and connection.received:
                try:
                    head = self._begin_request(connection)
                except NotPlainError:
                    connection.finish(connection.received)
                    return
            if head is None or not (
                head.is_large or len(connection.received) >= head.size + head.length
            ):
                connection.wait_for_bytes(self._now)
                return
            if not self._start_request(connection, head):
                return
        if not (connection.finished or connection.busy):
            connection.busy = True
            self._verdicts_ready(connection)

    def _begin_request(self, connection: Connection) -> RequestHead | None:
        head = read_head(connection.received)
        if head is not None:
            connection.head = head
            connection.has_waited = False
            connection.closing = head.closes
            connection.request_id.begin(head.headers)
            connection.client = self._endpoint.client_of(head.headers, head.lists, connection.peer)
        return head

    def _start_request(self, connection: Connection, head: RequestHead) -> bool:
        """Start a request that has arrived, or whose body is not read before there is room.

        Returns:
            Whether it is already answered.
        """
        if not connection.has_waited:
            connection.started = time.perf_counter()
            connection.waiting_since = math.inf
        CURRENT.set(connection.request_id)
        if self._lines.for_room.connections and not (
            connection.has_waited or self._endpoint.is_closed
        ):
            refusal: Answer | None = OVERLOADED  # others have come first
        else:
            has_room = self._has_room() and (
                head.route == ROUTE or connection.has_waited or not self._lines.holds_up(head)
            )
            refusal = self._endpoint.refusal(head.headers, connection.client, has_room=has_room)
        if refusal is not None:
            if self._lines.take(connection, refusal, has_room=self._has_room(), now=self._now):
                return False
            connection.take_body()
            self._answers.send(connection, refusal)
            return True
        body = None if head.is_large else connection.take_body()
        started: Answer | PendingRequest | PendingBatch | None = None
        if body is not None:
            self._room -= 1
            endpoint = self._endpoint if head.route == ROUTE else self._batches
            started = endpoint.start(
                head.headers, connection.client, body, connection.verdicts_ready, self._now
            )
        if started is None:
            assert self._batch_tasks is not None, "read only while `run` runs"  # noqa: S101
            connection.busy = True
            connection.pause()
            self._batch_tasks.start_soon(self._answer_batch, connection, head, body)
        elif isinstance(started, Answer):
            self._answers.send(connection, started)
            return True
        else:
            connection.pending, connection.busy = started, True
        return False

    async def _admit(self) -> None:
        """Start waiting requests when there is room for them, and refuse those that have waited."""
        while True:
            await self._may_admit.wait()
            self._may_admit = trio.Event()
            self._begin_hold()
            while (line := self._lines.next(has_room=self._has_room())) is not None:
                connection = line.leave()
                self._guard(connection, self._process_received)
                if time.perf_counter() > self._hold_ends:
                    await self._rest()

    async def _answer_batch(
        self, connection: Connection, head: RequestHead, body: bytes | None
    ) -> None:
        """Answer a batch that is not small when it is its turn, then start the next requests.

        Args:
            connection: The connection.
            head: The batch's head.
            body: Its body; None if it is not read before it is the batch's turn.
        """
        answer: Answer | None = None
        async with self._batches.turns.turn(connection.last_turn) as has_come:
            if body is None and (not has_come or await connection.all_received()):
                body = connection.take_body()
            if not has_come:
                answer = OVERLOADED
            elif body is not None:
                connection.last_turn = trio.current_time()
                answer = await self._batches.answer_large(head.headers, connection.client, body)
        connection.busy = False
        if not connection.finished:
            self._begin_hold()
            self._guard(connection, lambda it: self._finish_batch(it, answer))

    def _finish_batch(self, connection: Connection, answer: Answer | None) -> None:
        if answer is None:  # it is slow or has ended
            connection.finish(connection.received)
            return
        self._answers.send(connection, answer)
        self._process_received(connection)

    def _begin_hold(self) -> None:
        """Start to hold the loop. Until the next checkpoint only this task uses up room."""
        self._hold_ends = time.perf_counter() + HOLD_SECONDS
        self._now = trio.current_time()
        self._room = _NOT_ASKED
        self._answers.begin_hold()

    def _has_room(self) -> bool:
        """Whether a request may be started. Asked once between two checkpoints."""
        if self._room == _NOT_ASKED:
            self._room = self._endpoint.room
        return self._room > 0

    async def _rest(self) -> None:
        """Let others run."""
        await trio.lowlevel.checkpoint()
        self._begin_hold()
