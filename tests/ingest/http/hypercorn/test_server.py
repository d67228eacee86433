"""Connections: bounded, guarded and closed in time."""

from contextlib import suppress
from typing import Any

import pytest
import trio
from hypercorn.events import RawData
from hypercorn.protocol.h11 import H11Protocol
from trio.testing import wait_all_tasks_blocked

from ingest.http.hypercorn import connection
from ingest.http.hypercorn.connection import MANY_LINES
from ingest.http.hypercorn.server import Server
from ingest.http.interruption import UnwantedError, while_wanted
from ingest.request.client_address import TrustedProxies
from ingest.telemetry.metrics import Metrics

REQUEST = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
CLIENTS = 20
CLOSING = REQUEST.replace(b"host: a", b"host: a\r\nconnection: close")


async def answer(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


class Slow:
    """An application that answers a request when the test lets it."""

    def __init__(self) -> None:
        self.begun = trio.Event()
        self.open = trio.Event()
        self.requests = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.begun.set()
        self.requests += 1
        await self.open.wait()
        await answer(scope, receive, send)


class Running:
    def __init__(
        self,
        listeners: list[trio.SocketListener],
        limit: int,
        app: Any = answer,
        trusted: str = "all",
    ) -> None:
        self.metrics = Metrics(lambda domain: True)
        self.server = Server(
            app,
            listeners,
            self.metrics,
            trusted_proxies=TrustedProxies.parse(trusted),
            limit=limit,
        )
        self.port: int = listeners[0].socket.getsockname()[1]

    def counted(self, what: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"sluice_connections_{what}_total")

    async def connect(self) -> trio.SocketStream:
        return await trio.open_tcp_stream("127.0.0.1", self.port)

    async def has_open(self, connections: int) -> None:
        with trio.fail_after(60):
            while self.server.open_connections != connections:  # noqa: ASYNC110 - nothing tells
                await trio.sleep(0.001)

    async def ask(self, request: bytes = REQUEST) -> bytes:
        stream = await self.connect()
        await stream.send_all(request)
        return bytes(await stream.receive_some())


async def start(
    nursery: trio.Nursery, limit: int = 10, app: Any = answer, trusted: str = "all"
) -> Running:
    running = Running(await trio.open_tcp_listeners(0, host="127.0.0.1"), limit, app, trusted)
    await nursery.start(running.server.run)
    return running


async def asked(stream: trio.SocketStream) -> bytes:
    """The answer to a request on an open connection, to its last chunk."""
    await stream.send_all(REQUEST)
    data = b""
    while not data.endswith(b"0\r\n\r\n"):
        data += await stream.receive_some()
    return data


async def received(stream: trio.SocketStream) -> bytes:
    data = b""
    async for chunk in stream:
        data += chunk
    return data


async def test_serves(nursery: trio.Nursery) -> None:
    running = await start(nursery)
    assert (await running.ask()).startswith(b"HTTP/1.1 200")
    nursery.cancel_scope.cancel()


async def test_the_connection_that_is_idle_longest_makes_room(nursery: trio.Nursery) -> None:
    running = await start(nursery, limit=2)
    first, second = [await running.connect(), await running.connect()]
    await running.has_open(2)
    assert (await asked(first)).startswith(b"HTTP/1.1 200")
    assert (await running.ask()).startswith(b"HTTP/1.1 200")
    with trio.fail_after(60):
        assert await received(second) == b""
    assert (await asked(first)).startswith(b"HTTP/1.1 200")
    assert running.counted("displaced") == 1
    assert running.counted("refused") == 0
    nursery.cancel_scope.cancel()


async def test_no_request_makes_room(nursery: trio.Nursery) -> None:
    slow = Slow()
    running = await start(nursery, limit=2, app=slow)
    busy = [await running.connect() for _ in range(2)]
    for stream in busy:
        await stream.send_all(REQUEST)
    await running.has_open(2)
    while slow.requests < 2:  # noqa: ASYNC110 - nothing tells
        await trio.sleep(0.001)
    with trio.fail_after(60):
        assert await received(await running.connect()) == b""
    assert running.counted("refused") == 1
    slow.open.set()
    for stream in busy:
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 200")
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize(("trusted", "kept"), [("10.0.0.0/8", 1), ("private", 3)])
async def test_one_address_has_a_share(nursery: trio.Nursery, trusted: str, kept: int) -> None:
    running = await start(nursery, limit=8, trusted=trusted)
    streams = [await running.connect() for _ in range(3)]
    for stream in streams[kept:]:
        with trio.fail_after(60):
            assert await received(stream) == b""
    for stream in streams[:kept]:
        assert (await asked(stream)).startswith(b"HTTP/1.1 200")
    assert running.counted("refused") == 3 - kept
    nursery.cancel_scope.cancel()


async def test_a_failing_connection_ends_no_other(
    nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise ZeroDivisionError

    running = await start(nursery)
    with monkeypatch.context() as patch:
        patch.setattr(H11Protocol, "handle", fail)
        with trio.fail_after(60):
            assert await running.ask() == b""
        await wait_all_tasks_blocked()
    assert running.metrics.registry.get_sample_value("sluice_connection_errors_total") == 1
    assert (await running.ask()).startswith(b"HTTP/1.1 200")
    nursery.cancel_scope.cancel()


async def test_what_a_client_still_sends_does_not_cost_it_the_answer(
    nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "CLOSING_SECONDS", 3600)
    slow = Slow()
    running = await start(nursery, app=slow)
    stream = await running.connect()
    await stream.send_all(CLOSING)
    await slow.begun.wait()
    slow.open.set()
    await running.has_open(1)
    # Bytes that arrive after the server has closed the connection reset it.
    for _ in range(10):
        await stream.send_all(REQUEST * 1000)
        await wait_all_tasks_blocked()
    assert (await received(stream)).endswith(b"hello\r\n0\r\n\r\n")
    await stream.aclose()
    await running.has_open(0)
    nursery.cancel_scope.cancel()


async def test_a_client_that_keeps_its_side_open_is_left(
    nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "CLOSING_SECONDS", 0)
    running = await start(nursery)
    stream = await running.connect()
    await stream.send_all(CLOSING)
    assert (await received(stream)).endswith(b"hello\r\n0\r\n\r\n")
    await running.has_open(0)
    nursery.cancel_scope.cancel()


async def test_a_request_as_the_idle_time_ends_is_answered_or_not_begun(
    nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "IDLE_SECONDS", 0)
    app = Slow()
    app.open.set()
    running = await start(nursery, limit=CLIENTS, app=app)
    answered = 0

    async def ask() -> None:
        nonlocal answered
        stream = await running.connect()
        with suppress(trio.BrokenResourceError):
            await stream.send_all(REQUEST)
            answered += b"hello" in await received(stream)

    for _ in range(20):
        async with trio.open_nursery() as clients:
            for _ in range(CLIENTS):
                clients.start_soon(ask)
    await running.has_open(0)
    assert app.requests == answered
    nursery.cancel_scope.cancel()


async def test_stopping_closes_idle_connections_and_lets_requests_finish() -> None:
    slow = Slow()
    async with trio.open_nursery() as nursery:
        running = await start(nursery, app=slow)
        idle, busy = await running.connect(), await running.connect()
        await busy.send_all(REQUEST)
        await slow.begun.wait()
        await running.has_open(2)
        running.server.stop(120)
        with trio.fail_after(60):
            assert await received(idle) == b""
            slow.open.set()
            last = await received(busy)
        assert last.startswith(b"HTTP/1.1 200")
        assert b"connection: close" in last.lower()
        with pytest.raises(OSError, match="connect"):
            await running.connect()


async def test_a_request_beyond_the_grace_is_cut_off() -> None:
    slow = Slow()
    async with trio.open_nursery() as nursery:
        running = await start(nursery, app=slow)
        busy = await running.connect()
        await busy.send_all(REQUEST)
        await slow.begun.wait()
        running.server.stop(0.2)
        with trio.fail_after(60):
            assert b"hello" not in await received(busy)
    assert running.server.open_connections == 0


async def test_an_application_that_fails_ends_no_other(nursery: trio.Nursery) -> None:
    async def fail(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/bug":
            raise ZeroDivisionError
        await answer(scope, receive, send)

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    running = Running(listeners, 10, fail)
    await nursery.start(running.server.run)
    with trio.fail_after(60):
        assert (await running.ask(REQUEST.replace(b"/ ", b"/bug "))).startswith(b"HTTP/1.1 500")
        assert (await running.ask()).startswith(b"HTTP/1.1 200")
    nursery.cancel_scope.cancel()


async def test_connections_end_with_their_last_response(nursery: trio.Nursery) -> None:
    running = await start(nursery, limit=20)
    with trio.fail_after(60):
        for _ in range(10):
            stream = await running.connect()
            await stream.send_all(CLOSING)
            assert (await received(stream)).startswith(b"HTTP/1.1 200")
            await stream.aclose()
        await running.has_open(0)
    nursery.cancel_scope.cancel()


class Unfinished:
    """An application that answers when its connection's long work is to end."""

    def __init__(self) -> None:
        self.begun = trio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await while_wanted(scope, self.work)
        except UnwantedError:
            await answer(scope, receive, send)

    async def work(self) -> None:
        self.begun.set()
        await trio.sleep_forever()


async def test_long_work_ends_when_the_client_hangs_up(nursery: trio.Nursery) -> None:
    app = Unfinished()
    running = await start(nursery, app=app)
    stream = await running.connect()
    await stream.send_all(REQUEST)
    await app.begun.wait()
    await stream.send_eof()
    assert b"hello" in await received(stream)
    nursery.cancel_scope.cancel()


async def test_long_work_ends_when_the_server_stops(nursery: trio.Nursery) -> None:
    app = Unfinished()
    running = await start(nursery, app=app)
    stream = await running.connect()
    await stream.send_all(REQUEST)
    await app.begun.wait()
    running.server.stop(3600)
    assert b"hello" in await received(stream)


async def test_many_chunks_are_parsed_in_slices(
    nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    handle = H11Protocol.handle

    async def note_size(self: H11Protocol, event: Any) -> None:
        if isinstance(event, RawData):
            sizes.append(len(event.data))
        await handle(self, event)

    async def count(scope: Any, receive: Any, send: Any) -> None:
        length = 0
        while True:
            message = await receive()
            length += len(message.get("body", b""))
            if not message.get("more_body"):
                break
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"%d" % length})

    monkeypatch.setattr(H11Protocol, "handle", note_size)
    running = await start(nursery, app=count)
    stream = await running.connect()
    head = b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    await stream.send_all(head + b"1\r\na\r\n" * 10_000 + b"0\r\n\r\n")
    assert (await received(stream)).endswith(b"5\r\n10000\r\n0\r\n\r\n")
    assert sum(sizes) == len(head) + 60_005
    assert max(sizes) <= 6 * MANY_LINES
    nursery.cancel_scope.cancel()
