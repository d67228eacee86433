import math
from typing import Any

import pytest
from asynch.errors import UnexpectedPacketFromServerError
from asynch.proto.connection import Connection
from asynch.proto.streams.buffered import BufferedReader

from actors.stores import native_connection
from actors.stores.clickhouse import ClickHouseStore
from actors.stores.native_connection import NativeConnection
from actors.stores.store import StoreMisconfigured, StoreUnavailable
from actors.stores.url import ServerAddress
from ingest.rows.schema import EVENTS
from tests.actors.stores import checks
from tests.actors.stores.old_server import greeting, serving
from tests.end_to_end.clickhouse_server import ClickHouseServer
from tests.ingest.rows.example_rows import row


async def test_the_http_port_of_a_server(server: ClickHouseServer) -> None:
    store = ClickHouseStore(ServerAddress("127.0.0.1", server.http_port))
    with pytest.raises(StoreMisconfigured, match=r"speaks HTTP: .* whose port is 9000 unless"):
        await store.open()
    await store.aclose()


@pytest.mark.parametrize("status", ["400 Bad Request", "200 OK", "501 Not Implemented"])
async def test_another_http_server(status: str) -> None:
    async with serving(f"HTTP/1.1 {status}\r\n\r\n".encode()) as port:
        store = ClickHouseStore(ServerAddress("127.0.0.1", port, password="secret"))
        with pytest.raises(StoreMisconfigured, match=f"127.0.0.1:{port} speaks HTTP") as caught:
            await store.open()
        assert "secret" not in str(caught.value)
        await store.aclose()


BLOCK = b"\x01\0\x01\0\x02\xff\xff\xff\xff\0\x01\x01\x01x\x06UInt64\x01\0\0\0\0\0\0\0"
"""A packet with a column x of one number."""


@pytest.mark.parametrize("cut", range(len(BLOCK) + 1))
async def test_a_message_that_is_cut_short_is_an_outage(cut: int) -> None:
    async with serving(greeting(26, 7) + BLOCK[:cut]) as port:
        store = ClickHouseStore(ServerAddress("127.0.0.1", port))
        with pytest.raises(StoreUnavailable, match="the connection to ClickHouse failed: "):
            await store._execute("SELECT 1")
        await store.aclose()


SAMPLE = BLOCK[:10] + b"\x02\0\x01x\x06UInt64\x05\xc3\xa9\xff\0y\x06String"
"""A packet with two columns without rows: how the server answers an INSERT."""


async def insert(connection: NativeConnection) -> None:
    await connection.execute("INSERT INTO t VALUES", [b"\0\0"])


@pytest.mark.parametrize("cut", range(len(SAMPLE) + 1))
async def test_an_insert_whose_answer_is_cut_short_is_an_outage(cut: int) -> None:
    async with serving(greeting(26, 7) + SAMPLE[:cut]) as port:
        store = ClickHouseStore(ServerAddress("127.0.0.1", port))
        with pytest.raises(StoreUnavailable, match="the connection to ClickHouse failed: "):
            await store._inserts.run(insert)
        await store.aclose()


def expecting_sample(data: bytes) -> NativeConnection:
    """A connection that has received a packet after its type, and waits for the sample block."""
    connection = NativeConnection(ServerAddress("127.0.0.1", 9000), "", connect_timeout=1)
    reader: Any = BufferedReader  # it has no types
    connection.reader = reader(None)
    connection.reader.buffer = bytearray(data)
    connection.reader.current_buffer_size = len(data)
    connection._expects_sample = True
    return connection


async def test_the_block_before_an_insert_is_read_to_its_end() -> None:
    connection = expecting_sample(SAMPLE[1:] + b"\x05")
    await connection.receive_data()
    assert await connection.reader.read_varint() == 5


async def test_the_block_before_an_insert_has_no_rows() -> None:
    with pytest.raises(UnexpectedPacketFromServerError, match="has rows"):
        await expecting_sample(BLOCK[1:]).receive_data()


@pytest.mark.parametrize("error", [TypeError, IndexError, AttributeError, KeyError, RuntimeError])
async def test_a_mistake_of_ours_is_no_outage(
    server: ClickHouseServer, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def mistaken(*_: Any) -> list[bytes]:
        raise error("ours")

    store = ClickHouseStore(ServerAddress("127.0.0.1", server.tcp_port, database=error.__name__))
    await store.open()
    with monkeypatch.context() as patch:
        patch.setattr("actors.stores.clickhouse.encode", mistaken)
        with pytest.raises(error, match="ours"):
            await store.insert(EVENTS, [row(EVENTS)], "token")
    await store.insert(EVENTS, [row(EVENTS)], "token")
    assert await checks.count(store) == 1
    await store.aclose()


@pytest.mark.parametrize("aborted", [False, True])
async def test_only_a_connection_that_is_closed_is_asked_right_after_an_insert(
    server: ClickHouseServer, monkeypatch: pytest.MonkeyPatch, aborted: bool
) -> None:
    pings: list[bool] = []
    base: Any = Connection  # its types do not tell of it
    ping = base._ping

    async def noted(self: Any) -> bool:
        pings.append(await ping(self))
        return pings[-1]

    monkeypatch.setattr(native_connection, "FRESH_SECONDS", math.inf)
    monkeypatch.setattr(Connection, "_ping", noted)
    store = ClickHouseStore(
        ServerAddress("127.0.0.1", server.tcp_port, database=f"pings_{aborted}")
    )
    await store.open()
    await store.insert(EVENTS, [row(EVENTS)], "first")
    pings.clear()
    if aborted:

        async def abort(connection: NativeConnection) -> None:
            connection.writer.writer.transport.abort()

        await store._inserts.run(abort)
    await store.insert(EVENTS, [row(EVENTS)], "second")
    assert pings == [False] * aborted
    assert await checks.count(store) == 2
    await store.aclose()
