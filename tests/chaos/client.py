"""Steady load from many connections, with a record of each event's response."""

import contextlib
import http.client
import select
import socket
import threading
import time
from collections.abc import Iterator
from random import Random
from typing import Final

from tests.chaos.audit import Outcome, Sent
from tests.chaos.traffic import Planned, seeded, visit

CONNECTIONS: Final = 24
VISITORS_EACH: Final = 14
EVENTS_PER_SECOND: Final = 200.0

ANSWER_SECONDS: Final = 60.0
"""Timeout of a response. It is longer than the server's own: otherwise an abandoned event could
arrive out of order with the visitor's next event."""

RECONNECT_SECONDS: Final = 0.03
REQUESTS_PER_CONNECTION: Final = 200


class Load:
    """Clients in threads. Each has some visitors, and sends one event at a time, in order.

    An event is sent only once, whatever the response, because the audit could not distinguish a
    retried event from a duplicate.
    """

    def __init__(self, port: int, seed: int) -> None:
        """Create the clients without starting them.

        Args:
            port: The server's port on loopback. The server may be down at times.
            seed: Determines visitors, events and pauses.
        """
        self._port = port
        self._seed = seed
        self._stopping = threading.Event()
        self._sent: list[list[Sent]] = [[] for _ in range(CONNECTIONS)]
        self._threads = [
            threading.Thread(target=self._run, args=(number,), daemon=True)
            for number in range(CONNECTIONS)
        ]

    def start(self) -> None:
        """Begin to send."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> list[Sent]:
        """Wait for pending requests and stop.

        Returns:
            All sent events.
        """
        self._stopping.set()
        for thread in self._threads:
            thread.join(ANSWER_SECONDS + 5)
        return [event for events in self._sent for event in events]

    def acknowledged_since(self, marks: list[int]) -> int:
        """Return the number of events acknowledged since `marks` was called."""
        return sum(
            event.outcome is Outcome.ACKNOWLEDGED
            for events, mark in zip(self._sent, marks, strict=True)
            for event in events[mark:]
        )

    def marks(self) -> list[int]:
        """Return the current position of each client."""
        return [len(events) for events in self._sent]

    def _run(self, number: int) -> None:
        random = seeded(self._seed, "client", number)
        connection = Connection(self._port, self._stopping)
        for event in self._events(number, random):
            self._stopping.wait(random.expovariate(EVENTS_PER_SECOND / CONNECTIONS))
            if self._stopping.is_set() or not connection.ready():
                break
            outcome, status = connection.send(event)
            self._sent[number].append(
                Sent(
                    event.uid,
                    event.visitor,
                    event.sequence,
                    event.name,
                    event.pathname,
                    outcome,
                    status,
                )
            )
        connection.close()

    def _events(self, number: int, random: Random) -> Iterator[Planned]:
        """Yield events of this client's visitors in random order; new visitors replace old ones."""
        newcomer = number
        present: list[Iterator[Planned]] = []
        while True:
            while len(present) < VISITORS_EACH:
                present.append(visit(self._seed, newcomer))
                newcomer += CONNECTIONS
            visitor = random.choice(present)
            event = next(visitor, None)
            if event is None:
                present.remove(visitor)
            else:
                yield event


class Connection:
    """A connection that is reopened when it was closed."""

    def __init__(self, port: int, stopping: threading.Event) -> None:
        """Create the connection without opening it."""
        self._port = port
        self._stopping = stopping
        self._http: http.client.HTTPConnection | None = None
        self._requests = 0

    def ready(self) -> bool:
        """Connect if necessary, and wait as long as the server is down.

        Returns:
            False if the load was stopped meanwhile.
        """
        if self._requests >= REQUESTS_PER_CONNECTION or self._gone():
            self.close()
        while self._http is None:
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=ANSWER_SECONDS)
            try:
                connection.connect()
            except OSError:
                connection.close()
                if self._stopping.wait(RECONNECT_SECONDS):
                    return False
            else:
                self._http, self._requests = connection, 0
        return True

    def _gone(self) -> bool:
        """Whether the server has closed the connection, so that an event would be lost."""
        if self._http is None or self._http.sock is None:
            return True
        return bool(select.select([self._http.sock], [], [], 0)[0])

    def send(self, event: Planned) -> tuple[Outcome, int]:
        """Send an event on an open connection.

        Returns:
            The outcome, and the status code; 0 if there was no response.
        """
        assert self._http is not None
        self._requests += 1
        try:
            self._http.request("POST", "/api/event", event.body, event.headers)
            answer = self._http.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            self.close()
            return Outcome.UNKNOWN, 0
        if answer.status != 202:
            return Outcome.REFUSED, answer.status
        if answer.headers["x-plausible-dropped"] is not None:
            return Outcome.DROPPED, answer.status
        return Outcome.ACKNOWLEDGED, answer.status

    def close(self) -> None:
        """Close it."""
        if self._http is not None:
            self._http.close()
        self._http = None


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

    def __init__(self, port: int, seed: int) -> None:
        """Start nothing yet."""
        self._port = port
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
        connection = socket.create_connection(("127.0.0.1", self._port), timeout=1.0)
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
