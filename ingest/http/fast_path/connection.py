"""A connection while the fast path serves it."""

import math
import os
from collections.abc import Callable, Mapping
from selectors import EVENT_READ, BaseSelector
from typing import Final

import trio

from ingest.http.event_endpoint import PendingRequest
from ingest.telemetry.request_id import RequestId

READ_BYTES: Final = 65_536
"""Bytes read at a time; from a client that has sent as many ahead no more are read meanwhile."""


class Connection:
    """A connection's state, and what its own task is to do next.

    Attributes:
        peer: The address of its other end.
        request_id: Names its requests.
        headers: Headers of the current request.
        received: Bytes that belong to no request that was begun.
        waiting_since: When the wait for bytes began, on trio's clock; infinite while nothing is
            waited for. A request that comes in parts has its time from the first of them on.
        eof: Whether the client has closed its side.
        pending: The request that waits for its verdicts; None when none does.
        started: When the current request was started, by `time.perf_counter`.
        closing: Whether the connection ends after that request.
        unsent: What the socket's buffer had no room for of its answer.
        finished: Whether the connection is no longer served here.
        remainder: The bytes for hypercorn; None when the connection is to be closed.
        error: What has ended it.
        wakeup: Set when its task has something to do.
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
        "peer",
        "pending",
        "received",
        "remainder",
        "request_id",
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
        """Begin to wait for bytes.

        Args:
            selector: Tells when there are any; its key's data is the connection.
            descriptor: The socket's, not blocking.
            peer: The address of its other end.
            request_id: Names its requests.
            on_verdicts: Called when the verdicts of a request are in.
        """
        self._selector = selector
        self._on_verdicts = on_verdicts
        self._descriptor = descriptor
        self._listening = False
        self.peer = peer
        self.request_id = request_id
        self.headers: Mapping[str, str] = {}
        self.received = bytearray()
        self.unsent = b""
        self.eof = self.closing = self.finished = False
        self.pending: PendingRequest | None = None
        self.started = 0.0
        self.remainder: bytes | None = None
        self.error: Exception | None = None
        self.wakeup = trio.Event()
        self.waiting_since = math.inf
        self.wait_for_bytes()

    @property
    def busy(self) -> bool:
        """Whether a request of it is not yet answered."""
        return self.pending is not None or bool(self.unsent)

    def verdicts_ready(self) -> None:
        """Note that the verdicts of its request are in."""
        self._on_verdicts(self)

    def wait_for_bytes(self) -> None:
        """Wait for more bytes, if there are any to come."""
        if self.eof:
            self.finish(self.received)
            return
        if not self._listening:
            self._selector.register(self._descriptor, EVENT_READ, self)
            self._listening = True
        if self.waiting_since == math.inf:
            self.waiting_since = trio.current_time()

    def receive(self) -> None:
        """Take in what the client has sent.

        Raises:
            OSError: The connection is broken.
        """
        if not self._listening or self.finished:
            return  # since the selector was asked
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
        """Send at once what the socket's buffer has room for; the connection's task sends the rest.

        Raises:
            OSError: The connection is broken.
        """
        try:
            sent = os.write(self._descriptor, data)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            # That may close the socket, and the selector would not know.
            self._stop_listening()
            self.unsent = data[sent:]
            self.wakeup.set()

    def finish(self, remainder: bytes | bytearray = b"", error: Exception | None = None) -> None:
        """Have its own task go on with it.

        Args:
            remainder: For hypercorn; the connection is closed if there is nothing.
            error: For that task to raise.
        """
        if not self.finished:
            self.finished, self.remainder, self.error = True, bytes(remainder) or None, error
            self._stop_listening()
            self.wakeup.set()

    def _stop_listening(self) -> None:
        if self._listening:
            self._selector.unregister(self._descriptor)
            self._listening = False
