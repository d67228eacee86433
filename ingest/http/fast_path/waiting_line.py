"""Requests that wait in the order of their arrival."""

from collections import deque

import trio

from ingest.http.event_endpoint import ROOM_SECONDS
from ingest.http.fast_path.connection import Connection


class WaitingLine:
    """Connections whose current request cannot be started now.

    The requests are not parsed meanwhile, apart from their heads.
    """

    def __init__(self) -> None:
        """Start without connections."""
        self._connections: deque[tuple[float, Connection]] = deque()

    def __len__(self) -> int:
        """Return the number of connections."""
        return len(self._connections)

    def join(self, connection: Connection) -> None:
        """Add a connection at the end."""
        connection.in_line = True
        self._connections.append((trio.current_time() + ROOM_SECONDS, connection))

    @property
    def first_has_waited(self) -> bool:
        """Whether the first connection has waited for long enough."""
        return bool(self._connections) and self._connections[0][0] <= trio.current_time()

    def leave(self) -> Connection:
        """Remove the first connection."""
        _, connection = self._connections.popleft()
        connection.in_line, connection.has_waited = False, True
        return connection
