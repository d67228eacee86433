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
        connection.busy = True
        self.connections.append((trio.current_time() + ROOM_SECONDS, connection))

    def may_leave(self, *, has_room: bool) -> bool:
        """Whether there is a first connection, and room for it, or it has waited long enough."""
        line = self.connections
        return bool(line) and (has_room or line[0][0] <= trio.current_time())

    def leave(self) -> Connection:
        """Remove the first connection."""
        _, connection = self.connections.popleft()
        connection.busy, connection.has_waited = False, True
        return connection
