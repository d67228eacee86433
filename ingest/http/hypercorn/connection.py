"""A connection that hypercorn serves, with deadlines of our own and a different way of closing."""

import math
from contextlib import suppress
from typing import Any

import trio
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.trio.tcp_server import TCPServer

from ingest.http.hypercorn.protocol import StrictHTTP
from ingest.http.interruption import ENDS

IDLE_SECONDS = 15.0
"""Time limit for a request's head, from the start of the connection or the last response."""

READ_SECONDS = 15
"""How long a connection may be silent within a request. There is no such limit while the request is
being answered; the time for the body is limited where it is read."""

WRITE_SECONDS = 15.0
"""How long a client may take to read a response."""

LINGER_SECONDS = 0.25
"""How long an idle connection stays open when the server stops, so that a request already sent is
still answered."""

CLOSING_SECONDS = 1.0
"""How long the server still reads after its last answer. Unread bytes would reset the connection,
and the client might lose the answer."""


class TimedStream:
    """A socket's stream whose writes have a deadline, even in hypercorn's shielded scopes."""

    def __init__(self, stream: trio.SocketStream) -> None:
        """Take ownership of a stream."""
        self._stream = stream
        self._unread = memoryview(b"")
        self.socket = stream.socket
        self.send_eof = stream.send_eof
        self.aclose = stream.aclose

    def prepend(self, data: bytes | bytearray) -> None:
        """Return these bytes first when the stream is read next."""
        self._unread = memoryview(data)

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Return available bytes, or wait for some."""
        if self._unread:
            # No more at once than the socket gives: where a read ends decides which error h11 sees.
            data, self._unread = self._unread[:max_bytes], self._unread[max_bytes:]
            await trio.lowlevel.checkpoint()
            return bytes(data)
        return await self._stream.receive_some(max_bytes)

    async def send_all(self, data: bytes) -> None:
        """Send data.

        Raises:
            trio.BrokenResourceError: The client did not read it in time, or the connection is being
                closed.
        """
        with trio.move_on_after(WRITE_SECONDS) as scope:
            try:
                await self._stream.send_all(data)
            except trio.BusyResourceError:
                # hypercorn ends a stream in one task while another task is still sending.
                raise trio.BrokenResourceError("the connection is being closed") from None
        if scope.cancelled_caught:
            await trio.aclose_forcefully(self._stream)
            raise trio.BrokenResourceError("the client does not read")


LAST_ANSWER_SECONDS = 40.0
"""How long a request may take after the client has closed its side. No verdict takes that long."""

READ_BYTES = 65_536

MANY_LINES = 1_000
"""Line ends in what is parsed at once; with more, `SLICE_BYTES` are. A chunk of a body has two, and
takes some µs without a checkpoint, so 64 KiB of chunks of a byte would hold the loop for 60 ms."""

SLICE_BYTES = 4_096


class HypercornConnection(TCPServer):
    """hypercorn's connection, with a different way of closing.

    hypercorn's own class waits for its idle timer even after the client has closed, so clients with
    one request each would use up all connections. It does not answer a client that has closed its
    side after the request. When the server stops, it closes idle connections at once, even if their
    next request is on its way.
    """

    def __init__(self, *arguments: Any) -> None:
        """Take hypercorn's arguments."""
        super().__init__(*arguments)
        self._answered = trio.Event()
        self._answered.set()
        self._hung_up = trio.Event()
        self._reading = trio.CancelScope()
        self._ended = False
        self._idle_since = trio.current_time()
        self.state[ENDS] = (self._hung_up, self.context.terminated)

    @property
    def waiting_since(self) -> float:
        """When it began to wait for bytes; infinite while a request is being answered."""
        if self._ended:
            return -math.inf
        return self._idle_since if self._answered.is_set() else math.inf

    def finish(self) -> None:
        """Start no further request."""
        self._ended = True

    async def _read_data(self) -> None:
        self.protocol.protocol = StrictHTTP.of(self.protocol)
        with self._reading:
            await self._read_requests()
        await self.protocol.handle(Closed())
        await self.idle_task.stop()

    async def _read_requests(self) -> None:
        try:
            while data := await self._receive():
                if not self._ended:
                    await self.protocol.handle(RawData(bytes(data)))
            if not self._ended:
                await self.protocol.handle(RawData(b""))
            self._hung_up.set()
            # A client that has closed its side may still read, for a limited time.
            with trio.move_on_after(LAST_ANSWER_SECONDS):
                await self._answered.wait()
        except (trio.ClosedResourceError, trio.BrokenResourceError, trio.TooSlowError):
            pass

    async def _receive(self) -> bytes | bytearray:
        while True:
            with trio.move_on_after(READ_SECONDS):
                data = await self.stream.receive_some(READ_BYTES)
                if data.count(b"\n") > MANY_LINES:
                    self.stream.prepend(data[SLICE_BYTES:])
                    data = data[:SLICE_BYTES]
                return data
            if self._answered.is_set():
                raise trio.TooSlowError

    async def protocol_send(self, event: Event) -> None:
        """Record whether a request is being answered, then let hypercorn send."""
        if isinstance(event, Closed):
            await self._end()
            return
        if isinstance(event, Updated) and event.idle:
            self._idle_since = trio.current_time()
            self._answered.set()
        elif isinstance(event, Updated):
            self._answered = trio.Event()
        await super().protocol_send(event)

    async def _end(self) -> None:
        """Close our side after the last answer; `_read_requests` then waits for the client's."""
        self._answered.set()
        self._ended = True
        self._reading.deadline = trio.current_time() + CLOSING_SECONDS
        async with self.send_lock:  # another task may be about to send that answer
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                await self.stream.send_eof()
        await self.protocol.handle(Closed())

    async def _idle_timeout(self) -> None:
        with trio.move_on_after(IDLE_SECONDS):
            await self.context.terminated.wait()
            await trio.sleep(LINGER_SECONDS)
        if not self._answered.is_set():
            return  # a request has come at the same moment
        self.finish()
        with trio.CancelScope(shield=True, deadline=trio.current_time() + WRITE_SECONDS):
            await self._initiate_server_close()
