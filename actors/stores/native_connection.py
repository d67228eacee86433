"""asynch's connection, with our own block encoding, and fixes for hangs and false success."""

# asynch declares types, but most of its functions have none.
# mypy: disable-error-code="no-untyped-call"

import asyncio
import logging
import math
import time
from collections.abc import Sequence
from typing import Any, Final

from asynch.errors import UnexpectedPacketFromServerError
from asynch.proto.block import BlockInfo, ColumnOrientedBlock
from asynch.proto.connection import Connection
from asynch.proto.protocol import ClientPacket

from actors.stores.store import QueryRefused, StoreMisconfigured
from actors.stores.url import DEFAULT_PORT, DEFAULT_TLS_PORT, ServerAddress

OLDEST_MAJOR_VERSION = 22

FRESH_SECONDS: Final = 1.0
"""How long after an insert the connection is used again without a ping."""

HTTP_ANSWER = b"HTTP/1."

# Its warnings are also raised as exceptions, and reported where they are caught.
logging.getLogger("asynch").setLevel(logging.ERROR)


class NativeConnection(Connection):
    """A connection to one server, opened by the first `execute` and reopened after a failure.

    `execute` inserts when its second argument is a list of Native blocks as bytes.

    Attributes:
        readable: How many bytes may still come; when more do, it is over with the connection.
    """

    connected: Any
    hosts: list[tuple[str, int]]
    reader: Any
    secure_socket: bool
    server_info: Any
    writer: Any

    def __init__(self, address: ServerAddress, database: str, *, connect_timeout: float) -> None:
        """Create the connection without opening it.

        The caller limits the time of a statement. asynch's own limit makes a task for each read.

        Args:
            address: Where the server is.
            database: The default database for unqualified names.
            connect_timeout: Seconds to wait for a connection, or for the answer to a ping.
        """
        super().__init__(
            host=address.host,
            port=address.port,
            user=address.user,
            password=address.password,
            database=database,
            secure=address.secure,
            verify=address.verify,
            ca_certs=address.ca_certs,
            client_name="sluice",
            connect_timeout=connect_timeout,
            send_receive_timeout=None,
            sync_request_timeout=connect_timeout,
            # Strings may hold bytes that are not UTF-8.
            settings={"strings_as_bytes": True},
        )
        self.readable = math.inf
        self._inserted_at = -math.inf
        self._expects_sample = False

    async def receive_hello(self) -> None:
        """Finish the handshake.

        Raises:
            StoreMisconfigured: The server is too old.
        """
        await super().receive_hello()
        info = self.server_info
        if info.version_major < OLDEST_MAJOR_VERSION:
            raise StoreMisconfigured(
                f"ClickHouse >= {OLDEST_MAJOR_VERSION} is needed, "
                f"found {info.version_major}.{info.version_minor}"
            )
        self.reader.reader = _CountedStream(self)

    def unexpected_packet_message(self, expected: str, packet_type: int) -> str:
        """Describe a packet that has no place where it came.

        Raises:
            StoreMisconfigured: It is an answer in HTTP.
        """
        if packet_type == HTTP_ANSWER[0]:
            host, port = self.hosts[0]
            native = DEFAULT_TLS_PORT if self.secure_socket else DEFAULT_PORT
            raise StoreMisconfigured(
                f"{host}:{port} speaks HTTP: ClickHouse's native protocol is needed, whose port is "
                f"{native} unless configured otherwise"
            )
        message: str = super().unexpected_packet_message(expected, packet_type)
        return message

    @property
    def broken(self) -> bool:
        """Whether the other end has closed it: what was read last may be a part of a message."""
        if not self.connected:
            return False
        return bool(self.reader.reader.at_eof() or self.writer.writer.is_closing())

    async def ping(self) -> bool:
        """Whether the server answers; not asked again right after an insert."""
        if time.monotonic() < self._inserted_at + FRESH_SECONDS and not self.broken:
            return True
        return bool(await super().ping())

    async def disconnect(self) -> None:
        """Close the connection at once.

        asynch's own method waits until all written data is sent: with a hanging server, forever.
        """
        if self.connected:
            self.writer.writer.transport.abort()
            self.reset_state()

    async def receive_data(self, raw: bool = False) -> Any:
        """Read a block; of one without rows, with which an insert begins, only how long it is.

        asynch's own method takes a million instructions for the names and types of its columns.
        """
        if raw or not self._expects_sample:
            return await super().receive_data(raw)
        await self.reader.read_str()
        await BlockInfo().read(self.reader)
        columns, rows = await self.reader.read_varint(), await self.reader.read_varint()
        if rows:
            raise UnexpectedPacketFromServerError("the block before an insert has rows")
        await self.reader.read_strs(2 * columns, as_bytes=True)
        return None

    async def process_insert_query(
        self, query_without_data: str, data: Sequence[bytes], *_: Any, **options: Any
    ) -> int:
        """Insert blocks in one statement, and wait for its end.

        asynch's own method treats the first packet that is not an exception as success. But
        progress packets may come first, and an exception after them.
        """
        await self.send_query(query_without_data, query_id=options.get("query_id") or "")
        await self.send_external_tables(None)
        self._expects_sample = True
        try:
            await self.receive_sample_block()
        finally:
            self._expects_sample = False
        for block in data:
            await self.writer.write_varint(ClientPacket.DATA)
            await self.writer.write_str("")
            await BlockInfo().write(self.writer)
            await self.writer.write_bytes(block)
        await self.send_block(ColumnOrientedBlock())
        while await self.receive_packet():
            pass
        self._inserted_at = time.monotonic()
        return len(data)


class _CountedStream:
    """What asynch reads from; a server checks a result's size before it writes out constants."""

    def __init__(self, connection: NativeConnection) -> None:
        self._connection = connection
        self._stream: asyncio.StreamReader = connection.reader.reader
        self.at_eof = self._stream.at_eof

    async def read(self, size: int) -> bytes:
        data = await self._stream.read(size)
        self._connection.readable -= len(data)
        if self._connection.readable < 0:
            raise QueryRefused("the result is too large")
        return data
