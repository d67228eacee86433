"""Requests that wait in the order of their arrival."""

from collections import deque

import trio

from ingest.http.event_endpoint import ROOM_SECONDS
from ingest.http.fast_path.connection import Connection


class WaitingLine:
    """Connections whose current request cannot be started now.

    The requests are not parsed meanwhile, apart from their heads.

    Attributes:
        connections: They, in the order of arrival, with the ends of their waits on trio's clock.
    """

    def __init__(self) -> None:
        """Start without connections."""
        self.connections: deque[tuple[float, Connection]] = deque()

    def join(self, connection: Connection) -> None:
        """Add a connection at the end."""
        connection.in_line = True
        self.connections.append((trio.current_time() + ROOM_SECONDS, connection))

    @property
    def first_has_waited(self) -> bool:
        """Whether the first connection has waited for long enough."""
        return bool(self.connections) and self.connections[0][0] <= trio.current_time()

    def leave(self) -> Connection:
        """Remove the first connection."""
        _, connection = self.connections.popleft()
        connection.in_line, connection.has_waited = False, True
        return connection
