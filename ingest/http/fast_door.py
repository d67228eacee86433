"""The fast door: plain event requests, answered without a task or an object more than needed.

Most of the time of a small request goes into HTTP, not into the event: a task for each request, a
timer for each wait, and messages between them. Here one task reads a connection's requests, and one
task watches all connections' times. `docs/performance.md` has the figures. What is not plain goes
to hypercorn with all its bytes, and stays there.
"""

import math
import os
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, Protocol
from wsgiref.handlers import format_date_time

import trio

from ingest.http.answer import CORS_HEADERS, FIRST_ERROR, Answer
from ingest.http.answered import Answered, Observer
from ingest.http.event_endpoint import ROUTE, EventEndpoint
from ingest.http.event_request import EventRequestBytes, NotPlainError, read_request
from ingest.metrics import Metrics
from ingest.request_id import CURRENT

READ_BYTES: Final = 65_536

WATCH_SECONDS: Final = 0.1
"""How often connections' times are looked at."""

PART_SECONDS: Final = 1.0
"""How long a request may come in parts; then it is left to hypercorn, which times slow clients."""


class Sending(Protocol):
    """The part of a connection that is written to."""

    async def send_all(self, data: bytes) -> None:
        """Send data, in bounded time."""


class _Visit:
    """A connection that is being served here.

    Attributes:
        patience: Ends the wait for more bytes.
        unread: Bytes that belong to no request that was answered.
        since: When the wait for bytes began, on trio's clock; infinite while nothing is waited for.
    """

    __slots__ = ("descriptor", "patience", "since", "unread")

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.patience = trio.CancelScope()
        self.unread = bytearray()
        self.since = math.inf

    async def receive(self) -> bool:
        """Wait for more bytes.

        Returns:
            False when there are none to come, or when patience has ended.

        Raises:
            OSError: The connection is broken.
        """
        self.since = trio.current_time()
        try:
            while True:
                try:
                    data = os.read(self.descriptor, READ_BYTES)
                except BlockingIOError:
                    await trio.lowlevel.wait_readable(self.descriptor)
                else:
                    break
        finally:
            self.since = math.inf
        self.unread += data
        # Bytes and the end of patience may come together: then nothing is to be begun.
        return bool(data) and not self.patience.cancel_called


class FastDoor:
    """Serves plain event requests on connections of one server."""

    def __init__(
        self,
        endpoint: EventEndpoint,
        metrics: Metrics,
        *,
        idle_seconds: float,
        linger_seconds: float,
        observers: Sequence[Observer] = (),
    ) -> None:
        """Serve an endpoint.

        Args:
            endpoint: Decides on requests.
            metrics: Counts them.
            idle_seconds: How long a connection may be silent between requests.
            linger_seconds: The same, once the server stops.
            observers: Are told of each request.
        """
        self._endpoint = endpoint
        self._metrics = metrics
        self._idle_seconds = idle_seconds
        self._linger_seconds = linger_seconds
        self._observers = tuple(observers)
        self._visits: set[_Visit] = set()
        self._stopped_at = math.inf

    async def watch(self) -> None:
        """End the patience with connections that are silent for too long; for ever."""
        while True:
            await trio.sleep(WATCH_SECONDS)
            now = trio.current_time()
            for visit in self._visits:
                if now >= self._ends(visit):
                    visit.patience.cancel()

    def _ends(self, visit: _Visit) -> float:
        """When the wait for a connection's bytes ends."""
        if visit.unread:
            return visit.since + PART_SECONDS
        if self._stopping:
            return max(visit.since, self._stopped_at) + self._linger_seconds
        return visit.since + self._idle_seconds

    @property
    def _stopping(self) -> bool:
        return self._stopped_at < math.inf

    def stop(self) -> None:
        """Keep connections open no longer than a request that is on its way may take."""
        self._stopped_at = trio.current_time()

    async def serve(self, stream: Sending, descriptor: int, peer: str) -> bytes | None:
        """Answer the plain event requests that a connection begins with.

        Args:
            stream: The connection, for what cannot be sent at once.
            descriptor: Its socket's, not blocking.
            peer: The address of its other end.

        Returns:
            The bytes that hypercorn is to go on with; None when the connection is to be closed.

        Raises:
            OSError: The connection is broken.
            trio.BrokenResourceError: The same.
        """
        visit = _Visit(descriptor)
        self._visits.add(visit)
        name = self._endpoint.request_id(peer)
        context = CURRENT.set(name)
        try:
            with visit.patience:
                while (request := await self._next_request(visit)) is not None:
                    name.begin(request.headers)
                    answer = await self._answer(request, peer)
                    data = encode(
                        answer,
                        asked=request.closes,
                        stopping=self._stopping,
                        request_id=name.text if answer.status >= FIRST_ERROR else "",
                    )
                    await _send(stream, descriptor, data)
                    if request.closes or self._stopping:
                        return None
        except NotPlainError:
            pass
        finally:
            self._visits.discard(visit)
            CURRENT.reset(context)
        return bytes(visit.unread) or None

    async def _next_request(self, visit: _Visit) -> EventRequestBytes | None:
        """The next plain request; None when there is none to come.

        Raises:
            NotPlainError: What comes is for hypercorn.
        """
        while True:
            if visit.unread:
                request = read_request(visit.unread)
                if request is not None:
                    del visit.unread[: request.length]
                    return request
            if not await visit.receive():
                return None

    async def _answer(self, request: EventRequestBytes, peer: str) -> Answer:
        started = time.perf_counter()
        endpoint = self._endpoint
        client = endpoint.client_of(request.headers, request.lists, peer)
        answer = endpoint.refusal(request.headers, client)
        if answer is None:
            answer = await endpoint.answer(request.headers, client, request.body)
        seconds = time.perf_counter() - started
        self._metrics.observe_request(ROUTE, answer.status, seconds)
        if answer.status >= FIRST_ERROR:
            self._metrics.history.refuse(answer.status)
        if self._observers:
            self._tell(request, answer, seconds, peer)
        return answer

    def _tell(self, request: EventRequestBytes, answer: Answer, seconds: float, peer: str) -> None:
        parent = self._endpoint.traceparent(request.headers, peer)
        answered = Answered("POST", ROUTE, answer.status, seconds, answer.reasons, parent)
        for observe in self._observers:
            observe(answered)


async def _send(stream: Sending, descriptor: int, data: bytes) -> None:
    """Send, at once if the socket's buffer has room, as it has for answers of this size."""
    try:
        sent = os.write(descriptor, data)
    except BlockingIOError:
        sent = 0
    if sent < len(data):
        await stream.send_all(data[sent:])


def encode(answer: Answer, *, asked: bool, stopping: bool, request_id: str = "") -> bytes:
    """An answer as hypercorn writes it, to the byte.

    Args:
        answer: What is answered.
        asked: Whether the client has asked for the connection to be closed.
        stopping: Whether the server closes it, whatever was asked for.
        request_id: What an error says it is the answer to; empty for other answers.
    """
    head, tail = _around_date(answer)
    if request_id:
        head = b"%bx-request-id: %b\r\n" % (head, request_id.encode())
    date = _date(int(time.time()))
    if stopping:
        return b"%bconnection: close\r\ndate: %b\r\n%b" % (head, date, tail)
    if asked:
        return b"%bdate: %b\r\nConnection: close\r\n%b" % (head, date, tail)
    return b"%bdate: %b\r\n%b" % (head, date, tail)


@lru_cache(maxsize=64)
def _around_date(answer: Answer) -> tuple[bytes, bytes]:
    """What comes before the date and after it; few answers differ."""
    lines = [f"HTTP/1.1 {answer.status} "]
    headers = (
        *answer.headers,
        ("content-type", answer.content_type),
        ("content-length", str(len(answer.body))),
        *CORS_HEADERS,
    )
    lines += [f"{name}: {value}" for name, value in headers]
    return "".join(f"{line}\r\n" for line in lines).encode("latin-1"), b"\r\n" + answer.body


@lru_cache(maxsize=1)
def _date(second: int) -> bytes:
    return format_date_time(second).encode()
