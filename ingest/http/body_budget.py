"""How much memory the bodies of all requests that are under way may take together.

Each body has a limit of its own, but thousands of connections may each send one, as slowly as
the time for a body allows.
"""

from typing import Any, Final

from quart.wrappers import Request
from quart_trio.asgi import TrioASGIHTTPConnection
from quart_trio.wrappers.request import TrioBody

BODIES_BYTES: Final = 64_000_000
"""Eight batches of the largest size, or sixty-four of the largest single events."""


class NoRoomError(Exception):
    """The bodies under way take all the room there is: this one is not read any further."""


class BodyRoom:
    """The room for bodies of one server.

    Attributes:
        limit: Bytes.
        taken: Bytes of the bodies that are under way.
    """

    def __init__(self, limit: int = BODIES_BYTES) -> None:
        """All of it is free."""
        self.limit = limit
        self.taken = 0


class CountedBody(TrioBody):
    """A body that takes its room part by part, as it arrives."""

    _room: BodyRoom | None = None
    _taken = 0

    def enter(self, room: BodyRoom) -> None:
        """Count against a room from here on."""
        self._room = room

    def append(self, data: bytes) -> None:
        """Take a part in, or have whoever waits for the body told that there is no room."""
        room = self._room
        if room is not None and self._must_raise is None:
            if room.taken + len(data) > room.limit:
                self._must_raise = NoRoomError()
                self.clear()
                self.set_complete()
                return
            room.taken += len(data)
            self._taken += len(data)
        super().append(data)

    def leave(self) -> None:
        """Give the room back."""
        if self._room is not None:
            self._room.taken -= self._taken
            self._room, self._taken = None, 0


class BoundedConnection(TrioASGIHTTPConnection):
    """A request whose body has its room until the response is out."""

    def __init__(self, room: BodyRoom, *arguments: Any) -> None:
        """As Quart-Trio's, with the room for bodies before."""
        super().__init__(*arguments)
        self._room = room
        self._bodies: list[CountedBody] = []

    async def __call__(self, receive: Any, send: Any) -> None:
        """Handle the request."""
        try:
            await super().__call__(receive, send)
        finally:
            for body in self._bodies:
                body.leave()

    def _create_request_from_scope(self, send: Any) -> Request:
        request = super()._create_request_from_scope(send)
        if isinstance(request.body, CountedBody):
            request.body.enter(self._room)
            self._bodies.append(request.body)
        return request
