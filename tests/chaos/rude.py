"""Misbehaving clients."""

import contextlib
import socket
import threading
import time
from collections.abc import Sequence
from typing import Final

from tests.chaos.events import Outcome, Sent
from tests.chaos.traffic import seeded, visit

HEAD: Final = b"POST /api/event HTTP/1.1\r\nhost: a\r\n"
RUDE: Final = (
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET / HTTP/9.9\r\n\r\n",
    b"\x00" * 5000,
    HEAD + b"content-length: nine\r\n\r\n",
    HEAD + b"content-length: 50\r\n\r\n{",
    HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n",
    HEAD + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}",
    HEAD + b"content-length: 4\r\n\r\n\xff\xfe[{",
    HEAD + b"content-length: 30\r\n\r\n" + b"[" * 30,
    HEAD + b"content-length: 3000000\r\n\r\n" + b"x" * 3_000_000,
    HEAD + b"x: " + b"a" * 70_000,
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00",
    b"",
)
"""Invalid data that some clients send. None of it is an event."""

RUDE_PAUSE_SECONDS: Final = 0.15
SLOW_CONNECTIONS: Final = 20
FIRST_HASTY_VISITOR: Final = 100_000


class RudeClients:
    """Misbehaving clients: garbage, half requests, too much or too slow data, early disconnects.

    Clients that disconnect (`hasty`) have sent a whole event, which may or may not be stored.
    """

    def __init__(self, ports: Sequence[int], seed: int) -> None:
        """Start nothing yet.

        Args:
            ports: Ports of servers on loopback, which are visited at random.
            seed: Determines what is done.
        """
        self._ports = ports
        self._seed = seed
        self._random = seeded(seed, "rude")
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._hasty: list[Sent] = []
        self.connections = 0

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> list[Sent]:
        """End.

        Returns:
            The events of the clients that disconnected.
        """
        self._stopping.set()
        self._thread.join(30)
        return self._hasty

    def _run(self) -> None:
        slow: list[socket.socket] = []
        while not self._stopping.wait(RUDE_PAUSE_SECONDS):
            with contextlib.suppress(OSError):
                draw = self._random.random()
                if draw < 0.6:
                    self._say(self._random.choice(RUDE))
                elif draw < 0.8:
                    self._leave()
                else:
                    slow.append(self._connect())
                    slow[-1].sendall(HEAD)
            slow = [connection for connection in slow if _drip(connection)]
            if len(slow) > SLOW_CONNECTIONS:
                slow.pop(0).close()
        for connection in slow:
            connection.close()

    def _connect(self) -> socket.socket:
        connection = socket.create_connection(
            ("127.0.0.1", self._random.choice(self._ports)), timeout=1.0
        )
        self.connections += 1
        return connection

    def _say(self, words: bytes) -> None:
        with self._connect() as connection:
            connection.sendall(words)
            if self._random.random() < 0.5:
                connection.settimeout(0.2)
                connection.recv(1000)

    def _leave(self) -> None:
        event = next(visit(self._seed, FIRST_HASTY_VISITOR + len(self._hasty)))
        head = "".join(f"{name}: {value}\r\n" for name, value in event.headers.items())
        with self._connect() as connection:
            # Record it before sending, because it may arrive even if this side gets an error.
            self._hasty.append(
                Sent(event.uid, event.visitor, 0, event.name, event.pathname, Outcome.UNKNOWN, 0)
            )
            connection.sendall(
                HEAD + head.encode() + b"content-length: %d\r\n\r\n" % len(event.body) + event.body
            )
            time.sleep(self._random.choice((0.0, 0.001, 0.01)))


def _drip(connection: socket.socket) -> bool:
    """Send one more byte of an endless header.

    Returns:
        Whether the connection is still open.
    """
    try:
        connection.sendall(b"x")
    except OSError:
        connection.close()
        return False
    return True
