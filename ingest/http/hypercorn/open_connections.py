"""The open connections of a server: how many there may be, and which one makes room for another."""

import math
from collections import Counter
from collections.abc import Callable
from typing import Final, Protocol

import trio

from actors.files.open_files import open_files
from ingest.http.flood import identity_of
from ingest.request.client_address import TrustedProxies

CONNECTIONS: Final = 4096
"""Maximum number of open connections; lower if the process may have few open files."""

RESERVED_FILES: Final = 512
"""Open files for everything but connections. The embedded store has some hundred, and for
moments up to 400."""

LEAST_SHARE: Final = 8
"""Connections have at least one in so many of the open files."""

ADDRESS_SHARE: Final = 8
"""One address that is no trusted proxy's may have one in so many of them."""

SEARCH_SECONDS: Final = 25e-6
"""Least time between two searches among all connections, for each of them; a search takes about
a hundredth of it."""


def connection_limit() -> int:
    """Return the maximum number of open connections, which leaves files for other uses."""
    allowed = open_files()
    return int(min(CONNECTIONS, max(allowed - RESERVED_FILES, allowed / LEAST_SHARE)))


class Served(Protocol):
    """A connection, as the protocol sees it that serves it at the moment."""

    @property
    def waiting_since(self) -> float:
        """When it began to wait for bytes, on trio's clock; infinite while it has a request."""

    def finish(self) -> None:
        """Start no further request."""


class Closing:
    """A connection that has had its last answer; it is the first to make room."""

    waiting_since: Final = -math.inf

    def finish(self) -> None:
        """Do nothing: it starts no request."""


class OpenConnection:
    """An open connection.

    Attributes:
        address: Whose it is; None for a trusted proxy.
        served: What serves it; None before that.
        scope: Its task runs in it.
    """

    __slots__ = ("address", "scope", "served")

    def __init__(self, address: bytes | None) -> None:
        """Take the address."""
        self.address = address
        self.served: Served | None = None
        self.scope = trio.CancelScope()

    @property
    def waiting_since(self) -> float:
        """As in `Served`."""
        return math.inf if self.served is None else self.served.waiting_since

    def close(self) -> None:
        """Close it; it waits for bytes, so nobody waits for an answer."""
        if self.served is not None:
            self.served.finish()
        self.scope.cancel()


class OpenConnections:
    """Limits the open connections, all together and those of one address.

    If there are too many, the connection that has been waiting for bytes for the longest time is
    closed for a new one, or the new one is refused if all have a request. An address that has its
    share is refused. Trusted proxies carry the connections of many clients, so they may have all.
    """

    def __init__(
        self, limit: int, trusted: TrustedProxies | None, on_displaced: Callable[[], object]
    ) -> None:
        """Start without connections.

        Args:
            limit: Maximum number of connections.
            trusted: The proxies whose address has no limit; None: no address has one.
            on_displaced: Called for each connection that is closed for a new one.
        """
        self._limit = limit
        self._share = max(limit // ADDRESS_SHARE, 1)
        self._trusted = trusted
        self._on_displaced = on_displaced
        self._open: set[OpenConnection] = set()
        self._of_address: Counter[bytes] = Counter()
        self._waiting: list[tuple[float, OpenConnection]] = []
        self._searched = -math.inf

    def __len__(self) -> int:
        return len(self._open)

    def has_room(self, connections: int) -> bool:
        """Whether so many more can be admitted, and none is closed for them."""
        return len(self._open) + connections <= self._limit

    def admit(self, peer: str) -> OpenConnection | None:
        """Admit a new connection, and close another one if there is no room.

        Args:
            peer: The address of the connection's peer.

        Returns:
            The connection; None if it is refused.
        """
        address = None
        if self._trusted is not None and not self._trusted.trusts(peer):
            address = identity_of(peer)
            if self._of_address[address] >= self._share:
                return None
        if not self.has_room(1):
            longest = self._longest_waiting()
            if longest is None:
                return None
            longest.close()
            self.remove(longest)
            self._on_displaced()
        connection = OpenConnection(address)
        self._open.add(connection)
        if address is not None:
            self._of_address[address] += 1
        return connection

    def remove(self, connection: OpenConnection) -> None:
        """Forget a closed connection; also one that is forgotten already."""
        if connection not in self._open:
            return
        self._open.remove(connection)
        address = connection.address
        if address is not None:
            self._of_address[address] -= 1
            if not self._of_address[address]:
                del self._of_address[address]

    def _longest_waiting(self) -> OpenConnection | None:
        """The connection that has been waiting for the longest time; None if all have a request.

        It is taken from a sorted list that is made again when it is used up. Connections that have
        begun to wait since the list was made have been waiting for less time than those in it.
        """
        while True:
            while self._waiting:
                since, connection = self._waiting.pop()
                if connection in self._open and connection.waiting_since == since:
                    return connection
            now = trio.current_time()
            if now < self._searched + SEARCH_SECONDS * len(self._open):
                return None
            self._searched = now
            waiting = ((one.waiting_since, one) for one in self._open)
            self._waiting = [one for one in waiting if one[0] < math.inf]
            self._waiting.sort(key=lambda one: one[0], reverse=True)
