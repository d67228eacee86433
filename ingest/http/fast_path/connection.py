"""A connection while the fast path serves it."""

import math
import os
from collections.abc import Callable, Mapping
from selectors import EVENT_READ, BaseSelector
from typing import Final

import trio

from ingest.http.batch_endpoint import PendingBatch
from ingest.http.event_endpoint import ROUTE, PendingRequest
from ingest.telemetry.request_id import RequestId

READ_BYTES: Final = 65_536
"""Maximum bytes of a read. While a request is being answered, reading stops when as many have been
received ahead."""


class Connection:
    """The state of a connection, and what its task must do next.

    Attributes:
        peer: The peer's address.
        request_id: The id of the current request.
        route: The route of the current request.
        headers: Headers of the current request.
        received: Bytes that have not been parsed into a request yet.
        waiting_since: When the wait for bytes began, on trio's clock; infinite while the connection
            does not wait. The time of a request in several parts starts with the first part.
        eof: Whether the client has closed its side.
        pending: The event or small batch that waits for its verdicts; None if there is none.
        in_batch: Whether a larger batch is being answered.
        queued: Whether further received requests wait for their turn.
        started: When the current request was started, by `time.perf_counter`.
        closing: Whether the connection is closed after the current request.
        unsent: The part of the answer that did not fit into the socket's buffer.
        finished: Whether the connection has left the fast path.
        remainder: The bytes for hypercorn; None if the connection must be closed.
        error: The exception that ended the connection; None if there was none.
        wakeup: Set when the connection's task has something to do.
    """

    __slots__ = (
        "_descriptor",
        "_listening",
        "_on_verdicts",
        "_selector",
        "closing",
        "eof",
        "error",
        "finished",
        "headers",
        "in_batch",
        "peer",
        "pending",
        "queued",
        "received",
        "remainder",
        "request_id",
        "route",
        "started",
        "unsent",
        "waiting_since",
        "wakeup",
    )

    def __init__(
        self,
        selector: BaseSelector,
        descriptor: int,
        peer: str,
        request_id: RequestId,
        on_verdicts: Callable[["Connection"], object],
    ) -> None:
        """Start to wait for bytes.

        Args:
            selector: Reports when the socket is readable; the data of its key is the connection.
            descriptor: The socket's file descriptor, in non-blocking mode.
            peer: The peer's address.
            request_id: Holds the id of the current request.
            on_verdicts: Called when the verdicts of a request are ready.
        """
        self._selector = selector
        self._on_verdicts = on_verdicts
        self._descriptor = descriptor
        self._listening = False
        self.peer = peer
        self.request_id = request_id
        self.route = ROUTE
        self.headers: Mapping[str, str] = {}
        self.received = bytearray()
        self.unsent = b""
        self.eof = self.closing = self.finished = self.in_batch = self.queued = False
        self.pending: PendingRequest | PendingBatch | None = None
        self.started = 0.0
        self.remainder: bytes | None = None
        self.error: Exception | None = None
        self.wakeup = trio.Event()
        self.waiting_since = math.inf
        self.wait_for_bytes()

    @property
    def busy(self) -> bool:
        """Whether a request has not been fully answered yet, or another one waits for its turn."""
        waits = self.pending is not None or self.in_batch or self.queued
        return waits or bool(self.unsent)

    def verdicts_ready(self) -> None:
        """Report that the verdicts of the connection's request are ready."""
        self._on_verdicts(self)

    def wait_for_bytes(self) -> None:
        """Wait for more bytes; leave the fast path if the client has closed its side."""
        if self.eof:
            self.finish(self.received)
            return
        if not self._listening:
            self._selector.register(self._descriptor, EVENT_READ, self)
            self._listening = True
        if self.waiting_since == math.inf:
            self.waiting_since = trio.current_time()

    def receive(self) -> None:
        """Read the bytes that the client has sent.

        Raises:
            OSError: The connection is broken.
        """
        if not self._listening or self.finished:
            return  # its state has changed since the selector reported it
        try:
            data = os.read(self._descriptor, READ_BYTES)
        except BlockingIOError:
            return
        if not self.received:
            self.waiting_since = math.inf
        self.received += data
        self.eof = not data
        if self.eof or (self.busy and len(self.received) >= READ_BYTES):
            self._stop_listening()

    def send(self, data: bytes) -> None:
        """Send what fits into the socket's buffer; the connection's task sends the rest.

        Raises:
            OSError: The connection is broken.
        """
        try:
            sent = os.write(self._descriptor, data)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            # The task may close the socket, and the selector would not notice.
            self._stop_listening()
            self.unsent = data[sent:]
            self.wakeup.set()

    def finish(self, remainder: bytes | bytearray = b"", error: Exception | None = None) -> None:
        """Leave the fast path; the connection's task continues.

        Args:
            remainder: Bytes for hypercorn; if empty, the connection is closed.
            error: The exception that the task raises.
        """
        if not self.finished:
            self.finished, self.remainder, self.error = True, bytes(remainder) or None, error
            self._stop_listening()
            self.wakeup.set()

    def _stop_listening(self) -> None:
        if self._listening:
            self._selector.unregister(self._descriptor)
            self._listening = False
