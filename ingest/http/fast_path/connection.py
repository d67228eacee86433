"""A connection while the fast door serves it."""

import math
import os
from collections.abc import Callable, Mapping
from selectors import EVENT_READ, BaseSelector
from typing import Final

import trio

from ingest.http.event_endpoint import Waiting
from ingest.telemetry.request_id import RequestId

READ_BYTES: Final = 65_536
"""Bytes read at a time; from a client that has sent as many ahead no more are read meanwhile."""


class Visit:
    """A connection's state, and what its own task is to do next.

    Attributes:
        peer: The address of its other end.
        name: Names its requests.
        headers: Those of the request under way.
        unread: Bytes that belong to no request that was begun.
        since: When the wait for bytes began, on trio's clock; infinite while nothing is waited for.
            A request that comes in parts has its time from the first of them on.
        said_all: Whether the client has closed its side.
        waiting: The request that waits for its verdicts; None when none does.
        started: When the request under way was begun, by `time.perf_counter`.
        closes: Whether the connection ends after that request.
        unsent: What the socket's buffer had no room for of its answer.
        over: Whether the connection is no longer served here.
        left: The bytes that hypercorn is to go on with; None when the connection is to be closed.
        error: What has ended it.
        called: Set when its task has something to do.
    """

    __slots__ = (
        "_descriptor",
        "_listening",
        "_selector",
        "_settle",
        "called",
        "closes",
        "error",
        "headers",
        "left",
        "name",
        "over",
        "peer",
        "said_all",
        "since",
        "started",
        "unread",
        "unsent",
        "waiting",
    )

    def __init__(
        self,
        selector: BaseSelector,
        descriptor: int,
        peer: str,
        name: RequestId,
        settle: Callable[["Visit"], object],
    ) -> None:
        """Begin to wait for bytes.

        Args:
            selector: Tells when there are any; its key's data is the visit.
            descriptor: The socket's, not blocking.
            peer: The address of its other end.
            name: Names its requests.
            settle: Called when the verdicts of a request are in.
        """
        self._selector = selector
        self._settle = settle
        self._descriptor = descriptor
        self._listening = False
        self.peer = peer
        self.name = name
        self.headers: Mapping[str, str] = {}
        self.unread = bytearray()
        self.unsent = b""
        self.said_all = self.closes = self.over = False
        self.waiting: Waiting | None = None
        self.started = 0.0
        self.left: bytes | None = None
        self.error: Exception | None = None
        self.called = trio.Event()
        self.since = math.inf
        self.wait()

    @property
    def busy(self) -> bool:
        """Whether a request of it is not yet answered."""
        return self.waiting is not None or bool(self.unsent)

    def tell(self) -> None:
        """Note that the verdicts of its request are in."""
        self._settle(self)

    def wait(self) -> None:
        """Wait for more bytes, if there are any to come."""
        if self.said_all:
            self.end(self.unread)
            return
        if not self._listening:
            self._selector.register(self._descriptor, EVENT_READ, self)
            self._listening = True
        if self.since == math.inf:
            self.since = trio.current_time()

    def hear(self) -> None:
        """Take in what the client has sent.

        Raises:
            OSError: The connection is broken.
        """
        if not self._listening or self.over:
            return  # since the selector was asked
        try:
            data = os.read(self._descriptor, READ_BYTES)
        except BlockingIOError:
            return
        if not self.unread:
            self.since = math.inf
        self.unread += data
        self.said_all = not data
        if self.said_all or (self.busy and len(self.unread) >= READ_BYTES):
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
            self.called.set()

    def end(self, left: bytes | bytearray = b"", error: Exception | None = None) -> None:
        """Have its own task go on with it.

        Args:
            left: For hypercorn; the connection is closed if there is nothing.
            error: For that task to raise.
        """
        if not self.over:
            self.over, self.left, self.error = True, bytes(left) or None, error
            self._stop_listening()
            self.called.set()

    def _stop_listening(self) -> None:
        if self._listening:
            self._selector.unregister(self._descriptor)
            self._listening = False
