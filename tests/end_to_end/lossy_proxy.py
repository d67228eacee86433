"""A proxy for a ClickHouse server that can drop the server's response to an insert."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Self


class LossyProxy:
    """Forwards bytes in both directions on loopback, until it must drop an acknowledgement.

    An insert in the native protocol has four parts: the client's statement, the server's
    description of the columns, the client's rows, and the server's end of stream. The proxy
    forwards the first three parts and drops the last. So the rows are stored, but the client does
    not get the acknowledgement.
    """

    def __init__(self, port: int) -> None:
        """Listen on a free port.

        Args:
            port: The server's port.

        The bytes from clients are stored in `sent`, with statements as text.
        """
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._lose: bytes | None = None
        self.lost = threading.Event()
        self.sent: list[bytes] = []
        self._connections: list[socket.socket] = []

    def __enter__(self) -> Self:
        """Begin to accept connections."""
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Close everything."""
        self._listener.close()
        self.cut()

    def lose_next(self, statement: str) -> None:
        """Drop the acknowledgement of the next insert whose statement contains this text."""
        self.lost.clear()
        self._lose = statement.encode()

    def cut(self) -> None:
        """Close all connections."""
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self._connections.clear()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                client.close()
                continue
            self._connections += [client, server]
            passage = _Passage(self, client, server)
            threading.Thread(target=passage.requests, daemon=True).start()
            threading.Thread(target=passage.answers, daemon=True).start()

    def takes(self, sent: bytes) -> bool:
        """Whether these bytes of a client are the expected statement."""
        if self._lose is None or self._lose not in sent:
            return False
        self._lose = None
        return True


class _Passage:
    """One client's connection through the proxy."""

    def __init__(self, proxy: LossyProxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy, self._client, self._server = proxy, client, server
        self._state = "passing"

    def requests(self) -> None:
        for sent in _chunks(self._client):
            self._proxy.sent.append(sent)
            if self._proxy.takes(sent):
                self._state = "statement"
            elif self._state == "described":
                self._state = "losing"
            with contextlib.suppress(OSError):
                self._server.sendall(sent)

    def answers(self) -> None:
        for sent in _chunks(self._server):
            if self._state == "losing":
                self._proxy.lost.set()
                continue
            # Before the client can send its rows.
            if self._state == "statement":
                self._state = "described"
            with contextlib.suppress(OSError):
                self._client.sendall(sent)


def _chunks(connection: socket.socket) -> Iterator[bytes]:
    while True:
        try:
            received = connection.recv(65_536)
        except OSError:
            return
        if not received:
            return
        yield received
