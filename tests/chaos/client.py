"""Steady load from many connections, with a record of each event's response."""

import http.client
import select
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Final, NamedTuple

from tests.chaos.events import Outcome, Sent
from tests.chaos.traffic import Planned, seeded, visit

Visits = Callable[[int, int], Iterator[Planned]]
"""Yields the events of a visitor, given the seed and the visitor's number."""


class Crowd(NamedTuple):
    """The clients of a load.

    Attributes:
        connections: Number of clients that send at the same time.
        visitors: Number of visitors of each at a time.
        events_per_second: What all clients together send at most.
        first: Number of the first visitor.
        visits: The events of each visitor.
    """

    connections: int = 24
    visitors: int = 14
    events_per_second: float = 200.0
    first: int = 0
    visits: Visits = visit


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

    def __init__(self, ports: Sequence[int], seed: int, crowd: Crowd | None = None) -> None:
        """Create the clients without starting them.

        Args:
            ports: Ports of servers on loopback, which get the events in turn. Servers may be down
                at times.
            seed: Determines visitors, events and pauses.
            crowd: The clients; None for the usual ones.
        """
        self._ports = ports
        self._seed = seed
        self._crowd = crowd = Crowd() if crowd is None else crowd
        self._stopping = threading.Event()
        self._sent: list[list[Sent]] = [[] for _ in range(crowd.connections)]
        self._threads = [
            threading.Thread(target=self._run, args=(number,), daemon=True)
            for number in range(crowd.connections)
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

    def count_since(
        self, marks: list[int], port: int, outcome: Outcome = Outcome.ACKNOWLEDGED
    ) -> int:
        """Return how many events had an outcome at a server since `marks` was called."""
        return sum(
            event.outcome is outcome and event.port == port
            for events, mark in zip(self._sent, marks, strict=True)
            for event in events[mark:]
        )

    def marks(self) -> list[int]:
        """Return the current position of each client."""
        return [len(events) for events in self._sent]

    def _run(self, number: int) -> None:
        random = seeded(self._seed, "client", self._crowd.first + number)
        pause = self._crowd.connections / self._crowd.events_per_second
        connections = Connections(self._ports, number, self._stopping)
        for event in self._events(number, random):
            self._stopping.wait(random.expovariate(1 / pause))
            connection = None if self._stopping.is_set() else connections.ready()
            if connection is None:
                break
            outcome, status = connection.send(event)
            self._sent[number].append(event.sent(outcome, status, connection.port))
        connections.close()

    def _events(self, number: int, random: Random) -> Iterator[Planned]:
        """Yield events of this client's visitors in random order; new visitors replace old ones."""
        crowd = self._crowd
        newcomer = crowd.first + number
        present: list[Iterator[Planned]] = []
        while True:
            while len(present) < crowd.visitors:
                present.append(crowd.visits(self._seed, newcomer))
                newcomer += crowd.connections
            visitor = random.choice(present)
            event = next(visitor, None)
            if event is None:
                present.remove(visitor)
            else:
                yield event


class Connections:
    """A connection to each server, used in turn."""

    def __init__(self, ports: Sequence[int], turn: int, stopping: threading.Event) -> None:
        """Create the connections without opening them.

        Args:
            ports: The servers' ports.
            turn: Which of them is the first.
            stopping: Set when the load stops.
        """
        self._turns = deque(Connection(port) for port in ports)
        self._turns.rotate(turn)
        self._stopping = stopping

    def ready(self) -> "Connection | None":
        """Return the next connection; wait as long as all servers are down.

        Returns:
            None if the load was stopped meanwhile.
        """
        while True:
            for _ in range(len(self._turns)):
                self._turns.rotate(-1)
                if self._turns[-1].open():
                    return self._turns[-1]
            if self._stopping.wait(RECONNECT_SECONDS):
                return None

    def close(self) -> None:
        """Close them."""
        for connection in self._turns:
            connection.close()


class Connection:
    """A connection that is reopened when it was closed."""

    def __init__(self, port: int) -> None:
        """Create the connection without opening it."""
        self.port = port
        self._http: http.client.HTTPConnection | None = None
        self._requests = 0

    def open(self) -> bool:
        """Connect if necessary; return whether the server can be reached."""
        if self._requests >= REQUESTS_PER_CONNECTION or self._gone():
            self.close()
        if self._http is None:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_SECONDS)
            try:
                connection.connect()
            except OSError:
                connection.close()
                return False
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
