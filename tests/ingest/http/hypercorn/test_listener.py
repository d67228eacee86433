import errno
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio
from trio.testing import assert_checkpoints, assert_no_checkpoints

from ingest.http.hypercorn.listener import BURST, BurstListener


class Clients:
    """A listener, and clients that have connected to it."""

    def __init__(self, listener: trio.SocketListener) -> None:
        self.room = 1_000
        self.listener = BurstListener(listener, lambda number: number <= self.room)
        self._address = listener.socket.getsockname()
        self._sockets: list[socket.socket] = []

    def connect(self, number: int) -> None:
        self._sockets += [socket.create_connection(self._address) for _ in range(number)]

    async def accept(self) -> None:
        await (await self.listener.accept()).aclose()

    async def aclose(self) -> None:
        await self.listener.aclose()
        for each in self._sockets:
            each.close()


@pytest.fixture
async def clients() -> AsyncIterator[Clients]:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1", backlog=128)
    clients = Clients(listener)
    yield clients
    await clients.aclose()


async def test_many_are_accepted_in_one_turn(clients: Clients) -> None:
    clients.connect(2 * BURST)
    for _ in range(2):
        for number in range(BURST):
            with assert_no_checkpoints() if number else assert_checkpoints():
                stream = await clients.listener.accept()
            await stream.aclose()


async def test_without_room_one_is_accepted_in_a_turn(clients: Clients) -> None:
    clients.room = 2 * BURST - 1
    clients.connect(2)
    for _ in range(2):
        with assert_checkpoints():
            stream = await clients.listener.accept()
        await stream.aclose()


async def test_it_waits_for_the_next(clients: Clients) -> None:
    clients.connect(2)
    await clients.accept()
    await clients.accept()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(clients.accept)
        await trio.testing.wait_all_tasks_blocked()
        clients.connect(1)


async def test_a_lack_of_files_is_told(clients: Clients, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise OSError(errno.EMFILE, "too many open files")

    clients.connect(2)
    await clients.accept()
    monkeypatch.setattr(socket.socket, "_accept", fail)
    with pytest.raises(OSError, match="too many open files"):
        await clients.accept()


async def test_a_closed_listener_accepts_no_more(clients: Clients) -> None:
    clients.connect(2)
    await clients.accept()
    await clients.listener.aclose()
    with pytest.raises(trio.ClosedResourceError):
        await clients.accept()
