"""Serves the application: hypercorn's HTTP on connections with our own limits and error handling.

hypercorn's own accept loop ends the whole server if one connection raises anything but `OSError`,
and its writes wait without a limit for a client that does not read. So connections are accepted
here. Each is passed to hypercorn's protocol stack with its own exception handler and a deadline for
writes.
"""

import logging
import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import structlog
import trio
from hypercorn.config import Config
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState
from hypercorn.utils import wrap_app

from ingest.http.fast_path.server import FastPath
from ingest.http.hypercorn.connection import (
    CLOSING_SECONDS,
    IDLE_SECONDS,
    READ_BYTES,
    READ_SECONDS,
    WRITE_SECONDS,
    HypercornConnection,
    TimedStream,
)
from ingest.http.hypercorn.listener import BurstListener
from ingest.http.hypercorn.open_connections import (
    Closing,
    OpenConnection,
    OpenConnections,
    connection_limit,
)
from ingest.http.hypercorn.protocol import HEAD_BYTES
from ingest.request.client_address import TrustedProxies
from ingest.telemetry.logs import stack_of
from ingest.telemetry.metrics import Metrics

log = structlog.get_logger()


def hypercorn_config() -> Config:
    """Return hypercorn's configuration."""
    config = Config()
    config.keep_alive_timeout = IDLE_SECONDS
    config.read_timeout = READ_SECONDS
    config.h11_max_incomplete_size = HEAD_BYTES
    config.keep_alive_max_requests = 100_000
    config.include_server_header = False
    config.accesslog = None
    config.errorlog = logging.getLogger("hypercorn.error")
    return config


class Server:
    """Accepts connections and serves them until it is stopped."""

    def __init__(
        self,
        app: Any,
        listeners: Sequence[trio.SocketListener],
        metrics: Metrics,
        fast_path: FastPath | None = None,
        *,
        trusted_proxies: TrustedProxies | None = None,
        limit: int | None = None,
    ) -> None:
        """Take ownership of the listeners.

        Args:
            app: The ASGI application.
            listeners: Open sockets.
            metrics: Count refused and failed connections.
            fast_path: Serves plain event requests at the start of connections; None: not used.
            trusted_proxies: Whose connections are limited only together with all others; None:
                those of every address.
            limit: Maximum number of connections; None: `connection_limit`.
        """
        self._config = hypercorn_config()
        self._app = wrap_app(self._whole_messages(app), self._config.wsgi_max_body_size, "asgi")
        self._listeners = list(listeners)
        self._metrics = metrics
        self._fast_path = fast_path
        self._context = WorkerContext(None)
        self._connections = OpenConnections(
            connection_limit() if limit is None else limit,
            trusted_proxies,
            metrics.connections_displaced.inc,
        )
        self._stopping = trio.Event()
        self._grace = math.inf
        metrics.read(
            "sluice_connections_open", "Connections being served.", self._connections.__len__
        )

    @property
    def open_connections(self) -> int:
        """The number of connections being served."""
        return len(self._connections)

    def stop(self, grace: float) -> None:
        """Stop accepting connections, close idle ones, and end `run` within `grace` seconds."""
        self._grace = grace
        self._stopping.set()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until stopped and all current requests have their responses."""
        async with trio.open_nursery() as watching:
            if self._fast_path is not None:
                watching.start_soon(self._fast_path.run)
            await self._serve_until_stopped(task_status)
            watching.cancel_scope.cancel()

    async def _serve_until_stopped(self, task_status: trio.TaskStatus[None]) -> None:
        async with trio.open_nursery() as connections:
            async with trio.open_nursery() as accepting:
                accepting.start_soon(self._accept, connections)
                task_status.started()
                await self._stopping.wait()
                accepting.cancel_scope.cancel()
            connections.cancel_scope.deadline = trio.current_time() + self._grace
            if self._fast_path is not None:
                self._fast_path.stop()
            await self._context.terminated.set()

    def _whole_messages(self, app: Any) -> Any:
        """Wrap the application so that each message of a response is sent whole, in bounded time.

        hypercorn reports the end of a response to the application before it closes the connection.
        Quart-Trio then cancels the task that would close it, and the client would keep waiting.
        While the server stops, responses ask the client to use another connection.
        """

        async def call(scope: Any, receive: Any, send: Any) -> None:
            async def send_whole(message: Any) -> None:
                if message["type"] == "http.response.start" and self._stopping.is_set():
                    message = {
                        **message,
                        "headers": [*message["headers"], (b"connection", b"close")],
                    }
                deadline = trio.current_time() + WRITE_SECONDS
                with trio.CancelScope(shield=True, deadline=deadline):
                    await send(message)

            await app(scope, receive, send_whole)

        return call

    async def _serve_connection(
        self, stream: TimedStream, connection: OpenConnection, peer: str
    ) -> None:
        """Serve a connection on the fast path while possible, then through hypercorn."""
        if self._fast_path is not None:
            unread = await self._fast_path.serve(
                stream, stream.socket.fileno(), peer, on_open=partial(setattr, connection, "served")
            )
            if unread is None:
                connection.served = Closing()
                await stream.send_eof()
                with trio.move_on_after(CLOSING_SECONDS):
                    while await stream.receive_some(READ_BYTES):
                        pass
                return
            stream.prepend(unread)
        served = HypercornConnection(
            self._app,
            self._config,
            self._context,
            ConnectionState({}),
            stream,
        )
        connection.served = served
        await served

    async def _accept(self, connections: trio.Nursery) -> None:
        listeners = [BurstListener(each, self._connections.has_room) for each in self._listeners]
        await trio.serve_listeners(self._serve, listeners, handler_nursery=connections)

    async def _serve(self, stream: trio.SocketStream) -> None:
        connection = None
        try:
            peer = str(stream.socket.getpeername()[0])
            connection = self._connections.admit(peer)
            if connection is None:
                self._metrics.connections_refused.inc()
                return
            with connection.scope:
                await self._serve_connection(TimedStream(stream), connection, peer)
        except (OSError, trio.BrokenResourceError):
            pass  # The client has disconnected.
        except Exception as error:
            # An error of one connection must not affect the others.
            self._metrics.connection_errors.inc()
            log.warning("connection failed", error=type(error).__name__, stack=stack_of(error))
        finally:
            if connection is not None:
                self._connections.remove(connection)
            with trio.CancelScope(shield=True, deadline=trio.current_time() + 1):
                await trio.aclose_forcefully(stream)
