"""A connection to a ClickHouse server that is made when needed, and used from trio."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

import trio
from asynch.errors import ClickHouseException, ServerException, UnknownTypeError

from actors.stores.native_connection import NativeConnection
from actors.stores.refusal import shorten
from actors.stores.store import StoreError, StoreUnavailable
from actors.stores.unreachable import describe_failure
from actors.stores.url import ServerAddress
from actors.threads.asyncio_thread import AsyncioThread

T = TypeVar("T")

_OUTAGES = (OSError, EOFError, ClickHouseException)
"""What the other end, or the way there, is to blame for."""


class ServerError(StoreError):
    """The server's own answer: it is alive, and the connection goes on.

    Attributes:
        code: ClickHouse's number of the error; None when it gave none.
    """

    def __init__(self, message: str, code: int | None) -> None:
        """As the server said it."""
        super().__init__(shorten(message))
        self.code = code


class Line:
    """A connection that is made when needed and carries one statement at a time."""

    def __init__(
        self,
        thread: AsyncioThread,
        address: ServerAddress,
        connect: Callable[[], NativeConnection],
        seconds: float,
    ) -> None:
        """Connect to nothing yet.

        Args:
            thread: Where the connection lives.
            address: What is connected to, for messages.
            connect: Prepares a connection.
            seconds: Limit for what is done with it at a time.
        """
        self._thread = thread
        self._address = address
        self._connect = connect
        self._seconds = seconds
        self._lock = trio.Lock()
        self._connection: NativeConnection | None = None

    async def run(self, work: Callable[[NativeConnection], Awaitable[T]]) -> T:
        """Do something with the connection, in the loop's thread.

        Raises:
            ServerError: The server refused.
            StoreUnavailable: The connection broke, or it took too long.
        """
        async with self._lock:
            try:
                return await self._thread.run(partial(self._run, work), limit=self._seconds)
            except TimeoutError as error:
                raise StoreUnavailable(str(error)) from None

    async def aclose(self) -> None:
        """Drop the connection."""
        async with self._lock:
            await self._thread.run(self._disconnect, limit=self._seconds)

    async def _run(self, work: Callable[[NativeConnection], Awaitable[T]]) -> T:
        if self._connection is None:
            self._connection = self._connect()
        try:
            return await work(self._connection)
        except ServerException as error:
            raise ServerError(str(error), error.code) from None
        except (StoreError, UnknownTypeError):
            raise
        except asyncio.CancelledError:
            await self._disconnect()
            raise
        except Exception as error:
            greeted, broken = self._connection.server_info is not None, self._connection.broken
            await self._disconnect()
            # A stream that ends within a packet surfaces as struct.error, IndexError and others.
            # Anything else is a mistake of ours, which would be no better the next time.
            if not broken and not isinstance(error, _OUTAGES):
                raise
            cause = error.__cause__ or error
            detail = describe_failure(cause, self._address, greeted=greeted)
            raise StoreUnavailable(f"the connection to ClickHouse failed: {detail}") from error

    async def _disconnect(self) -> None:
        if self._connection is not None:
            await self._connection.disconnect()
            self._connection = None


async def rows_of(sql: str, connection: NativeConnection) -> list[list[str]]:
    """Run a statement; all cells as text."""
    rows = await connection.execute(sql)
    return [
        [cell.decode() if isinstance(cell, bytes) else str(cell) for cell in row]
        for row in rows or ()
    ]
