"""Accepts many connections that come at once."""

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import trio

BURST: Final = 16
"""Number of connections accepted one after another. A task starts for each, which takes 0.1 ms."""


class BurstListener(trio.abc.Listener[trio.SocketStream]):
    """Accepts several connections at each turn of the event loop, while there is room.

    trio's own listener accepts one. When thousands of clients connect at once and send, a turn
    takes milliseconds, and so the last of them would wait for many seconds.

    Without room, one connection is closed for each new one. A connection that has just been
    accepted would not have been read yet, and the descriptors of both would be open.
    """

    def __init__(self, listener: trio.SocketListener, has_room: Callable[[int], bool]) -> None:
        """Take ownership of a listener.

        Args:
            listener: An open socket.
            has_room: Whether there is room for so many more connections.
        """
        self._listener = listener
        self._has_room = has_room
        self._socket = socket.socket(fileno=os.dup(listener.socket.fileno()))
        self._socket.setblocking(False)
        self._left = 0

    async def accept(self) -> trio.SocketStream:
        """Accept a connection.

        Raises:
            OSError: As for trio's listener.
        """
        if self._left:
            self._left -= 1
            # Nothing waits, or trio's listener says what is wrong.
            with suppress(OSError):
                accepted, _ = self._socket.accept()
                return trio.SocketStream(trio.socket.from_stdlib_socket(accepted))
        stream = await self._listener.accept()
        # Those of the turn before may not be counted yet.
        self._left = BURST - 1 if self._has_room(2 * BURST) else 0
        return stream

    async def aclose(self) -> None:
        """Close the socket."""
        self._socket.close()
        await self._listener.aclose()
