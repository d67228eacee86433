"""A connection while the fast path serves it."""

import math
import os
from collections.abc import Callable
from selectors import EVENT_READ, BaseSelector
from typing import Final

import trio

from ingest.http.batch_endpoint import PendingBatch
from ingest.http.event_endpoint import PendingRequest
from ingest.http.fast_path.request_head import RequestHead
from ingest.http.turns import NEW
from ingest.request.client_address import ClientAddress
from ingest.telemetry.request_id import RequestId

READ_BYTES: Final = 65_536
"""Maximum bytes of a read. While a request is being answered, reading stops when as many have been
received ahead."""

PART_SECONDS: Final = 1.0
"""How long a request may arrive in parts. Then it moves to hypercorn, which times slow clients."""

_SKIPPED: Final = memoryview(bytearray(256 * 1024))
"""Where bytes go that nobody wants."""


class Connection:
    """The state of a connection, and what its task must do next.

    Attributes:
        peer: The peer's address.
        request_id: The id of the current request.
        head: The head of the current request; None between requests.
        client: The address of the current request's client.
        received: Bytes of the current request, and those behind it.
        waiting_since: When the wait for bytes began, on trio's clock; infinite while the connection
            does not wait. The time of a request in several parts starts with the first part.
        eof: Whether the client has closed its side.
        pending: The event or small batch that waits for its verdicts; None if there is none.
        last_turn: When it had its last turn for a batch, on trio's clock; `NEW` if it had none.
        has_waited: Whether the current request has waited in a line for room, or to be refused.
        busy: Whether no request may be started: one waits in a line or for verdicts, a task reads
            or answers a large batch, the connection waits for its turn, or its task sends.
        started: When the current request was started, by `time.perf_counter`.
        closing: Whether the connection is closed after the current request.
        unsent: The part of the answer that did not fit into the socket's buffer.
        unwanted: How many of the next bytes belong to a request that was refused.
        finished: Whether the connection has left the fast path.
        remainder: The bytes for hypercorn; None if the connection must be closed.
        error: The exception that ended the connection; None if there was none.
        wakeup: Set when the connection's task has something to do.
    """

    __slots__ = (
        "_arrived",
        "_descriptor",
        "_listening",
        "_on_verdicts",
        "_selector",
        "_wanted",
        "busy",
        "client",
        "closing",
        "eof",
        "error",
        "finished",
        "has_waited",
        "head",
        "last_turn",
        "peer",
        "pending",
        "received",
        "remainder",
        "request_id",
        "started",
        "unsent",
        "unwanted",
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
        self.head: RequestHead | None = None
        self.client = ClientAddress("", None, None)
        self.received = bytearray()
        self.unsent = b""
        self.last_turn = NEW
        self.unwanted = self._wanted = 0
        self._arrived = trio.Event()
        self.eof = self.closing = self.finished = False
        self.busy = self.has_waited = False
        self.pending: PendingRequest | PendingBatch | None = None
        self.started = 0.0
        self.remainder: bytes | None = None
        self.error: Exception | None = None
        self.wakeup = trio.Event()
        self.waiting_since = math.inf
        self.wait_for_bytes(trio.current_time())

    def verdicts_ready(self) -> None:
        """Report that the verdicts of the connection's request are ready."""
        self._on_verdicts(self)

    def wait_for_bytes(self, now: float) -> None:
        """Wait for more bytes; leave the fast path if the client has closed its side.

        Args:
            now: On trio's clock.
        """
        if self.eof:
            self.finish(self.received)
            return
        self._listen()
        if self.waiting_since == math.inf:
            self.waiting_since = now

    def receive(self) -> None:
        """Read the bytes that the client has sent.

        Raises:
            OSError: The connection is broken.
        """
        if not self._listening or self.finished:
            return  # its state has changed since the selector reported it
        try:
            if self.unwanted:
                skipped = os.readv(self._descriptor, [_SKIPPED[: self.unwanted]])
                self.unwanted -= skipped
                self.eof = not skipped
            else:
                data = os.read(self._descriptor, READ_BYTES)
                if not self.received:
                    self.waiting_since = math.inf
                self.received += data
                self.eof = not data
        except BlockingIOError:
            return
        received = len(self.received)
        if self.eof or (self._wanted and received >= self._wanted):
            self._arrived.set()
        if self.eof or (received >= READ_BYTES and received >= self._wanted and self.busy):
            self._stop_listening()

    def pause(self) -> None:
        """Read no more bytes for now, so that the client must wait."""
        self._stop_listening()

    async def all_received(self) -> bool:
        """Read the current request to its end, unless it is slow or the connection ends.

        Returns:
            Whether it has arrived.
        """
        assert self.head is not None, "there is a request"  # noqa: S101
        self._wanted = self.head.size + self.head.length
        if len(self.received) < self._wanted and not (self.eof or self.finished):
            self._arrived = trio.Event()
            self._listen()
            with trio.move_on_after(PART_SECONDS):
                await self._arrived.wait()
        arrived, self._wanted = len(self.received) >= self._wanted, 0
        return arrived and not self.finished

    def take_body(self) -> bytes:
        """Remove the current request from `received`; what has not arrived of it will be skipped.

        Returns:
            Its body, or the part that has arrived.
        """
        head, received = self.head, self.received
        assert head is not None, "there is a request"  # noqa: S101
        end = head.size + head.length
        if head.is_large:
            body = bytes(memoryview(received)[head.size : end])
        else:  # a view costs more than a second copy of a few bytes
            body = bytes(received[head.size : end])
        if end > len(received):
            self.unwanted = end - len(received)
        del received[:end]
        return body

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
            self.unsent, self.busy = data[sent:], True
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
            self._arrived.set()
            self.wakeup.set()

    def _listen(self) -> None:
        if not self._listening:
            self._selector.register(self._descriptor, EVENT_READ, self)
            self._listening = True

    def _stop_listening(self) -> None:
        if self._listening:
            self._selector.unregister(self._descriptor)
            self._listening = False
