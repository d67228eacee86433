"""A relay to the test server that lets no connection be reset."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial

import trio

END_SECONDS = 120


@asynccontextmanager
async def relaying(port: int) -> AsyncIterator[int]:
    """Listen on a free port, which is the value, and pass bytes to the server's port and back.

    When a client closes a connection with bytes unread, the system resets it, and this build of
    ClickHouse aborts at some resets. The relay ends connections in order instead: it passes on the
    client's end, reads all that the server still sends, and waits until the server has closed.
    """

    async def handle(client: trio.SocketStream) -> None:
        async with client:
            with suppress(OSError):  # Nobody listens: the client's connection ends.
                await _relay(client, await trio.open_tcp_stream("127.0.0.1", port))

    async with trio.open_nursery() as connections:
        async with trio.open_nursery() as listening:
            serve = partial(trio.serve_tcp, host="127.0.0.1", handler_nursery=connections)
            listeners = await listening.start(serve, handle, 0)
            yield listeners[0].socket.getsockname()[1]
            listening.cancel_scope.cancel()
        connections.cancel_scope.deadline = trio.current_time() + END_SECONDS


async def _relay(client: trio.SocketStream, server: trio.SocketStream) -> None:
    async with server, trio.open_nursery() as nursery:
        nursery.start_soon(_pass_requests, client, server)
        await _pass_answers(server, client)
        nursery.cancel_scope.cancel()


async def _pass_requests(client: trio.SocketStream, server: trio.SocketStream) -> None:
    with suppress(trio.BrokenResourceError):
        async for sent in client:
            await server.send_all(sent)
    with suppress(trio.BrokenResourceError):
        await server.send_eof()


async def _pass_answers(server: trio.SocketStream, client: trio.SocketStream) -> None:
    with suppress(trio.BrokenResourceError):
        async for answer in server:
            with suppress(trio.BrokenResourceError):
                await client.send_all(answer)
