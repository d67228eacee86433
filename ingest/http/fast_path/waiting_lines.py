"""Requests that wait in the order of their arrival."""

from collections import deque

import trio

from ingest.http.answer import Answer
from ingest.http.batch_endpoint import BatchEndpoint, may_be_small
from ingest.http.event_endpoint import FLOODED, OVERLOADED, ROOM_SECONDS, EventEndpoint
from ingest.http.fast_path.connection import Connection
from ingest.http.fast_path.request_head import RequestHead


class WaitingLine:
    """Connections whose current request cannot be started now.

    The requests are not parsed meanwhile, apart from their heads.

    Attributes:
        connections: They, in the order of arrival, with the ends of their waits on trio's clock.
    """

    def __init__(self) -> None:
        """Start without connections."""
        self.connections: deque[tuple[float, Connection]] = deque()

    def join(self, connection: Connection, now: float) -> None:
        """Add a connection at the end, now on trio's clock."""
        connection.busy = True
        self.connections.append((now + ROOM_SECONDS, connection))

    def may_leave(self, *, has_room: bool) -> bool:
        """Whether there is a first connection, and room for it, or it has waited long enough."""
        line = self.connections
        return bool(line) and (has_room or line[0][0] <= trio.current_time())

    def leave(self) -> Connection:
        """Remove the first connection."""
        _, connection = self.connections.popleft()
        connection.busy, connection.has_waited = False, True
        return connection


class WaitingLines:
    """The lines of one server: for room, for the turn of small batches, for refusals of a flood.

    Attributes:
        for_room: Requests for which there is no room. While there are any, others wait behind them.
        small_batches: Batches that find other small batches in the pipeline.
    """

    def __init__(self, endpoint: EventEndpoint, batches: BatchEndpoint) -> None:
        """Start with empty lines.

        Args:
            endpoint: Tells whether the server stops; then nobody waits.
            batches: Tell whether there is room for a small batch.
        """
        self._endpoint = endpoint
        self._batches = batches
        self.for_room, self.small_batches = WaitingLine(), WaitingLine()
        self._flooded = WaitingLine()

    def anyone_waits_for_room(self) -> bool:
        """Whether requests wait for room."""
        return bool(self.for_room.connections or self.small_batches.connections)

    def anyone_waits(self) -> bool:
        """Whether requests wait."""
        return self.anyone_waits_for_room() or bool(self._flooded.connections)

    def holds_up(self, head: RequestHead) -> bool:
        """Whether a batch is small, and other small batches leave no room for it."""
        return may_be_small(head.length, head.headers) and (
            bool(self.small_batches.connections) or not self._batches.has_room
        )

    def take(self, connection: Connection, refusal: Answer, *, has_room: bool, now: float) -> bool:
        """Let a request wait for room, or only for its refusal if it comes from a flood.

        Args:
            connection: Has the request.
            refusal: Its answer if it does not wait.
            has_room: Whether there is room for events.
            now: On trio's clock.

        Returns:
            Whether it waits.
        """
        if connection.has_waited or self._endpoint.is_closed:
            return False
        if refusal.status == OVERLOADED.status:
            only_batches = has_room and not self.for_room.connections
            (self.small_batches if only_batches else self.for_room).join(connection, now)
        elif refusal.status == FLOODED:
            self._flooded.join(connection, now)
        else:
            return False
        return True

    def next(self, *, has_room: bool) -> WaitingLine | None:
        """Return the line whose first request can be started or refused; None if there is none.

        Args:
            has_room: Whether there is room for events.
        """
        if self._flooded.connections and self._flooded.may_leave(has_room=False):
            return self._flooded
        small = self.small_batches
        if small.connections and small.may_leave(has_room=has_room and self._batches.has_room):
            return small
        return self.for_room if self.for_room.may_leave(has_room=has_room) else None
