"""Proxies between each process and the brokers, which can cut the process off."""

import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Self

import trio

from tests.cluster.node import Route

CHUNK_BYTES = 65_536


class Link:
    """The proxies of one process: one for each broker."""

    def __init__(self, routes: Iterable[Route]) -> None:
        """Prepare the proxies; `Links` runs them."""
        self._routes = list(routes)
        self._passing = trio.Event()
        self._passing.set()
        self._refusing = False
        self._connections: set[trio.CancelScope] = set()
        self._token: trio.lowlevel.TrioToken | None = None

    def hang(self) -> None:
        """Hold back all bytes: connections stay, and what was sent arrives after `heal`."""

        def change() -> None:
            self._passing = trio.Event()

        self._call(change)

    def cut(self) -> None:
        """Close all connections, and each new one at once."""

        def change() -> None:
            self._refusing = True
            for scope in self._connections:
                scope.cancel()

        self._call(change)

    def heal(self) -> None:
        """Forward everything again."""

        def change() -> None:
            self._refusing = False
            self._passing.set()

        self._call(change)

    def _call(self, change: Callable[[], None]) -> None:
        assert self._token is not None, "the links are not open"
        trio.from_thread.run_sync(change, trio_token=self._token)

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Forward until cancelled."""
        self._token = trio.lowlevel.current_trio_token()
        async with trio.open_nursery() as nursery:
            for route in self._routes:
                listeners = await trio.open_tcp_listeners(route.proxy, host="127.0.0.1")
                await nursery.start(trio.serve_listeners, self._handler(route.node), listeners)
            task_status.started()

    def _handler(self, port: int) -> Callable[[trio.SocketStream], Awaitable[None]]:
        async def handle(client: trio.SocketStream) -> None:
            with trio.CancelScope() as scope:
                if self._refusing:
                    return
                self._connections.add(scope)
                try:
                    await self._connect(client, port, scope)
                finally:
                    self._connections.discard(scope)

        return handle

    async def _connect(self, client: trio.SocketStream, port: int, scope: trio.CancelScope) -> None:
        try:
            broker = await trio.open_tcp_stream("127.0.0.1", port)
        except OSError:
            return
        async with broker, trio.open_nursery() as nursery:
            nursery.start_soon(self._forward, client, broker, scope)
            nursery.start_soon(self._forward, broker, client, scope)

    async def _forward(
        self, source: trio.SocketStream, target: trio.SocketStream, scope: trio.CancelScope
    ) -> None:
        try:
            while data := await source.receive_some(CHUNK_BYTES):
                await self._passing.wait()
                await target.send_all(data)
            await self._passing.wait()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        scope.cancel()


class Links:
    """The links of all processes, in one thread. A context manager."""

    def __init__(self, routes: Mapping[str, Iterable[Route]]) -> None:
        """Prepare a link for each process, by its name."""
        self._links = {name: Link(ways) for name, ways in routes.items()}
        self._opened = threading.Event()
        self._closing = trio.Event()
        self._token: trio.lowlevel.TrioToken | None = None
        self._thread = threading.Thread(target=trio.run, args=(self._run,), daemon=True)

    def __enter__(self) -> Self:
        """Open them."""
        self._thread.start()
        assert self._opened.wait(30), "the links were not opened"
        return self

    def __exit__(self, *_: object) -> None:
        """Close them, and all connections."""
        assert self._token is not None
        self._token.run_sync_soon(self._closing.set)
        self._thread.join(30)

    def __getitem__(self, name: str) -> Link:
        """Return the link of a process."""
        return self._links[name]

    async def _run(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        async with trio.open_nursery() as nursery:
            for link in self._links.values():
                await nursery.start(link.run)
            self._opened.set()
            await self._closing.wait()
            nursery.cancel_scope.cancel()
